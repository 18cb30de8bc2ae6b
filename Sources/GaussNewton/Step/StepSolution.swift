/// What is known of a batch before its solve; the same on all ranks.
struct BatchFacts {
  /// Mean cross-entropy, without weight decay.
  var loss: Double
  /// Whether any rank wishes to stop.
  var interrupted: Bool
  /// ‖g + μDθ‖ and sᵀs, where the gradient has been formed.
  var formed: (gradientNorm: Double, squaredRightHandSide: Double)?
}

/// What a solve finds, beside Δ itself; the same on all ranks.
struct StepSolution {
  /// As `StepReport` has it.
  var gradientNorm: Double
  var solver: SolverSummary
  /// The objective along Δ.
  var model: StepModel
}

extension StepReport {
  /// A step that is yet to be taken.
  init(_ facts: BatchFacts, _ solution: StepSolution, damping: Double) {
    self.init(loss: facts.loss, gradientNorm: solution.gradientNorm, damping: damping)
    interrupted = facts.interrupted
    solver = solution.solver
    stepNorm = solution.model.squaredStep.squareRoot()
  }
}
