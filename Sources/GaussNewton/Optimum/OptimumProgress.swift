import LinearAlgebra

/// When a run has reached the optimum of its objective, and when it gives up.
package struct OptimumOptions: Equatable, Sendable {
  /// The gradient has converged where ‖g‖ ≤ tolerance · ‖g₀‖.
  package var tolerance: Double
  /// The passes over all rows after which the way to the optimum ends.
  package var maxPasses: Int

  package init(tolerance: Double, maxPasses: Int) {
    (self.tolerance, self.maxPasses) = (tolerance, maxPasses)
  }

  /// Whether the blocks of the classes of a dense linear head, `columns`² numbers for each of its outputs, fit into memory as a
  /// preconditioner; `columns` counts the bias.
  package static func hasClassBlocks(columns: Int, outputs: Int) -> Bool { columns * columns * outputs <= 1 << 26 }

  /// What another step may still gain of the objective where that has converged, as a share of it: the square of the tolerance, as
  /// near a minimum, or a thousandth of it where that is more; with a tolerance of 10⁻⁶ or less a tenth of what the eighth digit is
  /// worth. Where features have other scales, the gradient alone says little.
  var leastDecrease: Double { max(1e-9, tolerance * max(1e-3, tolerance)) }

  /// The steps in a row that rounding alone decides after which no further one is taken.
  static let patience = 2
}

/// How far a run is on the way to the optimum by steps on all rows.
package struct OptimumProgress: Codable, Equatable, Sendable {
  /// ‖g₀‖: of a linear head at zero, so that it does not matter with which model a run begins, else of the parameters that the
  /// run began with.
  package internal(set) var initialGradientNorm: Double
  /// Steps on all rows.
  package var steps = 0
  /// Passes over all rows for them: of the objective with its gradient, and of products.
  package var passes = 0
  /// f(θ), its loss alone, and ‖∇f(θ)‖.
  package var objective: Double
  package var loss: Double
  package var gradientNorm: Double
  /// What another step would take off f, by what the last one has left of the gradient; nil before the first one.
  package var remainingDecrease: Double?
  /// Steps in a row with no more to gain than rounding, which have not halved the gradient.
  package var stalls = 0
  /// The least gradient norm of steps with no more to gain than rounding.
  package var leastGradientNorm: Double?

  /// Where a run in float64 is on its way from float32.
  var precision: Precision?

  enum Precision: Int, Codable, Equatable, Sendable {
    /// All is in float32; so it is where that has failed, and everything is to be in float64 from the next evaluation on.
    case rough, failed
    /// f and ∇f are in float64, as long as systems are solved roughly; all is.
    case mixed, full
  }

  /// Whether f and ∇f are in the precision of the run.
  private var isExact: Bool { precision != .rough && precision != .failed }

  package init(initialGradientNorm: Double, objective: Double, loss: Double, gradientNorm: Double) {
    self.initialGradientNorm = initialGradientNorm
    (self.objective, self.loss, self.gradientNorm) = (objective, loss, gradientNorm)
  }

  /// Before anything is known of f.
  init(precision: Precision?) {
    self.init(initialGradientNorm: 0, objective: 0, loss: 0, gradientNorm: 0)
    self.precision = precision
  }

  /// ‖g‖/‖g₀‖
  package var gradientRatio: Double {
    gradientNorm == 0 ? 0 : gradientNorm / initialGradientNorm
  }

  /// Whether another step would gain nothing that counts.
  private func isFlat(_ options: OptimumOptions) -> Bool {
    remainingDecrease.map { $0 <= options.leastDecrease * abs(objective) } ?? false
  }

  /// By how much a step has to multiply the gradient to be the last one; 0 where that is not known.
  func leastReduction(_ options: OptimumOptions) -> Double {
    guard let remaining = remainingDecrease, remaining > 0, gradientNorm > 0 else { return 0 }
    return min(
      options.tolerance / gradientRatio, (options.leastDecrease * abs(objective) / remaining).squareRoot())
  }

  package enum End: Equatable, Sendable {
    /// The gradient and the objective have converged.
    case converged
    /// The objective has converged; the gradient has as far as the precision goes.
    case rounded
    /// Rounding hides where to go, though the model of the objective promises more.
    case stalled
    /// The loss is zero in the precision of the run: it has no minimum.
    case vanished
    /// The limit of passes is reached.
    case exhausted
  }

  /// How the way to the optimum ends here; nil where it goes on, or f is in float32 as yet.
  package func end(_ options: OptimumOptions) -> End? { isExact ? verdict(options) : nil }

  /// How the way would end by f and ∇f as they are.
  func verdict(_ options: OptimumOptions) -> End? {
    if loss <= Self.leastLoss, loss == objective { return .vanished }
    if gradientRatio <= options.tolerance, isFlat(options) { return .converged }
    if stalls >= OptimumOptions.patience { return isFlat(options) ? .rounded : .stalled }
    return passes >= options.maxPasses ? .exhausted : nil
  }

  /// A mean loss that only classes that can be separated have: one example on the wrong side has ln 2.
  private static let leastLoss = 1e-12

  /// Takes in a step. Changes of the objective below the share `rounding` of it are rounding.
  ///
  /// - Parameter remaining: gᵀM⁻¹g behind the step relative to that before it.
  mutating func take(
    expectedDecrease: Double, remaining: Double, _ value: (objective: Double, loss: Double), gradientNorm: Double,
    rounding: Double
  ) {
    steps += 1
    (objective, loss) = value
    self.gradientNorm = gradientNorm
    remainingDecrease = expectedDecrease * min(1, remaining)
    guard expectedDecrease <= rounding * abs(objective) else { return (stalls, leastGradientNorm) = (0, nil) }
    if let least = leastGradientNorm, gradientNorm > least / 2 { stalls += 1 } else { stalls = 0 }
    leastGradientNorm = min(gradientNorm, leastGradientNorm ?? .infinity)
  }
}
