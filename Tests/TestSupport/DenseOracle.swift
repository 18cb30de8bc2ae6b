import Glibc

/// The damped Fast Gauss-Newton step of a linear softmax head by dense linear algebra in `Double`.
///
/// Deliberately naive, and written from the formulas alone: shares no code with the package. Parameters are the weights
/// (C × d, row by row), then the biases (C) if the head has them.
package struct DenseOracle {
  package let features: [[Double]]
  package let labels: [Int]
  package let classCount: Int
  /// ω of the rows.
  package var weights: [Double]
  /// t of the rows; nil: the labels alone.
  package var targets: [[Double]]?
  package var hasBias = true

  package init(
    features: [[Double]], labels: [Int], classCount: Int, weights: [Double]? = nil, targets: [[Double]]? = nil
  ) {
    self.weights = weights ?? features.map { _ in 1 }
    self.targets = targets
    self.features = features
    self.labels = labels
    self.classCount = classCount
  }

  package var parameterCount: Int { classCount * (features[0].count + (hasBias ? 1 : 0)) }

  package func logits(_ θ: [Double], row i: Int) -> [Double] {
    let d = features[i].count
    return (0..<classCount).map { c in
      (0..<d).reduce(hasBias ? θ[classCount * d + c] : 0) { $0 + θ[c * d + $1] * features[i][$1] }
    }
  }

  /// m_i, from the definition.
  package func margin(_ θ: [Double], row i: Int) -> Double {
    let z = logits(θ, row: i)
    let rest = z.indices.filter { $0 != labels[i] }.map { z[$0] }
    let top = rest.max()!
    return z[labels[i]] - top - log(rest.reduce(0) { $0 + exp($1 - top) })
  }

  /// v_i = ∇_z m_i
  package func marginCotangent(_ θ: [Double], row i: Int) -> [Double] {
    let z = logits(θ, row: i)
    let top = z.indices.filter { $0 != labels[i] }.map { z[$0] }.max()!
    let total = z.indices.filter { $0 != labels[i] }.reduce(0) { $0 + exp(z[$1] - top) }
    return z.indices.map { $0 == labels[i] ? 1 : -exp(z[$0] - top) / total }
  }

  /// ∇_θ m_i: row i of A.
  package func marginGradient(_ θ: [Double], row i: Int) -> [Double] {
    pulledBack(marginCotangent(θ, row: i), row: i)
  }

  /// Mean cross-entropy, (1/B) Σ ω ℓ, from the definition of softmax.
  package func loss(_ θ: [Double]) -> Double {
    if let targets { return softLoss(θ, targets) }
    return features.indices.reduce(0) { sum, i in
      let z = logits(θ, row: i)
      let top = z.max()!
      return sum + weights[i] * (top + log(z.reduce(0) { $0 + exp($1 - top) }) - z[labels[i]])
    } / Double(features.count)
  }

  /// g, the gradient of the mean cross-entropy: (1/B) Σ ω J_iᵀ(π_i − e_y).
  package func gradient(_ θ: [Double]) -> [Double] {
    if let targets { return softGradient(θ, targets) }
    var g = [Double](repeating: 0, count: parameterCount)
    let count = Double(features.count)
    for i in features.indices {
      let z = logits(θ, row: i)
      let d = features[i].count
      let top = z.max()!
      let total = z.reduce(0) { $0 + exp($1 - top) }
      let ω = weights[i]
      // π_y − 1 would cancel; it equals minus the sum of the others.
      let others = z.indices.filter { $0 != labels[i] }.reduce(0) { $0 + exp(z[$1] - top) / total }
      for c in 0..<classCount {
        let error = c == labels[i] ? -others : exp(z[c] - top) / total
        for j in 0..<d { g[c * d + j] += ω * error * features[i][j] / count }
        if hasBias { g[classCount * d + c] += ω * error / count }
      }
    }
    return g
  }

  /// G_FGN = (1/B) Σ ω p(1−p) a aᵀ (P × P).
  package func fastGaussNewtonMatrix(_ θ: [Double]) -> [[Double]] {
    if let targets { return softMatrix(θ, targets) }
    var G = [[Double]](repeating: [Double](repeating: 0, count: parameterCount), count: parameterCount)
    for i in features.indices {
      let m = margin(θ, row: i)
      let a = marginGradient(θ, row: i)
      let w = weights[i] / (1 + exp(-m)) * (1 / (1 + exp(m))) / Double(features.count)
      for r in a.indices where a[r] != 0 {
        for c in a.indices { G[r][c] += w * a[r] * a[c] }
      }
    }
    return G
  }

  /// G_GGN = (1/B) Σ ω J_iᵀ(diag(π) − ππᵀ)J_i (P × P).
  package func gaussNewtonMatrix(_ θ: [Double]) -> [[Double]] {
    let d = features[0].count
    let columns = hasBias ? 0...d : 0...d - 1
    var G = [[Double]](repeating: [Double](repeating: 0, count: parameterCount), count: parameterCount)
    for i in features.indices {
      let z = logits(θ, row: i)
      let top = z.max()!
      let total = z.reduce(0) { $0 + exp($1 - top) }
      let π = z.map { exp($0 - top) / total }
      for c in 0..<classCount {
        for k in 0..<classCount {
          let h = weights[i] * ((c == k ? π[c] : 0) - π[c] * π[k]) / Double(features.count)
          for j in columns {
            for l in columns {
              let x = (j < d ? features[i][j] : 1) * (l < d ? features[i][l] : 1)
              G[j < d ? c * d + j : classCount * d + c][l < d ? k * d + l : classCount * d + k] += h * x
            }
          }
        }
      }
    }
    return G
  }

  /// The mean cross-entropy with weight decay, (μ/2)‖θ‖².
  package func objective(_ θ: [Double], weightDecay μ: Double) -> Double {
    loss(θ) + μ / 2 * dot(θ, θ)
  }

  /// The gradient of `objective`.
  package func gradient(_ θ: [Double], weightDecay μ: Double) -> [Double] {
    zip(gradient(θ), θ).map { $0 + μ * $1 }
  }

  /// Δ of (G + (λ+μ)I)Δ = −g − μθ + ληΔ₋, with G_FGN for G, or G_GGN if `full`.
  package func step(
    _ θ: [Double], damping λ: Double, weightDecay μ: Double = 0, momentum η: Double = 0, lastStep: [Double]? = nil,
    full: Bool = false
  ) -> [Double] {
    var matrix = full ? gaussNewtonMatrix(θ) : fastGaussNewtonMatrix(θ)
    for i in matrix.indices { matrix[i][i] += λ + μ }
    let g = gradient(θ, weightDecay: μ)
    return solve(matrix, g.indices.map { -g[$0] + λ * η * (lastStep?[$0] ?? 0) })
  }

  /// ‖(G_FGN + λI)Δ + g‖ / ‖g‖
  package func residual(_ θ: [Double], of Δ: [Double], damping λ: Double) -> Double {
    let g = gradient(θ)
    let r = zip(fastGaussNewtonMatrix(θ), g.indices).map { row, i in dot(row, Δ) + λ * Δ[i] + g[i] }
    return norm(r) / norm(g)
  }
}

