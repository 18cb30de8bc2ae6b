/// The owner of λ: decides when a step's success or a sweep determines it, and adapts it after a step.
struct DampingControl {
  private let options: Damping.Options
  /// λ of the next step.
  var damping: Double
  /// The number of steps so far.
  private(set) var steps = 0
  /// The batch's loss when λ was last adapted; nil if λ rose.
  private var calmLoss: Double?

  init(_ options: Damping.Options) {
    self.options = options
    damping = options.start
  }

  mutating func resume(_ counters: OptimizerCounters) {
    if let damping = counters.damping { self.damping = damping }
    if let steps = counters.steps { self.steps = steps }
    calmLoss = counters.calmLoss
  }

  var counters: OptimizerCounters {
    OptimizerCounters(damping: damping, steps: steps, calmLoss: calmLoss)
  }

  /// Whether an interval begins with the next step.
  private var isDue: Bool { steps % options.interval == 0 }

  /// Whether every step chooses λ by a sweep.
  var alwaysSweeps: Bool { options.policy == .sweep && options.interval == 1 }

  /// Whether the next step chooses λ by a sweep.
  var sweeps: Bool { options.policy == .sweep && isDue }

  /// Whether the success of this step, on a batch of loss `loss`, determines λ: once per interval, after a step that
  /// raised λ, and where the loss has grown by a quarter since the last adaptation.
  func adapts(at loss: Double) -> Bool {
    guard options.policy == .levenbergMarquardt else { return false }
    return isDue || !(loss <= 1.25 * (calmLoss ?? -.infinity))
  }

  /// Adapts λ at the end of a step; returns whether the step may be taken.
  mutating func finish(_ report: StepReport) -> Bool {
    defer { steps += 1 }
    let isFinite = report.isFinite
    // A step that is not finite adapts λ at once.
    guard adapts(at: report.loss) || !isFinite else { return true }
    let before = damping
    let accepted: Bool
    (damping, accepted) = Damping.update(before, ratio: isFinite ? report.reductionRatio ?? 1 : .nan, options)
    calmLoss = damping > before || !isFinite ? nil : report.loss
    return accepted && isFinite
  }
}

extension StepReport {
  /// Whether the loss, the step and the solver's numbers are finite.
  fileprivate var isFinite: Bool {
    loss.isFinite && stepNorm.isFinite && solver?.termination != .nonFinite
  }
}
