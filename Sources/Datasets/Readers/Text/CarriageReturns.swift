import Glibc

/// Text whose lines end with a carriage return alone, as some programs on the Macintosh write it. A newline behind a
/// carriage return ends the same line.
enum CarriageReturns {
  private static let byte = UInt8(ascii: "\r")

  /// Whether a lone carriage return ends the first line of a text with this start; nil where the start does not show
  /// it. `isAll` says that the start is the whole text.
  static func endFirstLine(of text: UnsafeBufferPointer<UInt8>, isAll: Bool) -> Bool? {
    guard let base = text.baseAddress, !text.isEmpty else { return isAll ? false : nil }
    let newline = memchr(base, Int32(TextFile.newline), text.count)
    let count = newline.map { UnsafeRawPointer($0) - UnsafeRawPointer(base) } ?? text.count
    guard let found = memchr(base, Int32(byte), count) else { return newline != nil || isAll ? false : nil }
    let index = UnsafeRawPointer(found) - UnsafeRawPointer(base)
    if index + 1 == text.count { return isAll ? true : nil }
    return text[index + 1] != TextFile.newline
  }

  /// Replaces lone carriage returns by newlines; a last one is replaced only if this is the end of the text.
  static func replace(in text: UnsafeMutableBufferPointer<UInt8>, isAll: Bool) {
    for index in text.indices where text[index] == byte {
      if index + 1 < text.count ? text[index + 1] != TextFile.newline : isAll { text[index] = TextFile.newline }
    }
  }
}
