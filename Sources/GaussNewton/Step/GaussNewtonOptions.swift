/// The options of a damped step, with the FGN matrix or the full one.
package struct GaussNewtonOptions: Equatable, Sendable {
  package var damping = Damping.Options()
  package var solver = SolverOptions()
  package var stepLength = StepLength.unit
  /// η
  package var momentum = 0.0
  /// Whether a batch is linearised at θ + Δ₀ instead of θ.
  package var nesterov = false
  /// μ
  package var weightDecay = 0.0
  /// Whether biases decay as weights do.
  package var decaysBiases = true
  /// M
  package var metric = MetricOptions()

  package init() {}
}
