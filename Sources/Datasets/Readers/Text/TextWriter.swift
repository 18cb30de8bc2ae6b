import LinearAlgebra

/// Writes lines of text to a file that appears when all of them are written.
///
/// A number is written as the shortest text that reads back as the same number in its precision.
struct TextWriter {
  private let file: PartialFile
  private var bytes: [UInt8] = []

  var path: String { file.path }

  /// Throws exit code 74.
  init(_ path: String) throws(DataError) { file = try PartialFile(path) }

  mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// Appends one character.
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

  /// Appends a finite number.
  @inline(__always)
  mutating func append<Scalar: BLASScalar>(_ number: Scalar) {
    // The standard library writes a Float or Double much faster than a number of a generic type.
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

  /// The number as an integer, if it is one that single precision represents, and not −0.
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

  /// Ensures that all lines are on disk, as `PartialFile.complete` does. Throws exit code 74.
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
