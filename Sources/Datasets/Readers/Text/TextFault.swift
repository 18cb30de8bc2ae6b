/// What is wrong with a line of text.
struct TextFault: Error {
  /// Counted from 0, from the start of the chunk.
  let line: Int
  let message: String

  /// Words for an error: the bytes as text of one line, of which a long one keeps its start.
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
