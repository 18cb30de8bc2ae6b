import LinearAlgebra

extension DampedStep {
  /// The length of the step along Δ, rate included, or along y from θ + Δ₀; 0 where no length decreases the objective.
  /// Collective.
  ///
  /// - Parameter fullCurvature: Δᵀ(G_GGN + μD)Δ, if the step length is `ggn`.
  func length(
    _ model: StepModel, fullCurvature: Double?, rate: Double, on loss: BatchLoss<Scalar>,
    from parameters: Vector<Scalar>, _ report: inout StepReport
  ) throws -> Double {
    let slope = model.objective.slope
    // The rate applies to the whole step from θ, not to the part from θ + Δ₀.
    let rate = anchor.looksAhead ? 1 : rate
    if let fullCurvature { report.stepLength = StepLength.ggn(slope: slope, curvature: fullCurvature) }
    var length = rate * report.stepLength
    guard options.stepLength == .lineSearch || control.adapts(at: report.loss) else { return length }

    /// f(θ + τΔ) − f(θ) with weight decay, for each τ.
    func changes(at lengths: [Double]) throws -> [Double] {
      zip(lengths, try loss.changes(at: lengths, along: step, from: parameters)).map { $1 + model.decay($0) }
    }
    var change = try changes(at: [length])[0]
    if options.stepLength == .lineSearch, !StepLength.isSufficient(change: change, length: length, slope: slope) {
      let lengths = StepLength.backtracks.map { $0 * length }
      let chosen = zip(lengths, try changes(at: lengths))
        .first { StepLength.isSufficient(change: $1, length: $0, slope: slope) }
      (length, change) = chosen ?? (0, .nan)
    }
    report.stepLength = length / rate
    // Momentum may turn a step uphill, which leaves no predicted reduction to compare with.
    let predicted = model.objective(length)
    report.reductionRatio = predicted < 0 ? change / predicted : .nan
    return length
  }
}
