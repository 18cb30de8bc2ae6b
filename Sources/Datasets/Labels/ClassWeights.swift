/// The weight of the examples of each class in training.
package enum ClassWeights: Equatable, Sendable {
  /// All classes weigh alike: an example weighs n/(C n_c), where its class has n_c of n examples.
  case balanced
  /// A weight per class, in the order of the classes.
  case given([Double])

  /// The weight of each class, as given or balanced for these labels; a class without examples has 0 when balanced.
  func values(for labels: [Int32], classCount: Int) -> [Double] {
    values(counts: labels.counts(below: classCount).map(Double.init), examples: labels.count)
  }

  /// The weight of each class, as given or balanced for n_c of `examples` examples in class c.
  package func values(counts: [Double], examples: Int) -> [Double] {
    switch self {
    case .given(let weights):
      precondition(weights.count == counts.count, "one weight a class")
      return weights
    case .balanced:
      return counts.map { $0 == 0 ? 0 : Double(examples) / (Double(counts.count) * $0) }
    }
  }
}

extension [Int32] {
  /// How often each number below `bound` occurs; all numbers must be in 0..<bound.
  package func counts(below bound: Int) -> [Int] {
    reduce(into: [Int](repeating: 0, count: bound)) { $0[Int($1)] += 1 }
  }
}

extension ClassWeights: Codable {
  package init(from decoder: any Decoder) throws {
    self =
      try decoder.value(
        [Double].self, orWord: "balanced",
        problem: "it must be null, balanced, or a list of numbers, one for each class"
      ).map(ClassWeights.given) ?? .balanced
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
