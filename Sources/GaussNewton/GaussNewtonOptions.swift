/// What steers a damped step, by the FGN matrix or the full one.
package struct GaussNewtonOptions: Equatable, Sendable {
  package var damping = Damping.Options()
  package var solver = SolverOptions()
  package var stepLength = StepLength.ggn
  /// η
  package var momentum = 0.0
  /// μ
  package var weightDecay = 0.0
  /// Whether biases decay like weights.
  package var decaysBiases = true
  /// M
  package var metric = MetricOptions()

  package init() {}
}
