/// What evaluations on the validation set have said until now: which step's model is the best, and how many evaluations
/// have not improved on it. A pure function of these evaluations, in their order.
package struct ModelSelection: Codable, Equatable, Sendable {
  package struct Best: Codable, Equatable, Sendable {
    package let step: Int
    package let value: Double
    /// What its model is the average of; nil where it is none.
    package var average: AverageSpan?
  }

  package typealias Criterion = Configuration.TrainingOptions.Criterion

  package let criterion: Criterion
  /// The best evaluation, the earliest of equal ones; nil until one has a finite value.
  package private(set) var best: Best?
  /// Evaluations since then.
  package private(set) var failures = 0
  /// Evaluations in a row that were worse than the one before each; nil for none.
  private var rises: Int?
  /// The value of the last evaluation with a finite one.
  private var lastValue: Double?
  /// The step of the last evaluation; nil before the first one.
  package private(set) var evaluatedStep: Int?

  package init(by criterion: Criterion) { self.criterion = criterion }

  /// Takes in the evaluation of a step's model, which may be an average; returns whether it is the best one so far.
  package mutating func observe(_ result: Evaluation, step: Int, average: AverageSpan? = nil) -> Bool {
    evaluatedStep = step
    let value = criterion.value(of: result)
    let isWorse = !value.isFinite || lastValue.map { criterion.prefers($0, to: value) } ?? false
    rises = isWorse ? (rises ?? 0) + 1 : nil
    if value.isFinite { lastValue = value }
    guard value.isFinite, best.map({ criterion.prefers(value, to: $0.value) }) ?? true else {
      failures += 1
      return false
    }
    best = Best(step: step, value: value, average: average)
    failures = 0
    return true
  }

  /// Whether so many evaluations have not improved on the best one that the run ends.
  package func exhausts(_ patience: Int?) -> Bool { patience.map { failures >= $0 } ?? false }

  /// Whether so many evaluations in a row, behind a step that has improved on the first one, were worse than the one before each.
  package func hasRisen(_ count: Int?) -> Bool {
    guard let count, let best, best.step > 0 else { return false }
    return rises ?? 0 >= count
  }
}

extension Configuration.TrainingOptions.Criterion {
  func value(of result: Evaluation) -> Double {
    switch self {
    case .loss: result.loss
    case .accuracy: result.accuracy
    case .balancedAccuracy: result.balancedAccuracy
    }
  }

  fileprivate func prefers(_ value: Double, to other: Double) -> Bool { self == .loss ? value < other : value > other }

  /// A value of the validation set, for people.
  func text(_ value: Double) -> String {
    switch self {
    case .loss: "validation loss \(value.short)"
    case .accuracy: "validation accuracy \(value.percent)"
    case .balancedAccuracy: "balanced validation accuracy \(value.percent)"
    }
  }
}

/// What the file of a run's best model says of it.
package struct BestModel: Codable, Equatable, Sendable {
  /// The step that it is of.
  package let step: Int
  package let criterion: ModelSelection.Criterion
  package let value: Double
  /// The step at which the run ended.
  package let lastStep: Int

  enum CodingKeys: String, CodingKey {
    case step
    case criterion = "best_by"
    case value
    case lastStep = "last_step"
  }

  /// nil where no evaluation had a finite value.
  init?(_ selection: ModelSelection, lastStep: Int) {
    guard let best = selection.best else { return nil }
    (step, criterion, value, self.lastStep) = (best.step, selection.criterion, best.value, lastStep)
  }
}

extension BestModel: CustomStringConvertible {
  package var description: String {
    "step \(step), \(criterion.text(value)); "
      + (step == lastStep ? "the last step of the run" : "the run went on to step \(lastStep)")
  }
}
