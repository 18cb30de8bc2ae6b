/// The options of a damped step, with the FGN matrix or the full one.
public struct GaussNewtonOptions: Equatable, Sendable {
  public var damping = Damping.Options()
  public var solver = SolverOptions()
  public var stepLength = StepLength.unit
  /// η
  public var momentum = 0.0
  /// Whether a batch is linearised at θ + Δ₀ instead of θ.
  public var nesterov = false
  /// μ
  public var weightDecay = 0.0
  /// Whether biases decay as weights do.
  public var decaysBiases = true
  /// Whether parameters decay to those of `begin(at:)` instead of zero.
  package var decaysToInitial = false
  /// M
  public var metric = MetricOptions()

  public init() {}
}
