/// The facts about a batch before its solve; the same on all ranks.
struct BatchFacts {
  /// Mean cross-entropy, without weight decay.
  var loss: Double
  /// Whether any rank wishes to stop.
  var interrupted: Bool
  /// ‖g + μDθ‖ and sᵀs; nil where the gradient is not formed.
  var formed: (gradientNorm: Double, squaredRightHandSide: Double)?
}

/// The results of a solve besides Δ itself; the same on all ranks.
struct StepSolution {
  /// The norm as in `StepReport.gradientNorm`.
  var gradientNorm: Double
  var solver: SolverSummary
  /// The objective along Δ.
  var model: StepModel
}

extension StepReport {
  /// The report of a step that has not been taken yet.
  init(_ facts: BatchFacts, _ solution: StepSolution, damping: Double) {
    self.init(loss: facts.loss, gradientNorm: solution.gradientNorm, damping: damping)
    interrupted = facts.interrupted
    solver = solution.solver
    stepNorm = solution.model.squaredStep.squareRoot()
  }
}
