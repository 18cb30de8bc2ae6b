import Glibc
import GaussNewton
import TestSupport

/// The metric of a linear head as dense numbers in `Double`.
struct DenseMetric {
  /// A running mean of second moments, scaled to a mean diagonal of 1, plus ε, as dense numbers in `Double`.
  struct Moment {
    var mean: [[Double]] = []
    var count = 0

    mutating func take(_ rows: [[Double]], of batchSize: Int, decay: Double) {
      count += 1
      let n = rows[0].count
      let weight = max(1 - decay, 1 / Double(count))
      mean = (0..<n).map { i in
        (0..<n).map { j in
          let new = rows.reduce(0) { $0 + $1[i] * $1[j] } / Double(batchSize)
          return weight * new + (count == 1 ? 0 : (1 - weight) * mean[i][j])
        }
      }
    }

    func factor(_ ε: Double) -> [[Double]] {
      let n = mean.count
      let scale = Double(n) / (0..<n).reduce(0) { $0 + mean[$1][$1] }
      return (0..<n).map { i in (0..<n).map { j in scale * mean[i][j] + (i == j ? ε : 0) } }
    }
  }

  let kind: MetricOptions.Kind
  let ε, decay: Double
  private var (inputs, outputs) = (Moment(), Moment())
  /// Σ ω(π_c − t_c)²/B of each batch so far by class, and Σ ωx²/B by feature, with the bias's 1 as the last if there is one.
  private var outputSquares: [[Double]] = []
  private var inputSquares: [[Double]] = []
  /// d
  private var features = 0

  init(kind: MetricOptions.Kind, ε: Double, decay: Double) {
    (self.kind, self.ε, self.decay) = (kind, ε, decay)
  }

  /// Adds the moments of a batch; those of the inputs and `kronecker` are for rows with labels and without weights.
  mutating func take(_ oracle: DenseOracle, at θ: [Double]) {
    let (rows, C) = (oracle.features.indices, oracle.classCount)
    features = oracle.features[0].count
    let extended = oracle.features.map { $0 + (oracle.hasBias ? [1] : []) }
    inputs.take(extended, of: rows.count, decay: decay)
    // (1 − p) v
    outputs.take(
      rows.map { i in
        let complement = 1 / (1 + exp(oracle.margin(θ, row: i)))
        return oracle.marginCotangent(θ, row: i).map { complement * $0 }
      }, of: rows.count, decay: decay)
    inputSquares.append(
      extended[0].indices.map { j in
        rows.reduce(0) { $0 + oracle.weights[$1] * pow(extended[$1][j], 2) } / Double(rows.count)
      })
    outputSquares.append(
      (0..<C).map { c in
        rows.reduce(0) { sum, i in
          let target = oracle.targets?[i][c] ?? (oracle.labels[i] == c ? 1 : 0)
          return sum + oracle.weights[i] * pow(exp(oracle.logProbabilities(θ, row: i)[c]) - target, 2)
        } / Double(rows.count)
      })
  }

  /// diag(σ) or diag(γ) from the squares of each batch and the weights that it has in the running mean.
  private func diagonal(_ squares: [[Double]]) -> [[Double]] {
    var weights: [Double] = []
    for count in 1...squares.count {
      let weight = max(1 - decay, 1 / Double(count))
      weights = weights.map { $0 * (1 - weight) } + [weight]
    }
    let s = squares[0].indices.map { c in zip(weights, squares).reduce(0) { $0 + $1.0 * $1.1[c] } }
    let mean = s.reduce(0, +) / Double(s.count)
    let roots = s.map { pow($0 / mean + ε, 0.5) }
    let meanRoot = roots.reduce(0, +) / Double(roots.count)
    return roots.indices.map { i in roots.indices.map { i == $0 ? roots[i] / meanRoot : 0 } }
  }

  private func identity(_ n: Int) -> [[Double]] { (0..<n).map { i in (0..<n).map { i == $0 ? 1 : 0 } } }

  /// M of a linear head, (C(d+1))² or (Cd)², in the order of its parameters: weights row by row, then biases.
  private func dense(_ inputs: [[Double]], _ outputs: [[Double]]?, classes C: Int) -> [[Double]] {
    let d = features
    func place(_ index: Int) -> (class: Int, input: Int) {
      index < C * d ? (index / d, index % d) : (index - C * d, d)
    }
    return (0..<C * inputs.count).map { i in
      (0..<C * inputs.count).map { j in
        let (a, b) = (place(i), place(j))
        return (outputs?[a.class][b.class] ?? (a.class == b.class ? 1 : 0)) * inputs[a.input][b.input]
      }
    }
  }

  /// N of the objective: S ⊗ A, and the additional terms of damping with weight decay.
  func damping(classes C: Int, decayRatio: Double) -> [[Double]] {
    if kind == .outputs { return dense(identity(inputs.mean.count), diagonal(outputSquares), classes: C) }
    let A = kind == .diagonal ? diagonal(inputSquares) : inputs.factor(ε)
    if kind == .inputs { return dense(A, nil, classes: C) }
    let S = kind == .diagonal ? diagonal(outputSquares) : outputs.factor(ε)
    let product = dense(A, S, classes: C)
    let (ofInputs, ofOutputs) = (dense(A, nil, classes: C), dense(identity(A.count), S, classes: C))
    return product.indices.map { i in
      product.indices.map { product[i][$0] + decayRatio.squareRoot() * (ofInputs[i][$0] + ofOutputs[i][$0]) }
    }
  }
}
