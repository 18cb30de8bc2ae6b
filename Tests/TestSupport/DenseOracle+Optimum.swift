/// The minimum of the objective of a linear head by naive Newton steps with dense matrices, in `Double`.
extension DenseOracle {
  /// μ of each parameter.
  private func rates(_ μ: Double, decaysBiases: Bool) -> [Double] {
    (0..<parameterCount).map { $0 < classCount * features[0].count || decaysBiases ? μ : 0 }
  }

  /// f(θ) = (1/n) Σ ωℓ + (μ/2)‖Dθ‖²
  package func objective(_ θ: [Double], weightDecay μ: Double, decaysBiases: Bool) -> Double {
    loss(θ) + zip(rates(μ, decaysBiases: decaysBiases), θ).reduce(0) { $0 + $1.0 * $1.1 * $1.1 / 2 }
  }

  /// ∇f(θ)
  package func gradient(_ θ: [Double], weightDecay μ: Double, decaysBiases: Bool) -> [Double] {
    let rates = rates(μ, decaysBiases: decaysBiases)
    return zip(gradient(θ), θ.indices).map { $0 + rates[$1] * θ[$1] }
  }

  /// The minimiser of f, from zero, by steps that are halved until f falls. Biases that do not decay get as little decay as
  /// makes the matrix regular.
  package func optimum(weightDecay μ: Double, decaysBiases: Bool = true) -> [Double] {
    let rates = rates(μ, decaysBiases: decaysBiases)
    var θ = [Double](repeating: 0, count: parameterCount)
    for _ in 0..<100 {
      let g = gradient(θ, weightDecay: μ, decaysBiases: decaysBiases)
      var H = gaussNewtonMatrix(θ)
      for i in H.indices { H[i][i] += max(rates[i], 1e-13) }
      let Δ = solve(H, g.map { -$0 })
      let before = objective(θ, weightDecay: μ, decaysBiases: decaysBiases)
      var length = 1.0
      while length > 1e-10,
        objective(moved(θ, length, Δ), weightDecay: μ, decaysBiases: decaysBiases) > before + 1e-15
      {
        length /= 2
      }
      θ = moved(θ, length, Δ)
      if norm(g) < 1e-13 { break }
    }
    return θ
  }
}
