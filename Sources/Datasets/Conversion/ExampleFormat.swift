/// The formats of files of examples.
package enum ExampleFormat: String, Codable, CaseIterable, Sendable {
  /// Text by the ending of the file's name, arrays by their first bytes.
  case auto
  /// The format of the MNIST files, plain or compressed.
  case idx
  /// NumPy's.
  case npy
  /// NumPy's archives of arrays.
  case npz
  case safetensors
  /// That of LIBSVM and LIBLINEAR: text with the labels and what is not zero.
  case svmlight
  /// Text with the labels in one column.
  case csv

  private static let endings: [ExampleFormat: [String]] = [
    .svmlight: ["svm", "svmlight", "libsvm"], .csv: ["csv", "tsv"],
  ]

  /// `svmlight` or `csv`, if the file has text; its labels are then within it.
  package func text(_ path: String) -> ExampleFormat? {
    guard self == .auto else { return Self.endings[self] == nil ? nil : self }
    let name = path.lowercased()
    // That of a file that nothing here unpacks, too: it is refused by the reader of its format.
    let packed = (Compression.allCases.map(\.ending) + PackedFile.endings).first { name.hasSuffix($0) }
    let plain = name.dropLast(packed?.utf8.count ?? 0)
    return Self.endings.first { $0.value.contains { plain.hasSuffix(".\($0)") } }?.key
  }

  /// That of the first of some files, which are of one format.
  package func text(_ files: FileList) -> ExampleFormat? { files.entries.first.flatMap { text($0) } }

  /// Whether the names of some files are those of one format, as far as names tell.
  package func isOne(of files: FileList) -> Bool { files.entries.allSatisfy { text($0) == text(files) } }

  /// The format of an array.
  package var array: DataFormat {
    switch self {
    case .auto: .auto
    case .idx: .idx
    case .npy: .npy
    case .npz: .npz
    case .safetensors: .safetensors
    case .svmlight, .csv: preconditionFailure("text is no array")
    }
  }
}
