/// The damping λ, and its adaptation to the success of the model.
public enum Damping {
  public enum Policy: String, Codable, CaseIterable, Sendable {
    case constant
    case levenbergMarquardt = "levenberg-marquardt"
    /// λ is the best of several values on held-out rows of a batch, once per interval.
    case sweep
  }

  public struct Options: Codable, Equatable, Sendable {
    @Setting public var initial = 0.3
    public var policy = Policy.levenbergMarquardt
    /// λ moves between these, unless it is constant. On the rows that a step was made for, its model is too good a prophet,
    /// and a few held-out rows do not know what the next batches need: without a floor λ falls too far.
    @Setting public var minimum = 0.3
    @Setting public var maximum = 1e6
    /// Factor by which λ rises, and by whose inverse it falls.
    public var factor = 2.0
    /// The number of steps between adaptations.
    public var interval = 10

    public init() {}

    /// λ of the first step: `initial`, within the bounds if there are any.
    package var start: Double { policy == .constant ? initial : bounded(initial) }

    package func bounded(_ λ: Double) -> Double { min(max(λ, minimum), maximum) }
  }

  /// λ after a step whose success was measured, and whether the step is taken.
  ///
  /// ρ is the reduction of the objective over the reduction that the quadratic model predicted. λ rises if ρ < ¼ or is
  /// NaN, and falls if ρ > ¾; a step that does not lower the objective is not taken. Martens, "Deep learning via
  /// Hessian-free optimization" (2010), section 4.1.
  package static func update(_ λ: Double, ratio ρ: Double, _ options: Options) -> (damping: Double, accepted: Bool) {
    switch options.policy {
    case .constant, .sweep:
      return (λ, true)
    case .levenbergMarquardt:
      // A NaN fails all comparisons, so it counts as a failure.
      if ρ > 0.75, ρ.isFinite { return (max(λ / options.factor, options.minimum), true) }
      if ρ >= 0.25, ρ.isFinite { return (λ, true) }
      return (min(λ * options.factor, options.maximum), ρ > 0 && ρ.isFinite)
    }
  }
}
