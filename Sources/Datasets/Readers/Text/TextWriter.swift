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

  /// One character.
  mutating func append(byte: UInt8) { bytes.append(byte) }

  mutating func append(_ integer: Int) {
    var rest = integer.magnitude
    let start = bytes.count
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    if integer < 0 { bytes.append(UInt8(ascii: "-")) }
    bytes[start...].reverse()
  }

  /// A finite number.
  @inline(__always)
  mutating func append<Scalar: BLASScalar>(_ number: Scalar) {
    // The standard library writes a Float or Double much faster than a number of a type that it does not know.
    if Scalar.self == Float.self {
      append(number as! Float)
    } else {
      append(Double(number))
    }
  }

  private mutating func append(_ number: Float) {
    if let integer = Self.integer(Double(number)) { return append(integer) }
    appendDescription(number.description, number.isFinite)
  }

  private mutating func append(_ number: Double) {
    if let integer = Self.integer(number) { return append(integer) }
    appendDescription(number.description, number.isFinite)
  }

  private mutating func appendDescription(_ text: String, _ isFinite: Bool) {
    precondition(isFinite, "files of text hold finite numbers")
    append(text)
    if bytes.suffix(2).elementsEqual(".0".utf8) { bytes.removeLast(2) }
  }

  /// The number, if it is a whole one that single precision has exactly, and has no sign to lose.
  private static func integer(_ number: Double) -> Int? {
    guard number.magnitude < 0x1p24, number != 0 || number.sign == .plus, number == number.rounded(.towardZero) else {
      return nil
    }
    return Int(number)
  }

  /// Throws exit code 74.
  mutating func endLine() throws(DataError) {
    bytes.append(TextFile.newline)
    if bytes.count >= 1 << 16 { try flush() }
  }

  /// Makes sure that all lines are on the disk, as `PartialFile` does. Throws exit code 74.
  mutating func complete() throws(DataError) {
    try flush()
    try file.complete()
  }

  /// Puts the complete file in place. Throws exit code 74.
  mutating func finish() throws(DataError) {
    try flush()
    try file.finish()
  }

  private mutating func flush() throws(DataError) {
    if bytes.isEmpty { return }
    try file.write(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}
