import Datasets

/// What ranks share out of a head.
package enum HeadShard: Equatable, Sendable {
  /// As takes less memory or traffic: see `HeadPlacement`.
  case auto
  /// Each rank holds all classes, and a part of the rows of a batch.
  case none
  /// Each rank holds a part of the classes, and all rows of a batch.
  case classes
  /// Each rank of a group of so many holds a part of the classes, and the group's part of the rows.
  case groups(of: Int)

  /// Whether ranks share out classes.
  package var sharesClasses: Bool {
    switch self {
    case .auto, .none: false
    case .classes, .groups: true
    }
  }

  /// How many of `ranks` ranks share out the classes.
  func groupSize(of ranks: Int) -> Int {
    switch self {
    case .auto, .none: 1
    case .classes: ranks
    case .groups(let size): min(size, ranks)
    }
  }
}

extension HeadShard: Codable {
  private enum CodingKeys: String, CodingKey { case classes }

  package init(from decoder: any Decoder) throws {
    if let map = try? decoder.singleValueContainer().decode([String: Int].self), map.count == 1,
      let size = map[CodingKeys.classes.rawValue], size > 1
    {
      self = .groups(of: size)
      return
    }
    let container = try decoder.singleValueContainer()
    switch try? container.decode(String.self) {
    case "auto": self = .auto
    case "none": self = .none
    case "classes": self = .classes
    default:
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription:
          "it must be as {classes: 2}, with the ranks of a group, a whole number from 2, or one of auto, none, classes")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    if case .groups(let size) = self {
      var container = encoder.container(keyedBy: CodingKeys.self)
      return try container.encode(size, forKey: .classes)
    }
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension HeadShard: CustomStringConvertible {
  package var description: String {
    switch self {
    case .auto: "auto"
    case .none: "none"
    case .classes: "classes"
    case .groups(let size): "{classes: \(size)}"
    }
  }
}
