import LinearAlgebra
import MPI
import Networks

/// N = blkdiag(Ŝ ⊗ Â) over the fully connected layers, and I for all other parameters; M = (λN + μI)/(λ+μ) and its factor L,
/// M = LLᵀ.
///
/// Weight decay has the curvature μI, which damping λN must not fall below where N's eigenvalues do, and M is to be a product of
/// factors all the same: so N has terms of its own then, and M = (Ŝ + κI) ⊗ (Â + κI) · λ/(λ+μ), κ² = μ/λ, where N is Ŝ ⊗ Â +
/// κ(Ŝ ⊗ I + I ⊗ Â); for the kind `inputs` M = I ⊗ (Â + (μ/λ)I) · λ/(λ+μ), and N stays I ⊗ Â. Without decay M = N.
/// Â is the running second moment of a layer's inputs with the bias's 1, [h | 1]; Ŝ that of the gradients (1−p) d at its
/// outputs, or I; each scaled to a mean diagonal of 1, plus εI. An example of weight ω counts ω times in both, as if it were
/// there so often: (1/B) Σ ω h̃h̃ᵀ and (1/B) Σ ω(1−p)² ddᵀ. A vector in the space of the parameters has for such a layer
/// a block X = [W | b] (outputs × (inputs + 1)); there L⁻¹ is L_S⁻¹ X L_A⁻ᵀ, and L⁻ᵀ is L_S⁻ᵀ X L_A⁻¹. Moments are summed
/// over the ranks. Source of such factors: Martens and Grosse, arXiv 1503.05671.
package final class Metric<Scalar: DistributedScalar> {
  private let options: MetricOptions
  let linearization: Linearization<Scalar>
  private let communicator: Communicator
  private let phases: Phases
  let blocks: [Block]
  /// Room for the widest block, and for that of each virtual shard; for rows [h | 1], and for rows d.
  let blockStorage: Vector<Scalar>
  let partBlocks: [Vector<Scalar>]
  /// A moment of each virtual shard.
  private var partMoments: [Vector<Scalar>]
  var inputStorage = Vector<Scalar>(zeros: 0)
  var gradientStorage = Vector<Scalar>(zeros: 0)
  let ones: Vector<Scalar>
  /// What `divide` has found for the rows of this rank, layer by layer, and its memory.
  var divided: [Int: (x: Matrix<Scalar>, y: Matrix<Scalar>)] = [:]
  var dividedStorage: [(x: Vector<Scalar>, y: Vector<Scalar>)]
  var otherStorage = (x: Vector<Scalar>(zeros: 0), y: Vector<Scalar>(zeros: 0))
  /// Steps so far.
  private(set) var steps = 0
  /// Whether there has been a batch.
  private var hasMoments = false
  /// μ/λ of the factors; nil where they are not those of the moments.
  private var factoredRatio: Double?
  /// How often M has changed.
  private(set) var version = 0
  /// Whether the inverses are those of the factors.
  var isInverted = false

  /// The moments of a layer as lower triangles, without scale and ε, and the factors of Â and Ŝ.
  struct Block {
    let connection: Connection
    let inputMoment, inputFactor: Matrix<Scalar>
    /// 0 × 0 where Ŝ is I.
    let gradientMoment, gradientFactor: Matrix<Scalar>
    /// Â⁻¹ and Ŝ⁻¹.
    let inputInverse, gradientInverse: Matrix<Scalar>

    /// The moments with their factors and inverses.
    var pairs: [(moment: Matrix<Scalar>, factor: Matrix<Scalar>, inverse: Matrix<Scalar>)] {
      [(inputMoment, inputFactor, inputInverse), (gradientMoment, gradientFactor, gradientInverse)]
        .filter { $0.0.rows > 0 }
    }

    /// X ← L_S⁻¹ X L_A⁻ᵀ
    func whiten(_ values: Matrix<Scalar>) {
      inputFactor.solveTriangular(.right, .yes, values)
      if gradientFactor.rows > 0 { gradientFactor.solveTriangular(.left, .no, values) }
    }

    /// X ← L_S⁻ᵀ X L_A⁻¹
    func unwhiten(_ values: Matrix<Scalar>) {
      inputFactor.solveTriangular(.right, .no, values)
      if gradientFactor.rows > 0 { gradientFactor.solveTriangular(.left, .yes, values) }
    }
  }

  /// Allocates for shards of at most `capacity` rows.
  ///
  /// - Precondition: it is the identity, or the network supports another.
  init(
    _ linearization: Linearization<Scalar>, options: MetricOptions, capacity: Int, communicator: Communicator,
    phases: Phases
  ) {
    precondition(
      options.kind == .identity || linearization.network.supportsMetric,
      "second moments of sparse inputs would be a dense matrix of the features")
    self.options = options
    self.linearization = linearization
    self.communicator = communicator
    self.phases = phases
    let connections = options.kind == .identity ? [] : linearization.network.body.connections
    blocks = connections.map { connection in
      func square(_ size: Int) -> Matrix<Scalar> { Matrix(zeros: size, size) }
      let (inputs, outputs) = (connection.inputs + 1, options.kind == .kronecker ? connection.outputs : 0)
      return Block(
        connection: connection, inputMoment: square(inputs), inputFactor: square(inputs),
        gradientMoment: square(outputs), gradientFactor: square(outputs), inputInverse: square(inputs),
        gradientInverse: square(outputs))
    }
    dividedStorage = blocks.map { _ in (Vector(zeros: 0), Vector(zeros: 0)) }
    let widest = connections.map(\.range.count).max() ?? 0
    blockStorage = Vector(zeros: widest)
    let partCount = linearization.partition.isVirtual ? linearization.partition.partCount : 0
    partBlocks = (0..<partCount).map { _ in Vector(zeros: widest) }
    partMoments = Array(repeating: Vector(zeros: 0), count: partCount)
    ones = Vector(zeros: blocks.isEmpty ? 0 : capacity)
    ones.fill(1)
  }

  /// Whether M is anything but I.
  var isActive: Bool { !blocks.isEmpty }

  /// Whether M is known: it is not before the first batch.
  var isKnown: Bool { isActive && factoredRatio != nil }

  /// Makes M that for μ/λ, if a batch has been taken. The same on all ranks.
  func prepare(decayRatio: Double) throws {
    guard isActive, hasMoments, factoredRatio != decayRatio else { return }
    try phases.measure(.metric) { try factorize(decayRatio: decayRatio) }
  }

  /// The running moments; the number is the layer's among the fully connected ones.
  var memory: [(name: String, vector: Vector<Scalar>)] {
    blocks.enumerated().flatMap { index, block in
      zip(["input_moment", "gradient_moment"], block.pairs).map { ("\($0).\(index)", $1.moment.elements) }
    }
  }

  /// Takes the moments of the linearised batch of `batchSize` rows into the running ones, once in `interval` steps; `prepare` is
  /// to follow. A batch whose moments are not finite is left out. Collective.
  func observe(_ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int) throws {
    guard isActive else { return }
    if steps % options.interval == 0 {
      factoredRatio = nil
      hasMoments = true
      try assignMoments(margin, cotangents: cotangents, batchSize: batchSize)
      let pairs = blocks.flatMap(\.pairs)
      if pairs.allSatisfy({ $0.factor.trace.isFinite }) {
        // A mean over the first batches, then one that forgets.
        let weight = max(1 - options.decay, 1 / Double(steps / options.interval + 1))
        for (moment, ofBatch, _) in pairs {
          moment.elements.combine(Scalar(weight), ofBatch.elements, Scalar(1 - weight))
        }
      }
    }
    steps += 1
  }

  /// Goes on after so many steps, with moments that are given to it as well.
  func resume(after steps: Int) {
    self.steps = steps
    factoredRatio = nil
    hasMoments = steps > 0
  }

  /// The same for a batch that the run is yet to see, which counts only there. Collective.
  func rehearse(_ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int) throws {
    guard isActive else { return }
    if steps > 0 { return }
    try observe(margin, cotangents: cotangents, batchSize: batchSize)
    // The first batch overwrites what was there.
    steps = 0
  }

  /// factors ← the moments of the batch, over all ranks.
  private func assignMoments(
    _ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int
  ) throws {
    let scale = 1 / Scalar(batchSize)
    var remaining = blocks[...]
    // √ω and √ω(1 − p), for a moment has each row twice.
    let roots = margin.weights.map { Vector($0.array.map { $0.squareRoot() }) }
    let gradientFactors = roots.map { roots in
      let result = Vector<Scalar>(zeros: roots.count)
      result.assignProduct(roots, by: margin.complements[0..<roots.count])
      return result
    }
    let isVirtual = linearization.parts.areVirtual
    func assign(_ moment: Matrix<Scalar>, _ rows: [Matrix<Scalar>]) throws {
      if isVirtual { return try sumInOrder(moment, rows, scale) }
      moment.assignSymmetricProduct(rows[0], .yes, alpha: scale)
    }
    try phases.measure(.metric) {
      try linearization.rowGradients(cotangents) { (gradients) throws(any Error) in
        guard case .products(let inputs, let cotangents) = gradients else { return }
        let block = remaining.removeLast()
        let rows = extended(inputs)
        if let roots {
          for (part, range) in zip(rows, linearization.parts.all) { part.scaleRows(by: roots[range]) }
        }
        try assign(block.inputFactor, rows)
        guard block.gradientFactor.rows > 0 else { return }
        try assign(block.gradientFactor, scaled(cotangents, by: gradientFactors ?? margin.complements))
      }
    }
    if isVirtual { return }
    try phases.measure(.communication) {
      for (_, factor, _) in blocks.flatMap(\.pairs) {
        try factor.elements.withElements { try communicator.allreduce($0) }
      }
    }
  }

  /// moment ← the sum of `scale` · rowsᵀ rows over the virtual shards of all ranks, in their order. Collective.
  private func sumInOrder(_ moment: Matrix<Scalar>, _ rows: [Matrix<Scalar>], _ scale: Scalar) throws {
    let count = moment.elements.count
    for index in partMoments.indices { partMoments[index].grow(to: count) }
    linearization.parts.forEach { index, _ in
      let partial = Matrix(partMoments[index][0..<count], moment.rows, moment.rows)
      // Another layer's numbers may be above the diagonal.
      partial.elements.fill(0)
      partial.assignSymmetricProduct(rows[index], .yes, alpha: scale)
    }
    try phases.measure(.communication) {
      try moment.elements.withElements { elements in
        try communicator.orderedSum(elements) { range in
          phases.measure(.metric) { moment.elements.add(partMoments, in: range) }
        }
      }
    }
  }

  private func factorize(decayRatio: Double) throws {
    // Of one factor, or of two, whose product is then λ/(λ+μ) and κ².
    let isPair = options.kind == .kronecker
    let share = isPair ? (1 / (1 + decayRatio)).squareRoot() : 1 / (1 + decayRatio)
    let κ = isPair ? decayRatio.squareRoot() : decayRatio
    for (index, block) in blocks.enumerated() {
      for (moment, factor, _) in block.pairs {
        factor.assign(moment, meanDiagonal: share)
        for i in 0..<factor.rows { factor[i, i] += Scalar(share * (options.epsilon + κ)) }
        guard factor.factorizeCholesky() else { throw SingularMetric(layer: index, epsilon: options.epsilon) }
      }
    }
    factoredRatio = decayRatio
    version += 1
    isInverted = false
  }

  /// inverses ← those of what was factored: a matrix-free solve never asks for them.
  func invert() {
    for (_, factor, inverse) in blocks.flatMap(\.pairs) { factor.assignInverse(to: inverse) }
    isInverted = true
  }

  /// Each row times its factor, for each part of the rows, until the next call.
  private func scaled(_ parts: [Matrix<Scalar>], by factors: Vector<Scalar>) -> [Matrix<Scalar>] {
    let rows = linearization.parts.all
    let columns = parts[0].columns
    gradientStorage.grow(to: rows.last!.upperBound * columns)
    return zip(parts, rows).map { part, rows in
      let result = Matrix(gradientStorage[rows.lowerBound * columns..<rows.upperBound * columns], rows.count, columns)
      result.assignRows(of: part, scaledBy: factors[rows])
      return result
    }
  }
}

extension Matrix {
  /// self ← `moment`, scaled to a mean diagonal of `mean`; 0 for one of zeros.
  fileprivate func assign(_ moment: Matrix, meanDiagonal mean: Double) {
    let trace = moment.trace
    guard trace > 0 else { return elements.fill(0) }
    let scale = Scalar(mean * (Double(rows) / trace))
    if scale.isFinite { return elements.combine(scale, moment.elements, 0) }
    // For the moments of errors that are next to nothing it overflows, where its root does not.
    let root = Scalar((mean * Double(rows)).squareRoot() / trace.squareRoot())
    elements.combine(root, moment.elements, 0)
    elements.scale(root)
  }
}
