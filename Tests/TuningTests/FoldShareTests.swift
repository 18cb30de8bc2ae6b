import Testing
import Training

@testable import Tuning

/// The scores of a cross-validation are those of all its examples as one set.
@Suite struct FoldShareTests {
  /// An example's loss, its class, and whether that is the predicted one.
  private typealias Example = (loss: Double, label: Int, isRight: Bool)

  private static let examples = (0..<23).map { index -> Example in
    let loss = 0.1 + Double(index * index % 17) / 5
    let label = index % 5 == 0 ? 2 : index % 2
    return (loss, label, index % 3 > 0)
  }

  /// The result of a fold, by sums of its own.
  private func result(_ trial: Trial, _ examples: [Example], sizes: [Int]) -> TrialResult {
    let count = Double(examples.count)
    let mean = examples.reduce(0) { $0 + $1.loss } / count
    let squares = examples.reduce(0) { $0 + ($1.loss - mean) * ($1.loss - mean) }
    var result = TrialResult(
      trial: trial, steps: 10, bestStep: 7 + trial.fold!, stepsInAll: 7 + trial.fold!, loss: mean,
      lossError: (squares / count / max(1, count - 1)).squareRoot(),
      accuracy: Double(examples.count(where: \.isRight)) / count, balancedAccuracy: 0, seconds: 2)
    let hits = sizes.indices.map { label in Double(examples.count { $0.label == label && $0.isRight }) }
    result.share = FoldShare(examples: examples.count, hits: hits, of: sizes)
    return result
  }

  @Test func `Losses, their error and accuracies are those of all examples together`() {
    let examples = Self.examples
    let sizes = (0..<4).map { label in examples.count { $0.label == label } }
    let cuts = [0..<1, 1..<9, 9..<16, 16..<23]
    let trial = Trial(setting: 3, rung: 2)
    let parts = cuts.enumerated().map {
      result(trial.holdingOut($0.offset + 1), Array(examples[$0.element]), sizes: sizes)
    }
    let pooled = TrialResult(trial, pooling: parts, classes: 3)
    let whole = result(trial.holdingOut(1), examples, sizes: sizes)
    #expect(pooled.trial == trial && pooled.share == nil)
    #expect(abs(pooled.loss - whole.loss) < 1e-14 && abs(pooled.lossError - whole.lossError) < 1e-14)
    #expect(abs(pooled.accuracy - whole.accuracy) < 1e-14)
    let balanced = (0..<3).map { label in
      Double(examples.count { $0.label == label && $0.isRight }) / Double(sizes[label])
    }
    #expect(abs(pooled.balancedAccuracy - balanced.reduce(0, +) / 3) < 1e-14)
    // 8, 9, 10 and 11: a half goes up.
    #expect(pooled.bestStep == 10 && pooled.stepsInAll == 10 && pooled.steps == 10 && pooled.seconds == 8)
  }

  @Test func `A setting that diverges on a fold has diverged`() {
    let trial = Trial(setting: 1, rung: 1)
    let good = result(trial.holdingOut(1), Self.examples, sizes: [9, 9, 5])
    var bad = result(trial.holdingOut(2), Self.examples, sizes: [9, 9, 5])
    (bad.bestStep, bad.share) = (nil, nil)
    #expect(TrialResult(trial, pooling: [good, bad], classes: 3).hasDiverged)
  }

  @Test func `Rungs of equally many steps are one`() {
    let schedule = Schedule(rungs: 3)
    // 900: 100, 300, 900; 3: 1, 1, 3; 2: 1, 1, 2; 1: 1, 1, 1.
    for (total, rungs) in [(900, [1, 2, 3]), (3, [1, 1, 3]), (2, [1, 1, 3]), (1, [1, 1, 1])] {
      #expect((1...3).map { schedule.firstRung(like: $0, of: total) } == rungs)
    }
  }
}
