/// The results of one step; the same on all ranks.
public struct StepReport: Equatable, Sendable {
  /// Mean cross-entropy of the batch before the step, weighted if its rows are, without weight decay.
  public var loss: Double
  /// ‖g + μDθ‖; for a solve with the matrix ‖g‖, since the gradient itself is never formed there, and gᵀDθ would need a
  /// product of its own.
  public var gradientNorm: Double
  /// λ of the solve; nil for a method without damping.
  public var damping: Double?
  /// The outcome of the solve; nil for a method without one.
  public var solver: SolverSummary?
  /// ‖Δ‖ before length and rate.
  public var stepNorm = 0.0
  /// α; the update is rate · α · Δ.
  public var stepLength = 1.0
  /// The change of the objective over the change that the quadratic model predicted; nil where no trial loss was
  /// needed.
  public var reductionRatio: Double?
  /// Whether any rank wishes to stop.
  public var interrupted = false
  /// Whether the parameters were updated.
  public var accepted = true
}
