import Glibc

/// The same with a distribution t for the target of each row, from r = π − t and χ² = Σ r²/π.
extension DenseOracle {
  /// log π of row i.
  package func logProbabilities(_ θ: [Double], row i: Int) -> [Double] {
    let z = logits(θ, row: i)
    let top = z.max()!
    let logSum = top + log(z.reduce(0) { $0 + exp($1 - top) })
    return z.map { $0 - logSum }
  }

  /// (1/B) Σ ω (−Σ t log π)
  func softLoss(_ θ: [Double], _ targets: [[Double]]) -> Double {
    features.indices.reduce(0) { $0 - weights[$1] * dot(targets[$1], logProbabilities(θ, row: $1)) }
      / Double(features.count)
  }

  /// Jᵀu of row i for a cotangent u of its logits.
  package func pulledBack(_ u: [Double], row i: Int) -> [Double] {
    u.flatMap { u in features[i].map { u * $0 } } + (hasBias ? u : [])
  }

  /// (1/B) Σ ω Jᵀr
  func softGradient(_ θ: [Double], _ targets: [[Double]]) -> [Double] {
    var g = [Double](repeating: 0, count: parameterCount)
    for i in features.indices {
      let r = zip(logProbabilities(θ, row: i), targets[i]).map { exp($0) - $1 }
      g = moved(g, weights[i] / Double(features.count), pulledBack(r, row: i))
    }
    return g
  }

  /// r/χ of row i, the cotangent of its row of R but for √(ω/B); zeros where χ is zero or more than a number holds.
  ///
  /// Σ r²/π is summed as Σ (t²/π − 2t + π), with t²/π in logarithms, where π is tiny.
  package func softCotangent(_ θ: [Double], row i: Int) -> [Double] {
    let logs = logProbabilities(θ, row: i)
    let t = targets![i]
    let r = zip(logs, t).map { exp($0) - $1 }
    let square = t.indices.reduce(0) { sum, c in
      let π = exp(logs[c])
      if π > 1e-100 { return sum + r[c] * r[c] / π }
      return sum + (t[c] == 0 ? 0 : exp(2 * log(t[c]) - logs[c])) - 2 * t[c] + π
    }
    return r.map { square > 0 ? $0 / square.squareRoot() : 0 }
  }

  /// (1/B) Σ ω (1/χ²) Jᵀr rᵀJ
  func softMatrix(_ θ: [Double], _ targets: [[Double]]) -> [[Double]] {
    var G = [[Double]](repeating: [Double](repeating: 0, count: parameterCount), count: parameterCount)
    for i in features.indices {
      let row = pulledBack(softCotangent(θ, row: i), row: i)
      for k in row.indices where row[k] != 0 {
        let scale = weights[i] * row[k] / Double(features.count)
        for c in row.indices { G[k][c] += scale * row[c] }
      }
    }
    return G
  }
}
