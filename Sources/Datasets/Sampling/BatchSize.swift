/// The number of rows of a global batch: a positive number, or `full` for all rows.
package enum BatchSize: Equatable, Sendable {
  case full
  case rows(Int)
}

extension BatchSize: Codable {
  package init(from decoder: any Decoder) throws {
    self =
      try decoder.value(
        Int.self, orWord: "full", problem: "a batch size is a positive whole number or 'full'", where: { $0 > 0 }
      ).map(BatchSize.rows) ?? .full
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .full: try container.encode("full")
    case .rows(let rows): try container.encode(rows)
    }
  }
}

extension BatchSize: CustomStringConvertible {
  package var description: String {
    switch self {
    case .full: "full"
    case .rows(let rows): "\(rows)"
    }
  }
}
