import LinearAlgebra
import MPI
import Networks

/// N = blkdiag(Ŝ ⊗ Â) over the fully connected layers, and I for all other parameters; M = (λN + μI)/(λ+μ) and its
/// factor L, M = LLᵀ.
///
/// Weight decay has the curvature μI, and damping λN must not fall below it where N's eigenvalues do; nevertheless M
/// has to be a product of factors. So N gets terms of its own with decay: M = (Ŝ + κI) ⊗ (Â + κI) · λ/(λ+μ), κ² = μ/λ,
/// where N is Ŝ ⊗ Â + κ(Ŝ ⊗ I + I ⊗ Â). For the kind `inputs`, M = I ⊗ (Â + (μ/λ)I) · λ/(λ+μ), and N stays I ⊗ Â; for
/// `outputs` and `diagonal`, see `DiagonalScale`. Without decay M = N.
///
/// Â is the running second moment of a layer's inputs with the bias's 1, [h | 1]. Ŝ is the second moment of the
/// gradients (1−p) d at its outputs, or I. Each is scaled to a mean diagonal of 1, plus εI. An example of weight ω
/// counts ω times in both: (1/B) Σ ω h̃h̃ᵀ and (1/B) Σ ω(1−p)² ddᵀ.
///
/// For such a layer a vector in the parameter space has a block X = [W | b] (outputs × (inputs + 1)); L⁻¹ maps it to
/// L_S⁻¹ X L_A⁻ᵀ, and L⁻ᵀ maps it to L_S⁻ᵀ X L_A⁻¹. Without biases X is W, and [h | 1] is h. Moments are summed over the
/// ranks. Source of such factors: Martens and Grosse, arXiv 1503.05671.
package final class Metric<Scalar: DistributedScalar> {
  private let options: MetricOptions
  let linearization: Linearization<Scalar>
  private let communicator: Communicator
  private let phases: Phases
  /// nil where this rank has all outputs of the head.
  private let classes: ClassShards?
  /// The layers below the head of `linearization`, whose rows ranks share out; nil where it has all layers.
  private let trunk: Trunk<Scalar>?
  /// The layers' factors; none for a diagonal metric.
  let blocks: [Block]
  /// The layers' scales, first those below a head on its own; none for the other kinds.
  let scales: [DiagonalScale<Scalar>]
  /// Memory for the widest block, in all and per virtual shard; for rows [h | 1], and for rows d.
  let blockStorage: Vector<Scalar>
  let partBlocks: [Vector<Scalar>]
  /// A moment per virtual shard.
  private var partMoments: [Vector<Scalar>]
  var inputStorage = Vector<Scalar>(zeros: 0)
  var gradientStorage = Vector<Scalar>(zeros: 0)
  let ones: Vector<Scalar>
  /// The divided rows of this rank, by layer, and their memory.
  var divided: [Int: (x: Matrix<Scalar>, y: Matrix<Scalar>)] = [:]
  var dividedStorage: [(x: Vector<Scalar>, y: Vector<Scalar>)]
  var otherStorage = (x: Vector<Scalar>(zeros: 0), y: Vector<Scalar>(zeros: 0))
  /// The number of steps so far.
  private(set) var steps = 0
  /// Whether a batch has contributed to the moments.
  private var hasMoments = false
  /// μ/λ of the factors; nil where the factors do not match the moments.
  private var factoredRatio: Double?
  /// The number of changes of M so far.
  private(set) var version = 0
  /// Whether the inverses match the factors.
  var isInverted = false

  /// Allocates memory for shards of at most `capacity` rows.
  ///
  /// - Precondition: the metric has no matrices of moments, or the network supports them.
  init(_ loss: BatchLoss<Scalar>, options: MetricOptions, capacity: Int, communicator: Communicator, phases: Phases) {
    (linearization, classes, trunk) = (loss.linearization, loss.classes, loss.trunk)
    precondition(classes == nil || !options.kind.hasMatrices, "matrices of all classes are not shared out")
    precondition(
      !options.kind.hasMatrices || linearization.network.supportsMetric,
      "second moments of sparse inputs would be a dense matrix of the features")
    self.options = options
    self.communicator = communicator
    self.phases = phases
    let connections = options.kind.hasMatrices ? linearization.network.body.connections : []
    blocks = connections.map { connection in
      func square(_ size: Int) -> Matrix<Scalar> { Matrix(zeros: size, size) }
      let (inputs, outputs) = (connection.columns, options.kind == .kronecker ? connection.outputs : 0)
      return Block(
        connection: connection, inputMoment: square(inputs), inputFactor: square(inputs),
        gradientMoment: square(outputs), gradientFactor: square(outputs), inputInverse: square(inputs),
        gradientInverse: square(outputs))
    }
    let below = trunk?.linearization.network
    let offset = below?.layout.count ?? 0
    let all = (below?.connections ?? []) + linearization.network.connections.map { $0.shifted(by: offset) }
    scales = options.kind.isDiagonal ? all.map { DiagonalScale($0, kind: options.kind) } : []
    dividedStorage = blocks.map { _ in (Vector(zeros: 0), Vector(zeros: 0)) }
    let widest = connections.map(\.range.count).max() ?? 0
    blockStorage = Vector(zeros: widest)
    let partCount = linearization.partition.isVirtual ? linearization.partition.partCount : 0
    partBlocks = (0..<partCount).map { _ in Vector(zeros: widest) }
    partMoments = Array(repeating: Vector(zeros: 0), count: partCount)
    ones = Vector(zeros: blocks.isEmpty ? 0 : capacity)
    ones.fill(1)
  }

  /// Whether M differs from I.
  var isActive: Bool { hasFactors || isDiagonal }

  /// Whether M has factors that are matrices.
  var hasFactors: Bool { !blocks.isEmpty }

  /// Whether M is a diagonal other than I. Ranks that divide by it get the same bits.
  var isDiagonal: Bool { !scales.isEmpty }

  /// The scales of the fully connected layer `index` where M is diagonal, else nil.
  func scale(_ index: Int) -> DiagonalScale<Scalar>? { isDiagonal ? scales[index] : nil }

  /// The number of scales, the last ones, of the layers of `linearization`.
  private var headScaleCount: Int { isDiagonal ? linearization.network.connections.count : 0 }

  /// Whether M is known, which it is after the first batch.
  var isKnown: Bool { isActive && factoredRatio != nil }

  /// Factors M for this μ/λ, if a batch has contributed. The same on all ranks.
  func prepare(decayRatio: Double) throws {
    guard isActive, hasMoments, factoredRatio != decayRatio else { return }
    try phases.measure(.metric) { try factorize(decayRatio: decayRatio) }
  }

  /// The running moments; names end in the layer's number among the fully connected ones.
  var memory: [(name: String, vector: Vector<Scalar>)] {
    blocks.enumerated().flatMap { index, block in
      zip(["input_moment", "gradient_moment"], block.pairs).map { ("\($0).\(index)", $1.moment.elements) }
    }
      + scales.enumerated().flatMap { index, scale in
        scale.sides.map { ("\($0.name).\(index)", $0.root.moment) }
      }
  }

  /// The running moments, and those of a batch.
  private var moments: [(running: Vector<Scalar>, ofBatch: Vector<Scalar>)] {
    blocks.flatMap(\.pairs).map { ($0.moment.elements, $0.factor.elements) }
      + scales.flatMap(\.sides).map { ($0.root.moment, $0.root.ofBatch) }
  }

  /// Adds the moments of the linearised batch of `batchSize` rows to the running ones, in one of `interval` steps;
  /// `prepare` must follow. A batch whose moments are not finite is left out. Collective.
  func observe(_ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int) throws {
    guard isActive else { return }
    if steps % options.interval == 0 {
      factoredRatio = nil
      hasMoments = true
      try assignMoments(margin, cotangents: cotangents, batchSize: batchSize)
      let isFinite = blocks.flatMap(\.pairs).allSatisfy { $0.factor.trace.isFinite }
      if isFinite, scales.flatMap(\.sides).allSatisfy(\.root.ofBatch.isFinite) {
        // The first batches give a plain mean, later ones an exponential mean.
        let weight = max(1 - options.decay, 1 / Double(steps / options.interval + 1))
        for (running, ofBatch) in moments { running.combine(Scalar(weight), ofBatch, Scalar(1 - weight)) }
      }
    }
    steps += 1
  }

  /// Resumes after this number of steps; the moments are restored separately.
  func resume(after steps: Int) {
    self.steps = steps
    factoredRatio = nil
    hasMoments = steps > 0
  }

  /// Takes the moments of a batch that the run has not reached yet, as `observe` does, but the first step replaces
  /// them. Collective.
  func rehearse(_ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int) throws {
    guard isActive else { return }
    if steps > 0 { return }
    try observe(margin, cotangents: cotangents, batchSize: batchSize)
    // With no steps counted, the first batch replaces the moments.
    steps = 0
  }

  /// factors and scales ← the moments of the batch, over all ranks. Collective.
  private func assignMoments(
    _ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int
  ) throws {
    let scale = 1 / Scalar(batchSize)
    try phases.measure(.metric) {
      if isDiagonal {
        try assignSquares(margin, cotangents: cotangents, times: scale)
      } else {
        try assignProducts(margin, cotangents: cotangents, times: scale)
      }
    }
    if linearization.parts.areVirtual { return }
    try phases.measure(.communication) {
      for (index, (_, ofBatch)) in moments.enumerated() {
        let ranks = index < countBelow ? trunk!.communicator : communicator
        try ofBatch.withElements { try ranks.allreduce($0) }
      }
    }
  }

  /// The number of moments of the layers below a head on its own.
  private var countBelow: Int { scales.prefix(scales.count - headScaleCount).reduce(0) { $0 + $1.sides.count } }

  /// factors ← the matrices' second moments, times `scale`, of this rank's rows; with virtual shards of all ranks' rows.
  private func assignProducts(
    _ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, times scale: Scalar
  ) throws {
    var remaining = blocks[...]
    // √ω and √ω(1 − p), since a moment contains each row twice.
    let roots = margin.weights.map { Vector($0.array.map { $0.squareRoot() }) }
    let gradientFactors = roots.map { roots in
      let result = Vector<Scalar>(zeros: roots.count)
      result.assignProduct(roots, by: margin.complements[0..<roots.count])
      return result
    }
    let isVirtual = linearization.parts.areVirtual
    func assign(_ moment: Matrix<Scalar>, _ rows: [Matrix<Scalar>]) throws {
      try sum(moment.elements) { part, sum in
        // Numbers of another layer may be above the diagonal.
        if isVirtual { sum.fill(0) }
        Matrix(sum, moment.rows, moment.rows).assignSymmetricProduct(rows[part], .yes, alpha: scale)
      }
    }
    try linearization.rowGradients(cotangents) { (gradients) throws(any Error) in
      guard case .products(let inputs, let cotangents, let hasBias) = gradients else { return }
      let block = remaining.removeLast()
      let rows = extended(inputs, hasBias: hasBias)
      if let roots {
        for (part, range) in zip(rows, linearization.parts.all) { part.scaleRows(by: roots[range]) }
      }
      try assign(block.inputFactor, rows)
      guard block.gradientFactor.rows > 0 else { return }
      try assign(block.gradientFactor, scaled(cotangents, by: gradientFactors ?? margin.complements))
    }
  }

  /// ofBatch ← the diagonals' second moments, times `scale`, of this rank's rows; with virtual shards of all ranks' rows.
  private func assignSquares(
    _ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, times scale: Scalar
  ) throws {
    let outputFactors = margin.squaredGradientFactors(cotangents.rows, times: scale)
    let inputFactors = options.kind == .diagonal ? margin.squaredInputFactors(cotangents.rows, times: scale) : nil
    var remaining = scales[...]
    func take(_ gradients: RowGradients<Scalar>, of rows: [Range<Int>]) throws {
      guard let (inputs, cotangents) = gradients.connected else { return }
      let scale = remaining.removeLast()
      try sum(scale.outputs.ofBatch) { part, sum in
        sum.assignColumnSquareSums(cotangents[part], scaledBy: outputFactors[rows[part]])
      }
      guard let root = scale.inputs, let inputFactors else { return }
      try sum(root.ofBatch) { part, sum in
        inputs.assignSquareSums(sum, part: part, scaledBy: inputFactors[rows[part]])
      }
    }
    try linearization.rowGradients(cotangents) { try take($0, of: linearization.parts.all) }
    try trunk?.rowGradients { [rows = trunk!.ownRows] in try take($0, of: [rows]) }
  }

  /// moment ← the sum over all parts of what `assign` gives each of this rank's; without virtual shards over its own.
  private func sum(_ moment: Vector<Scalar>, _ assign: (_ part: Int, _ sum: Vector<Scalar>) -> Void) throws {
    if linearization.parts.areVirtual { try sumInOrder(moment, assign) } else { assign(0, moment) }
  }

  /// moment ← the sum over the virtual shards of all ranks, in order, of what `assign` gives each of this rank's.
  /// Collective.
  private func sumInOrder(_ moment: Vector<Scalar>, _ assign: (Int, Vector<Scalar>) -> Void) throws {
    for index in partMoments.indices { partMoments[index].grow(to: moment.count) }
    linearization.parts.forEach { index, _ in assign(index, partMoments[index][0..<moment.count]) }
    try phases.measure(.communication) {
      try moment.withElements { elements in
        try communicator.orderedSum(elements) { range in
          phases.measure(.metric) { moment.add(partMoments, in: range) }
        }
      }
    }
  }

  private func factorize(decayRatio: Double) throws {
    // The diagonal of one factor has the mean λ/(λ+μ) and gains μ/λ; for a pair, each takes the square roots.
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
    for (index, scale) in scales.enumerated() {
      let isOfHead = index >= scales.count - headScaleCount
      try scale.assignInverses(epsilon: options.epsilon, decayRatio: decayRatio, over: isOfHead ? classes : nil)
    }
    factoredRatio = decayRatio
    version += 1
    isInverted = false
  }

  /// inverses ← the inverses of the factors. A matrix-free solve does not need them.
  func invert() {
    for (_, factor, inverse) in blocks.flatMap(\.pairs) { factor.assignInverse(to: inverse) }
    isInverted = true
  }
}