/// The solution of a dense system by elimination with partial pivoting.
package func solve(_ matrix: [[Double]], _ rightHandSide: [Double]) -> [Double] {
  var a = matrix
  var b = rightHandSide
  let n = b.count
  for column in 0..<n {
    let pivot = (column..<n).max { abs(a[$0][column]) < abs(a[$1][column]) }!
    a.swapAt(column, pivot)
    b.swapAt(column, pivot)
    let pivotRow = a[column]
    for row in column + 1..<n where a[row][column] != 0 {
      let factor = a[row][column] / pivotRow[column]
      a[row].withUnsafeMutableBufferPointer { target in
        for k in column..<n { target[k] -= factor * pivotRow[k] }
      }
      b[row] -= factor * b[column]
    }
  }
  for row in stride(from: n - 1, through: 0, by: -1) {
    var sum = b[row]
    for k in row + 1..<n { sum -= a[row][k] * b[k] }
    b[row] = sum / a[row][row]
  }
  return b
}

/// ‖x − reference‖ / ‖reference‖
package func relativeError(_ x: [Double], _ reference: [Double]) -> Double {
  precondition(x.count == reference.count)
  let difference = zip(x, reference).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  return (difference / reference.reduce(0) { $0 + $1 * $1 }).squareRoot()
}

package func dot(_ x: [Double], _ y: [Double]) -> Double {
  precondition(x.count == y.count)
  return zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
}

package func norm(_ x: [Double]) -> Double { dot(x, x).squareRoot() }

/// xᵀ matrix x
package func quadraticForm(_ matrix: [[Double]], _ x: [Double]) -> Double { dot(matrix.map { dot($0, x) }, x) }

/// θ + τΔ
package func moved(_ θ: [Double], _ τ: Double, _ Δ: [Double]) -> [Double] { zip(θ, Δ).map { $0 + τ * $1 } }

/// Whether all eigenvalues are above −10⁻¹² of the largest diagonal element, by Cholesky.
package func isPositiveSemidefinite(_ matrix: [[Double]]) -> Bool {
  let shift = 1e-12 * matrix.indices.map { abs(matrix[$0][$0]) }.max()!
  var factor = matrix
  for i in matrix.indices {
    for j in 0...i {
      var sum = matrix[i][j] + (i == j ? shift : 0)
      for k in 0..<j { sum -= factor[i][k] * factor[j][k] }
      if i == j {
        guard sum > 0 else { return false }
        factor[i][i] = sum.squareRoot()
      } else {
        factor[i][j] = sum / factor[j][j]
      }
    }
  }
  return true
}
