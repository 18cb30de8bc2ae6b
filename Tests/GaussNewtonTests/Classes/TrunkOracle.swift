import Glibc
import TestSupport

/// A damped step of x ↦ W tanh(Vx + a) + b by dense linear algebra in `Double`, with rows and the loss of a head on tanh(Vx +
/// a).
///
/// Written from the formulas alone. Parameters are V (h × d), a (h), W (C × h), b (C), row by row.
struct TrunkOracle {
  let problem: ToyProblem
  /// h
  let width: Int

  private var d: Int { problem.featureCount }
  private var C: Int { problem.oracle.classCount }
  /// The number of parameters below the head.
  private var trunkCount: Int { width * (d + 1) }

  /// The head's oracle on the hidden features, and its parameters.
  func head(_ θ: [Double]) -> (oracle: DenseOracle, parameters: [Double]) {
    let hidden = problem.oracle.features.map { x in
      (0..<width).map { j in
        tanh((0..<d).reduce(θ[width * d + j]) { $0 + θ[j * d + $1] * x[$1] })
      }
    }
    return (
      DenseOracle(
        features: hidden, labels: problem.oracle.labels, classCount: C, weights: problem.oracle.weights),
      Array(θ[trunkCount...])
    )
  }

  /// Jᵀu of row i, for a cotangent u of its logits.
  private func pulledBack(_ u: [Double], row i: Int, _ hidden: [Double], _ W: [Double]) -> [Double] {
    let x = problem.oracle.features[i]
    let inner = (0..<width).map { j in
      (1 - hidden[j] * hidden[j]) * (0..<C).reduce(0) { $0 + u[$1] * W[$1 * width + j] }
    }
    return inner.flatMap { δ in x.map { δ * $0 } } + inner + u.flatMap { u in hidden.map { u * $0 } } + u
  }

  /// Δ of (G + (λ+μ)I)Δ = −g − μθ + ληΔ₋, with G_FGN for G, or G_GGN if `full`; and ‖g + μθ‖.
  func step(
    _ θ: [Double], damping λ: Double, weightDecay μ: Double, momentum η: Double, lastStep: [Double], full: Bool
  ) -> (step: [Double], gradientNorm: Double) {
    let (head, W) = head(θ)
    let B = Double(problem.rowCount)
    var matrix = θ.indices.map { i in θ.indices.map { $0 == i ? λ + μ : 0 } }
    var g = θ.map { μ * $0 }
    for i in 0..<problem.rowCount {
      let (m, ω) = (head.margin(W, row: i), head.weights[i] / B)
      let v = head.marginCotangent(W, row: i)
      let a = pulledBack(v, row: i, head.features[i], W)
      let (p, rest) = (1 / (1 + exp(-m)), 1 / (1 + exp(m)))
      for k in g.indices { g[k] -= ω * rest * a[k] }
      func add(_ weight: Double, _ x: [Double], _ y: [Double]) {
        for k in x.indices where x[k] != 0 { for l in y.indices { matrix[k][l] += weight * x[k] * y[l] } }
      }
      add(ω * p * rest, a, a)
      guard full else { continue }
      // diag(π) − ππᵀ = p(1−p)vvᵀ + (1−p)(diag(q) − qqᵀ), where q is −v without the label.
      let q = v.indices.map { $0 == head.labels[i] ? 0 : -v[$0] }
      let rows = (0..<C).map { c in
        pulledBack((0..<C).map { $0 == c ? 1 : 0 }, row: i, head.features[i], W)
      }
      for c in 0..<C { add(ω * rest * q[c], rows[c], rows[c]) }
      let mean = θ.indices.map { k in (0..<C).reduce(0) { $0 + q[$1] * rows[$1][k] } }
      add(-ω * rest, mean, mean)
    }
    return (solve(matrix, g.indices.map { λ * η * lastStep[$0] - g[$0] }), norm(g))
  }
}
