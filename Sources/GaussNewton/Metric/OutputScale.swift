import LinearAlgebra
import Networks

/// The metric of the kind `outputs` in one fully connected layer: N = diag(σ) ⊗ I, one number per output c.
///
/// σ_c = (s_c/mean(s) + ε)^½, scaled to a mean of 1. s is the running second moment of the gradients (1−p) d at the
/// outputs, the diagonal of Ŝ without its scale: (1/B) Σ ω(1−p)² d². With weight decay M = (diag(σ) + (μ/λ)I) ⊗ I ·
/// λ/(λ+μ). Sources: the root is that of Adam, Kingma and Ba, arXiv 1412.6980; one number for all weights of an output,
/// Zhang et al., arXiv 2406.16793.
struct OutputScale<Scalar: BLASScalar> {
  let connection: Connection
  /// s, and that of a batch (outputs each).
  let moment, ofBatch: Vector<Scalar>
  /// The diagonals of M⁻¹ and M^-½ (outputs each).
  let inverse, inverseRoot: Vector<Scalar>

  /// The vectors of a layer, with a number per output each.
  static var vectorCount: Int { 4 }

  init(_ connection: Connection) {
    self.connection = connection
    func vector() -> Vector<Scalar> { Vector(zeros: connection.outputs) }
    (moment, ofBatch, inverse, inverseRoot) = (vector(), vector(), vector(), vector())
  }

  /// Determines M⁻¹ and M^-½ from s, with κ = μ/λ. Moments that are all zero give I.
  func assignInverses(epsilon ε: Double, decayRatio κ: Double) {
    let moments = moment.array.map { Double($0) }
    let mean = moments.reduce(0, +) / Double(moments.count)
    let roots = moments.map { ((mean > 0 ? $0 / mean : 0) + ε).squareRoot() }
    let meanRoot = roots.reduce(0, +) / Double(roots.count)
    for (index, root) in roots.enumerated() {
      let value = (root / meanRoot + κ) / (1 + κ)
      inverse[index] = Scalar(1 / value)
      inverseRoot[index] = Scalar(1 / value.squareRoot())
    }
  }
}

extension SoftmaxMargin {
  /// ω(1 − p)² times `scale` for the first `count` rows: the factors of v² in the second moments of their gradients.
  func squaredGradientFactors(_ count: Int, times scale: Scalar) -> Vector<Scalar> {
    let result = Vector<Scalar>(zeros: count)
    let complements = complements[0..<count]
    result.assignProduct(complements, by: complements)
    if let weights { result.assignProduct(result, by: weights) }
    result.scale(scale)
    return result
  }
}

extension RowGradients {
  /// The cotangents at the outputs of a fully connected layer, on dense or sparse inputs; nil for other layers.
  var connected: [Matrix<Scalar>]? {
    switch self {
    case .products(_, let cotangents), .sparseProducts(_, let cotangents): cotangents
    case .positionProducts, .rows: nil
    }
  }
}
