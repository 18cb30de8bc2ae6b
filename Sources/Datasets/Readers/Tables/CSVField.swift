/// One field of a line of separated fields.
struct CSVField {
  /// The bytes of the field, without surrounding quotes and spaces.
  let bytes: UnsafeBufferPointer<UInt8>
  /// Whether pairs of quotes within stand for one quote.
  let hasDoubledQuotes: Bool
  let isQuoted: Bool

  struct Malformed: Error {
    let message: String
  }

  /// Reads the field at the cursor and moves the cursor to the separator or the end of the line behind it. A newline
  /// must follow.
  init(_ cursor: inout UnsafePointer<UInt8>, separator: UInt8) throws(Malformed) {
    Self.skipBlanks(&cursor, separator)
    guard cursor.pointee == Self.quote else {
      let start = cursor
      var end = cursor
      while !Self.isEnd(cursor) && cursor.pointee != separator {
        cursor += 1
        if !Self.isBlank(cursor[-1], separator) { end = cursor }
      }
      bytes = start.upTo(end)
      (hasDoubledQuotes, isQuoted) = (false, false)
      return
    }
    cursor += 1
    let start = cursor
    var hasDoubledQuotes = false
    while true {
      if cursor.pointee == TextFile.newline {
        throw Malformed(
          message: "a field in quotes does not end on its line; close it (newlines within quotes are not read)")
      }
      if cursor.pointee == Self.quote {
        if cursor[1] != Self.quote { break }
        hasDoubledQuotes = true
        cursor += 1
      }
      cursor += 1
    }
    bytes = start.upTo(cursor)
    (self.hasDoubledQuotes, isQuoted) = (hasDoubledQuotes, true)
    cursor += 1
    Self.skipBlanks(&cursor, separator)
    guard Self.isEnd(cursor) || cursor.pointee == separator else {
      throw Malformed(
        message: "something follows the closing quote of \(TextFault.quoted(bytes)); double the quotes within a field")
    }
  }

  /// All fields of the line at `start`.
  static func all(of start: UnsafePointer<UInt8>, separator: UInt8) throws(Malformed) -> [CSVField] {
    var cursor = start
    var fields = [try CSVField(&cursor, separator: separator)]
    while !isEnd(cursor) {
      cursor += 1
      fields.append(try CSVField(&cursor, separator: separator))
    }
    return fields
  }

  /// Calls `body` with the text of the field.
  func withText<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    guard hasDoubledQuotes else { return body(bytes) }
    var text: [UInt8] = []
    var index = 0
    while index < bytes.count {
      text.append(bytes[index])
      index += bytes[index] == Self.quote ? 2 : 1
    }
    return text.withUnsafeBufferPointer(body)
  }

  var string: String { withText { String(decoding: $0, as: UTF8.self) } }

  /// The number, if the whole field is one.
  func number<Scalar: DecimalScalar>(as _: Scalar.Type) -> Scalar? {
    if bytes.isEmpty { return nil }
    // A quote, a blank, a separator or a newline follows the bytes, and none of these belongs to a number.
    var cursor = bytes.baseAddress!
    let number = DecimalNumber.parse(&cursor, as: Scalar.self)
    return cursor == bytes.baseAddress! + bytes.count ? number : nil
  }

  /// Whether the field marks a missing number: a line with such a field is not a header.
  var isMissingNumber: Bool { Self.isMissingNumber(string) }

  static func isMissingNumber(_ text: String) -> Bool {
    ["", "nan", "na", "n/a", "null", "none", "?", "inf", "infinity", "-inf", "-infinity", "+inf"]
      .contains(text.lowercased())
  }

  @inline(__always)
  static func isBlank(_ byte: UInt8, _ separator: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (byte == UInt8(ascii: "\t") && separator != UInt8(ascii: "\t"))
  }

  @inline(__always)
  static func skipBlanks(_ cursor: inout UnsafePointer<UInt8>, _ separator: UInt8) {
    while isBlank(cursor.pointee, separator) { cursor += 1 }
  }

  @inline(__always)
  static func skipSpaces(_ cursor: inout UnsafePointer<UInt8>) {
    while cursor.pointee == UInt8(ascii: " ") { cursor += 1 }
  }

  /// Whether a line ends at the cursor: a newline, or a carriage return before it.
  @inline(__always)
  static func isEnd(_ cursor: UnsafePointer<UInt8>) -> Bool {
    cursor.pointee == TextFile.newline || (cursor.pointee == UInt8(ascii: "\r") && cursor[1] == TextFile.newline)
  }

  static let quote = UInt8(ascii: "\"")
}
