import Glibc

/// Text whose lines end with carriage returns alone, as some programs on the Macintosh write it; a newline behind one ends
/// the same line.
enum CarriageReturns {
  private static let byte = UInt8(ascii: "\r")

  /// Whether one alone ends the first line of a text, of which this is the start, or all; nil where the start does not tell.
  static func endFirstLine(of text: UnsafeBufferPointer<UInt8>, isAll: Bool) -> Bool? {
    guard let base = text.baseAddress, !text.isEmpty else { return isAll ? false : nil }
    let newline = memchr(base, Int32(TextFile.newline), text.count)
    let count = newline.map { UnsafeRawPointer($0) - UnsafeRawPointer(base) } ?? text.count
    guard let found = memchr(base, Int32(byte), count) else { return newline != nil || isAll ? false : nil }
    let index = UnsafeRawPointer(found) - UnsafeRawPointer(base)
    if index + 1 == text.count { return isAll ? true : nil }
    return text[index + 1] != TextFile.newline
  }

  /// Makes each of them that no newline follows a newline; one that is last only if this is all of the text.
  static func replace(in text: UnsafeMutableBufferPointer<UInt8>, isAll: Bool) {
    for index in text.indices where text[index] == byte {
      if index + 1 < text.count ? text[index + 1] != TextFile.newline : isAll { text[index] = TextFile.newline }
    }
  }
}
