/// What one step did; the same on all ranks.
package struct StepReport: Equatable, Sendable {
  /// Mean cross-entropy of the batch before the step, weighted where its rows are, without weight decay.
  package var loss: Double
  /// ‖g + μDθ‖; of a solve with the matrix of a batch ‖g‖, as the gradient itself is never formed there, and gᵀDθ would take a
  /// product of its own.
  package var gradientNorm: Double
  /// λ that the step was solved with; nil for a method without damping.
  package var damping: Double?
  /// nil for a method that solves nothing.
  package var solver: SolverSummary?
  /// ‖Δ‖ before length and rate.
  package var stepNorm = 0.0
  /// α; the update is rate · α · Δ.
  package var stepLength = 1.0
  /// Change of the objective over what the quadratic model predicted; nil where no trial loss was needed.
  package var reductionRatio: Double?
  /// Whether any rank wishes to stop.
  package var interrupted = false
  /// False if the parameters stayed as they were.
  package var accepted = true
}
