import LinearAlgebra

/// Lines of text on their way to a file that appears when all of them are written.
///
/// Numbers are the shortest text that is read back as the same number in their precision.
struct TextWriter {
  private let file: PartialFile
  private var bytes: [UInt8] = []

  var path: String { file.path }

  /// Throws exit code 74.
  init(_ path: String) throws(DataError) { file = try PartialFile(path) }

  mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// A finite number.
  mutating func append<Scalar: BLASScalar>(_ number: Scalar) {
    precondition(number.isFinite, "files of text hold finite numbers")
    bytes.append(contentsOf: "\(number)".utf8)
    if bytes.suffix(2).elementsEqual(".0".utf8) { bytes.removeLast(2) }
  }

  /// Throws exit code 74.
  mutating func endLine() throws(DataError) {
    bytes.append(TextFile.newline)
    if bytes.count >= 1 << 16 { try flush() }
  }

  /// Puts the complete file in place. Throws exit code 74.
  mutating func finish() throws(DataError) {
    try flush()
    try file.finish()
  }

  private mutating func flush() throws(DataError) {
    try file.write(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}
