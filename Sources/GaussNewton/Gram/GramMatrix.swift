import LinearAlgebra
import Networks

/// K = RRᵀ of the global batch (B × B, upper triangle), from the margin gradients of all rows.
///
/// A weight and its bias give row i the gradient d_i ⊗ [h_i | 1], with inner products (h_iᵀh_j + 1) d_iᵀd_j. So AAᵀ is
/// the sum over the layers of (HHᵀ + 1) ∘ (DDᵀ), without the 1 where a layer has no biases, and without approximation;
/// gradients of other layers are multiplied directly. In a metric M = S ⊗ A the products are (H̃A⁻¹H̃ᵀ) ∘ (DS⁻¹Dᵀ), H̃ =
/// [H | 1], and K is RM⁻¹Rᵀ; diagonal factors scale the columns of H and D by their A^-½ and S^-½ as these are gathered,
/// and the 1 becomes the bias's element of A⁻¹. K is AAᵀ with rows and columns scaled by √(w̃/B). The rows h, d (#b of B)
/// of all ranks are gathered layer by layer, and each rank forms a share of the triangle's rows. Then the rows of K are
/// gathered, or they stay on their ranks, and their contributions to a product with a vector are summed.
package final class GramMatrix<Scalar: DistributedScalar>: KernelOperator {
  let exchange: RowExchange
  var phases: Phases { exchange.phases }
  /// Whether all ranks hold all of K.
  private var isGathered = true
  private var storage = Vector<Scalar>(zeros: 0)
  /// Memory for products, and for the rows of a layer from all ranks.
  var workspace = Vector<Scalar>(zeros: 0)
  /// Memory for the products of the outputs' cotangents, where ranks share out the classes.
  var outputStorage = Vector<Scalar>(zeros: 0)
  private var gathered = [Vector<Scalar>](repeating: Vector(zeros: 0), count: 2)
  /// The gathered first layer with parameters, if it is fully connected and wide, and without a metric of matrices.
  private(set) var gatheredLayer: GatheredLayer<Scalar>?

  init(_ exchange: RowExchange) { self.exchange = exchange }

  /// B
  private var size: Int { exchange.rowCount }

  /// K (B × B), where it has been gathered; its elements below the diagonal are meaningless.
  var matrix: Matrix<Scalar> {
    precondition(isGathered, "the rows of K are on their ranks")
    return Matrix(storage[0..<size * size], size, size)
  }

  /// The rows of K that this rank multiplies.
  private var multipliedRows = 0..<0

  /// The place in the gathered rows for a head's cotangents of this rank's rows (#b × C), so that gathering them needs
  /// no copy; nil where the place is not known in advance.
  func ownCotangents(of batch: Batch<Scalar>, columns: Int) -> Matrix<Scalar>? {
    guard let own = exchange.expectedRows(of: batch) else { return nil }
    gathered[1].grow(to: batch.globalSize * columns)
    return Matrix(gathered[1][own.lowerBound * columns..<own.upperBound * columns], own.count, columns)
  }

  /// gradient ← Σ_i factors_i d_i ⊗ [h_i | 1] over all rows of a gathered layer, divided by a diagonal metric: weights
  /// (out × in), then biases (out) if it has them. One allgather for the weights and one for the biases. Collective.
  func assignGradient(
    _ gradient: Vector<Scalar>, of layer: GatheredLayer<Scalar>, scaledBy factors: Vector<Scalar>
  ) throws {
    let count = layer.cotangents.columns
    let shares = exchange.outputShares(count)
    let outputs = shares.own
    let weights = Matrix(gradient[0..<layer.weightCount], count, layer.inputs.columns)
    let biases = layer.hasBias ? Matrix(gradient[layer.weightCount..<gradient.count], count, 1) : nil
    phases.measure(.vjp) {
      workspace.grow(to: size * outputs.count)
      let scaled = Matrix(workspace[0..<size * outputs.count], size, outputs.count)
      scaled.assignRows(of: layer.cotangents, columns: outputs, scaledBy: factors)
      weights[rows: outputs].assignProduct(scaled, .yes, layer.inputs, .no)
      biases?[rows: outputs].elements.assignColumnSums(scaled)
      if let scale = layer.scale {
        for part in [weights, biases].compactMap(\.self) {
          part[rows: outputs].scaleRows(by: scale.outputs.inverseRoot[outputs])
        }
        if let root = scale.inputRoot {
          weights[rows: outputs].assignColumns(of: weights[rows: outputs], scaledBy: root)
          biases?[rows: outputs].elements.scale(scale.biasInverse)
        }
      }
    }
    try exchange.complete(weights, shares)
    if let biases { try exchange.complete(biases, shares) }
  }

  /// Forms K from the cotangents v (#b × C) and √(w̃/B) of all rows (B). Collective.
  ///
  /// - Parameter gathers: whether `matrix` is needed. If not, the rows may stay on their ranks, except with virtual
  ///   shards, where the bits of a product would depend on the number of ranks.
  func assign(
    _ linearization: Linearization<Scalar>, cotangents: Matrix<Scalar>, rowFactors: Vector<Scalar>,
    metric: Metric<Scalar>, gathers: Bool
  ) throws {
    let (own, shares) = begin(gathers: gathers)
    var isFirst = true
    var layer = metric.layerCount
    try phases.measure(.gram) {
      try linearization.rowGradients(cotangents, keepsCotangents: true) { gradients in
        let beta: Scalar = isFirst ? 0 : 1
        isFirst = false
        gatheredLayer = nil
        if gradients.areOfConnection { layer -= 1 }
        gatheredLayer = try add(gradients, to: own, beta: beta, by: exchange, in: (metric, layer))
      }
      own.block.scaleGramRows(own.rows.range, by: rowFactors)
    }
    try complete(own, shares)
  }

  /// block ← beta·block + the products of a layer's gradients of all rows, which `exchange` gathers; in the metric of that
  /// layer, if there is one. Returns the layer where ranks can share out its outputs. Collective.
  @discardableResult
  func add(
    _ gradients: RowGradients<Scalar>, to own: FormedRows, beta: Scalar, by exchange: RowExchange,
    in metric: (metric: Metric<Scalar>, layer: Int)? = nil
  ) throws -> GatheredLayer<Scalar>? {
    let (block, formed) = (own.block, own.rows)
    switch gradients {
    case .products(let inputs, let cotangents, let hasBias):
      workspace.grow(to: GramPanel.scratchCount(positions: 1))
      if let (metric, layer) = metric, metric.hasFactors {
        // In a metric of matrices, rows include the bias's 1 as an input.
        let (x, y) = (
          try gather(metric.extended(inputs, hasBias: hasBias), 0, by: exchange),
          try gather(cotangents, 1, by: exchange)
        )
        let (mine, ownRows) = (formed.range, exchange.rows.own)
        let divided = phases.measure(.metric) {
          metric.divide(layer, ownInputs: x[rows: ownRows], ownCotangents: y[rows: ownRows])
          return mine == ownRows && !formed.isAligned
            ? metric.dividedRows(layer) : metric.divided(layer, inputs: x[rows: mine], cotangents: y[rows: mine])
        }
        block.assignGramProducts(
          formed, of: GramOperands(x, y, divided: divided), shift: 0, beta: beta, scratch: workspace)
        return nil
      }
      let scale = metric.flatMap { $0.metric.scale($0.layer) }
      let x = try gather(inputs, 0, scaledBy: scale?.inputRoot, by: exchange)
      let y = try gather(cotangents, 1, scaledBy: scale?.outputs.inverseRoot, by: exchange)
      block.assignGramProducts(
        formed, of: GramOperands(x, y), shift: scale?.biasInverse ?? (hasBias ? 1 : 0), beta: beta,
        scratch: workspace)
      return exchange.sharesOut(outputs: y.columns)
        ? GatheredLayer(inputs: x, cotangents: y, hasBias: hasBias, scale: scale) : nil
    case .sparseProducts(let inputs, let cotangents, let hasBias):
      workspace.grow(to: GramPanel.scratchCount(positions: 1))
      let scale = metric.flatMap { $0.metric.scale($0.layer) }
      let x = try exchange.gather(inputs)
      block.assignGramProducts(
        formed, of: scale?.inputRoot.map { x.scaled(columnsBy: $0) } ?? x,
        try gather(cotangents, 1, scaledBy: scale?.outputs.inverseRoot, by: exchange),
        shift: scale?.biasInverse ?? (hasBias ? 1 : 0), beta: beta, scratch: workspace)
    case .positionProducts(let inputs, let cotangents, let positions):
      workspace.grow(to: GramPanel.scratchCount(positions: positions))
      let (x, y) = (try gather(inputs, 0, positions, by: exchange), try gather(cotangents, 1, positions, by: exchange))
      block.assignGramProducts(
        formed, of: GramOperands(x, y, positions: positions), shift: 1, beta: beta, scratch: workspace)
    case .rows(let rows):
      block.assignGramRows(formed, of: try gather(rows, 0, by: exchange), beta: beta)
    }
    return nil
  }

  /// The rows of K that this rank forms, their place, and all that it holds after they are gathered.
  struct FormedRows {
    let rows: GramRows
    let block, all: Matrix<Scalar>
  }

  /// Begins to form K: determines which rows ranks form, and which they hold.
  func begin(gathers: Bool) -> (own: FormedRows, shares: Shares) {
    let (shares, isAligned) = (exchange.triangleShares, exchange.isVirtual)
    let mine = shares.own
    isGathered = gathers || exchange.isAlone || isAligned
    let rows = isGathered ? 0..<size : mine
    multipliedRows = rows
    storage.grow(to: rows.count * size)
    let all = Matrix(storage[0..<rows.count * size], rows.count, size)
    let block = all[rows: mine.lowerBound - rows.lowerBound..<mine.upperBound - rows.lowerBound]
    return (FormedRows(rows: GramRows(mine, isAligned: isAligned), block: block, all: all), shares)
  }

  /// Gathers the rows, where ranks are to hold all. Collective.
  func complete(_ formed: FormedRows, _ shares: Shares) throws {
    if isGathered { try exchange.complete(formed.all, shares) }
  }

  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> Double { x[multipliedRows].dot(y[multipliedRows]) }

  /// y ← Kv (B), given v on all ranks. Returns vᵀKv, and the sums of the shares of other inner products. Unless K has
  /// been gathered, one allreduce of B + 1 numbers of 8 bytes and one more per share, which makes the scalars the same
  /// on all ranks. Collective.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func multiply(
    _ v: Vector<Scalar>, into y: Vector<Scalar>, with shares: RowShares
  ) throws -> (curvature: Double, sums: RowSums) {
    let rows = multipliedRows
    y.assignSymmetricProduct(Matrix(storage[0..<rows.count * size], rows.count, size), rows: rows, v)
    let (curvature, names) = (v.dot(y), shares.map { $0.name })
    if isGathered { return (curvature, RowSums(names, shares.map { $0.own })) }
    return try phases.measure(.communication) {
      let count = size
      var sums = [Double](unsafeUninitializedCapacity: count + 1 + shares.count) { sums, initialized in
        for i in 0..<count { sums.initializeElement(at: i, to: Double(y[i])) }
        sums.initializeElement(at: count, to: curvature)
        for (index, share) in shares.enumerated() { sums.initializeElement(at: count + 1 + index, to: share.own) }
        initialized = count + 1 + shares.count
      }
      try exchange.sum(&sums)
      for i in 0..<count { y[i] = Scalar(sums[i]) }
      return (sums[count], RowSums(names, Array(sums[(count + 1)...])))
    }
  }

  /// The rows of all ranks (BT × n, T positions per row), given the parts of this rank's rows; valid until the next
  /// call with the same `place`. Collective.
  ///
  /// - Parameter scales: the factors of the columns in the result, if any.
  func gather(
    _ parts: [Matrix<Scalar>], _ place: Int, _ positions: Int = 1, scaledBy scales: Vector<Scalar>? = nil,
    by exchange: RowExchange
  ) throws -> Matrix<Scalar> {
    try exchange.gather(parts, positions: positions, scaledBy: scales, in: &gathered[place])
  }
}
