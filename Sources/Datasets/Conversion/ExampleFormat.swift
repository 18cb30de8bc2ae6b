/// The formats of files of examples.
package enum ExampleFormat: String, Codable, CaseIterable, Sendable {
  /// Text by the ending of the file's name, arrays by their first bytes.
  case auto
  /// The format of the MNIST files, plain or compressed.
  case idx
  /// NumPy's format for one array.
  case npy
  /// NumPy's format for archives of arrays.
  case npz
  case safetensors
  /// The format of LIBSVM and LIBLINEAR: text with the labels and the values other than zero.
  case svmlight
  /// Text with the labels in one column.
  case csv

  private static let endings: [ExampleFormat: [String]] = [
    .svmlight: ["svm", "svmlight", "libsvm"], .csv: ["csv", "tsv"],
  ]

  /// `svmlight` or `csv` if the file has text, which then includes the labels; nil for arrays.
  package func text(_ path: String) -> ExampleFormat? {
    guard self == .auto else { return Self.endings[self] == nil ? nil : self }
    let name = path.lowercased()
    // The inner ending counts even where no reader unpacks the file: the reader of that format then refuses it.
    let packed = (Compression.allCases.map(\.ending) + PackedFile.endings).first { name.hasSuffix($0) }
    let plain = name.dropLast(packed?.utf8.count ?? 0)
    return Self.endings.first { $0.value.contains { plain.hasSuffix(".\($0)") } }?.key
  }

  /// The text format of the first file; all files of a set have one format.
  package func text(_ files: FileList) -> ExampleFormat? { files.entries.first.flatMap { text($0) } }

  /// Whether all names have endings of one format, as far as endings tell.
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
