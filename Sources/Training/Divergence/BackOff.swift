import Foundation

/// How often a run has gone back because its numbers were no longer finite, and what it judges its steps by. Part of
/// checkpoints.
package struct BackOff: Codable, Equatable, Sendable {
  /// How often the rate has been halved.
  package var count = 0
  /// The step that the run has last gone back to, whose parameters are not gone back to again; negative before.
  private(set) var retreatStep = -1
  /// The loss of the first batch; nil before it, and in a run that does not back off.
  private(set) var firstLoss: Double?
  /// The newest step at whose parameters the loss of a batch was that of a run that has learnt nothing, or less; negative
  /// before there is one.
  var soundStep = -1

  enum CodingKeys: String, CodingKey {
    case count
    case retreatStep = "retreat_step"
    case firstLoss = "first_loss"
    case soundStep = "sound_step"
  }

  init(count: Int = 0) { self.count = count }

  /// Has gone back to `step` for the `count`th time.
  mutating func retreat(to step: Int, count: Int) { (retreatStep, self.count) = (step, count) }

  /// Whether there is nothing to keep.
  var isEmpty: Bool { count == 0 && firstLoss == nil }

  /// The factor on the rates of the schedule.
  var rateFactor: Double { scalbn(1, -count) }

  /// How many times the loss of a run that has learnt nothing is a divergence. The loss of a softmax whose parameters have burst
  /// is mostly finite, and so is its gradient: only few of such runs come to an end by what is not.
  private static let excess = 100.0

  /// The loss of a batch above which a run has diverged.
  func lossLimit(classes: Int) -> Double {
    firstLoss.map { Self.excess * Self.loss(ofFirst: $0, classes) } ?? .infinity
  }

  /// Takes in the loss of a batch at the parameters of a step.
  mutating func observe(loss: Double, at step: Int, classes: Int) {
    guard loss.isFinite else { return }
    let first = firstLoss ?? loss
    firstLoss = first
    if step > retreatStep, loss <= Self.loss(ofFirst: first, classes) { soundStep = step }
  }

  /// The loss of a run that has learnt nothing: that of its first batch, or of guessing.
  private static func loss(ofFirst first: Double, _ classes: Int) -> Double { max(first, log(Double(classes))) }
}

extension BackOff: CustomStringConvertible {
  /// What is left of the rate, for people.
  package var description: String { "1/\((1 / rateFactor).short) of optimizer.learning_rate" }
}
