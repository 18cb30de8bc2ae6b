import LinearAlgebra
import Networks

/// The metric of the kinds `outputs` and `diagonal` in one fully connected layer: N = diag(σ) ⊗ diag(γ), one number σ_c
/// per output and, for `diagonal`, one number γ_j per input and the bias; otherwise diag(γ) is I.
///
/// σ and γ are roots of running second moments: of the gradients (1−p) d at the outputs, (1/B) Σ ω(1−p)² d², and of the
/// inputs [h | 1], (1/B) Σ ω h̃². Each has its own scale, so that these are the diagonals of Ŝ and Â without theirs.
/// With weight decay M = (diag(σ) + κI) ⊗ (diag(γ) + κI) · λ/(λ+μ), κ² = μ/λ, and for `outputs` (diag(σ) + (μ/λ)I) ⊗ I ·
/// λ/(λ+μ). Sources: the root is that of Adam, Kingma and Ba, arXiv 1412.6980; a product in place of all second moments
/// of a matrix, Shazeer and Stern, arXiv 1804.04235; one number for all weights of an output, Zhang et al., arXiv
/// 2406.16793.
struct DiagonalScale<Scalar: BLASScalar> {
  let connection: Connection
  let outputs: RootMoment<Scalar>
  /// Of the inputs, and last of the bias's 1 where the layer has biases; nil for the kind `outputs`.
  let inputs: RootMoment<Scalar>?

  init(_ connection: Connection, kind: MetricOptions.Kind) {
    self.connection = connection
    outputs = RootMoment(connection.outputs)
    inputs = kind == .diagonal ? RootMoment(connection.columns) : nil
  }

  /// The moments of the sides, with the names that they are saved by.
  var sides: [(name: String, root: RootMoment<Scalar>)] {
    [("output_moment", outputs)] + (inputs.map { [("input_moment", $0)] } ?? [])
  }

  /// The diagonal of A^-½ without the bias (in); nil where A is I.
  var inputRoot: Vector<Scalar>? { inputs.map { $0.inverseRoot[0..<connection.inputs] } }

  /// The bias's element of A⁻¹; 0 without biases.
  var biasInverse: Scalar { connection.hasBias ? inputs.map { $0.inverse[connection.inputs] } ?? 1 : 0 }

  /// Determines M⁻¹ and M^-½ from the moments, given μ/λ. Collective where ranks share out the outputs.
  func assignInverses(epsilon ε: Double, decayRatio ratio: Double, over classes: ClassShards?) throws {
    guard let inputs else {
      return try outputs.assignInverses(epsilon: ε, adding: ratio, over: 1 + ratio, of: classes)
    }
    let (κ, divisor) = (ratio.squareRoot(), (1 + ratio).squareRoot())
    try outputs.assignInverses(epsilon: ε, adding: κ, over: divisor, of: classes)
    try inputs.assignInverses(epsilon: ε, adding: κ, over: divisor)
  }
}

/// The root of running second moments s: (s_i/mean(s) + ε)^½, scaled to a mean of 1.
struct RootMoment<Scalar: BLASScalar> {
  /// s, and that of a batch (n each).
  let moment, ofBatch: Vector<Scalar>
  /// The diagonals of this factor of M⁻¹ and M^-½ (n each).
  let inverse, inverseRoot: Vector<Scalar>

  /// The vectors, with a number per output or input each.
  static var vectorCount: Int { 4 }

  init(_ count: Int) {
    func vector() -> Vector<Scalar> { Vector(zeros: count) }
    (moment, ofBatch, inverse, inverseRoot) = (vector(), vector(), vector(), vector())
  }

  /// Determines the inverses of (the root + κ) / divisor. Moments that are all zero give a root of 1.
  ///
  /// - Parameter classes: where ranks share out the classes, whose moments these are; collective then.
  func assignInverses(epsilon ε: Double, adding κ: Double, over divisor: Double, of classes: ClassShards? = nil) throws
  {
    /// The mean of the numbers of all ranks.
    func mean(_ numbers: [Double]) throws -> Double {
      var sum = [numbers.reduce(0, +)]
      try classes?.sum(&sum)
      return sum[0] / Double(classes?.count ?? numbers.count)
    }
    let moments = moment.array.map { Double($0) }
    let level = try mean(moments)
    let roots = moments.map { ((level > 0 ? $0 / level : 0) + ε).squareRoot() }
    let meanRoot = try mean(roots)
    for (index, root) in roots.enumerated() {
      let value = (root / meanRoot + κ) / divisor
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

  /// ω times `scale` for the first `count` rows: the factors of h² in the second moments of their inputs.
  func squaredInputFactors(_ count: Int, times scale: Scalar) -> Vector<Scalar> {
    let result = Vector<Scalar>(zeros: count)
    if let weights { result.combine(scale, weights[0..<count], 0) } else { result.fill(scale) }
    return result
  }
}

/// Rows of the inputs of a fully connected layer, in their parts.
enum ConnectedInputs<Scalar: BLASScalar> {
  case dense([Matrix<Scalar>])
  case sparse([CSRMatrix<Scalar>])

  /// moment (in + 1, or in without biases) ← Σ factors h̃² over the rows of part `index`.
  func assignSquareSums(_ moment: Vector<Scalar>, part index: Int, scaledBy factors: Vector<Scalar>) {
    let count: Int
    switch self {
    case .dense(let parts):
      count = parts[index].columns
      moment[0..<count].assignColumnSquareSums(parts[index], scaledBy: factors)
    case .sparse(let parts):
      count = parts[index].columns
      moment[0..<count].assignColumnSquareSums(parts[index], scaledBy: factors)
    }
    if count < moment.count { moment[count] = Scalar(factors.array.reduce(0) { $0 + Double($1) }) }
  }
}

extension RowGradients {
  /// The rows of a fully connected layer, on dense or sparse inputs, and the cotangents at its outputs; nil for other
  /// layers.
  var connected: (inputs: ConnectedInputs<Scalar>, cotangents: [Matrix<Scalar>])? {
    switch self {
    case .products(let inputs, let cotangents, _): (.dense(inputs), cotangents)
    case .sparseProducts(let inputs, let cotangents, _): (.sparse(inputs), cotangents)
    case .positionProducts, .rows: nil
    }
  }
}
