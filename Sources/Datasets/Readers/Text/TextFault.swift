/// A fault of a line of text.
struct TextFault: Error {
  /// The line, counted from 0 at the start of the part.
  let line: Int
  let message: String

  /// The bytes as quoted text on one line, for errors; long text is cut.
  static func quoted(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(32), as: UTF8.self)
    let scalars = text.unicodeScalars.map { scalar in
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator: scalar.escaped(asASCII: true)
      default: String(scalar)
      }
    }
    return "'\(scalars.joined())\(bytes.count > 32 ? "…" : "")'"
  }
}

extension UnsafePointer<UInt8> {
  /// The bytes from here to `end`.
  func upTo(_ end: UnsafePointer<UInt8>) -> UnsafeBufferPointer<UInt8> { .init(start: self, count: end - self) }
}
