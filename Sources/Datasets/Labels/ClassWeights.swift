/// How much the examples of each class count in training.
package enum ClassWeights: Equatable, Sendable {
  /// Every class as much as any other: an example n/(C n_c), in a class that has n_c of n examples.
  case balanced
  /// A weight for each class, in their order.
  case given([Double])

  /// The weights of the classes: as given, or balanced for these labels, with 0 for a class that no example has.
  func values(for labels: [Int32], classCount: Int) -> [Double] {
    switch self {
    case .given(let weights):
      precondition(weights.count == classCount, "one weight a class")
      return weights
    case .balanced:
      let counts = labels.counts(below: classCount)
      return counts.map { $0 == 0 ? 0 : Double(labels.count) / (Double(classCount) * Double($0)) }
    }
  }
}

extension [Int32] {
  /// How often each number below `bound` is there; none is negative or not below it.
  func counts(below bound: Int) -> [Int] {
    reduce(into: [Int](repeating: 0, count: bound)) { $0[Int($1)] += 1 }
  }
}

extension ClassWeights: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let weights = try? container.decode([Double].self) {
      self = .given(weights)
    } else if (try? container.decode(String.self)) == "balanced" {
      self = .balanced
    } else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "it must be null, balanced, or a list of numbers, one for each class")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .balanced: try container.encode("balanced")
    case .given(let weights): try container.encode(weights)
    }
  }
}

extension ClassWeights: CustomStringConvertible {
  package var description: String {
    switch self {
    case .balanced: "balanced"
    case .given(let weights): "\(weights)"
    }
  }
}
