/// The label of examples to leave out, as a class number or as a label text.
package enum IgnoredLabel: Equatable, Sendable {
  case number(Int)
  case text(String)

  /// Stands in the place of the class of an ignored example, where rows keep their numbers.
  package static let mark = Int32.min

  package func matches(_ label: Int32) -> Bool { self == .number(Int(label)) }

  /// Numbers match by value, and texts scalar by scalar.
  package func matches(_ text: String) -> Bool {
    let map = ClassMap(texts: [description])
    return map.classNumber(of: text) != nil
  }
}

extension IgnoredLabel: CustomStringConvertible {
  package var description: String {
    switch self {
    case .number(let number): "\(number)"
    case .text(let text): text
    }
  }
}

extension IgnoredLabel: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Int.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self), !text.isEmpty {
      self = .text(text)
    } else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "it must be null, a whole number, or the text of a label")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .number(let number): try container.encode(number)
    case .text(let text): try container.encode(text)
    }
  }
}

extension [Int32] {
  /// These class numbers, with the mark in the place of ignored ones.
  package func marking(_ ignored: IgnoredLabel?) -> [Int32] {
    guard let ignored, contains(where: ignored.matches) else { return self }
    return map { ignored.matches($0) ? IgnoredLabel.mark : $0 }
  }
}
