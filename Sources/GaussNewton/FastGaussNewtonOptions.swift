/// What steers a Fast Gauss-Newton step.
package struct FastGaussNewtonOptions: Equatable, Sendable {
  package var damping = Damping.Options()
  package var solver = SolverOptions()
  package var stepLength = StepLength.ggn
  /// η
  package var momentum = 0.0
  /// μ
  package var weightDecay = 0.0

  package init() {}
}
