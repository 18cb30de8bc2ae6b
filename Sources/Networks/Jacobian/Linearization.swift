import LinearAlgebra

/// The network at one point θ and one batch: its logits, and products with its Jacobian J = ∂z/∂θ.
///
/// Owns the activations of the batch: one `linearize`, then any number of `jvp` and `vjp`. Rows are this rank's shard
/// of the global batch (`#b`), possibly none. Virtual shards are computed one by one, each in the same way on any rank.
/// All calls are local.
package final class Linearization<Scalar: BLASScalar> {
  package let network: Network
  package let partition: RowPartition
  private let capacity: Int
  /// The rows of each part, in order.
  package private(set) var parts: Parts<Range<Int>>

  private let cacheStorage: Vector<Scalar>
  /// The scratch of each part; for row gradients it is allocated at their first call.
  private let scratches: [Vector<Scalar>]
  private var gradientScratches: [Vector<Scalar>] = []
  /// The layers' cotangents of the last row gradients, and the memory of those that were copied.
  private var kept: [LayerCotangent<Scalar>] = []
  private var copies: [Vector<Scalar>] = []
  /// Memory for the numbers that products scale by row, and their count per row. Parts may be in different layers at
  /// the same time.
  private var scaledStorage = Vector<Scalar>(zeros: 0)
  private var scaledCount = 0
  private let logitsStorage: Matrix<Scalar>
  private let tangentStorage: Matrix<Scalar>
  private var inputs: Inputs<Scalar>
  /// The inputs of each part, prepared for products.
  package private(set) var partInputs: [Inputs<Scalar>] = []
  private var parameters: Vector<Scalar>

  /// Allocates memory for batches of at most `capacity` local rows.
  package init(_ network: Network, capacity: Int, partition: RowPartition = RowPartition()) {
    self.network = network
    self.partition = partition
    self.capacity = capacity
    parts = Parts(partition.emptyParts, areVirtual: partition.isVirtual)
    cacheStorage = Vector(zeros: capacity * network.body.cacheCount)
    scratches = partition.scratches(capacity: capacity) { network.body.scratchCount(rows: $0) }
    logitsStorage = Matrix(zeros: capacity, network.outputCount)
    logits = logitsStorage[rows: 0..<0]
    tangentStorage = Matrix(zeros: capacity, network.outputCount)
    inputs = .dense(Matrix(zeros: 0, network.inputCount))
    parameters = Vector(zeros: 0)
  }

  private var rows: Int { inputs.rows }

  /// The logits of the batch (#b × C), valid until the next `linearize`. The owner of the step may overwrite them.
  package private(set) var logits: Matrix<Scalar>

  /// A #b × C matrix for cotangents of the logits, which also receives the result of `jvp`.
  package var outputScratch: Matrix<Scalar> { tangentStorage[rows: 0..<rows] }

  /// The point of linearisation for part `index` of the rows.
  private func point(_ index: Int, _ rows: Range<Int>) -> LayerPoint<Scalar> {
    let count = network.body.cacheCount
    return LayerPoint(
      inputs: partInputs[index], parameters: parameters,
      cache: cacheStorage[rows.lowerBound * count..<rows.upperBound * count])
  }

  /// Evaluates the network at `parameters` (P) on `inputs` (#b × d), and keeps the data for products. With virtual
  /// shards, `batchSize`, the number of rows of the whole batch, determines the rows of each shard.
  ///
  /// Neither argument is copied: both must keep their values while products are computed.
  package func linearize(at parameters: Vector<Scalar>, on inputs: Matrix<Scalar>, batchSize: Int? = nil) {
    linearize(at: parameters, on: .dense(inputs), batchSize: batchSize)
  }

  /// Linearises as above, on dense or sparse inputs.
  ///
  /// - Parameters:
  ///   - logits: a place for the logits (#b × C), if they are not to be in memory of this object.
  ///   - prepared: the `partInputs` of these inputs, if they are known from an earlier time.
  package func linearize(
    at parameters: Vector<Scalar>, on inputs: Inputs<Scalar>, batchSize: Int? = nil,
    logits place: Matrix<Scalar>? = nil, prepared: [Inputs<Scalar>]? = nil
  ) {
    self.place(at: parameters, on: inputs, batchSize: batchSize, logits: place, prepared: prepared)
    parts.forEach { index, rows in
      let point = point(index, rows)
      network.body.forward(
        point.inputs, parameters, output: logits[rows: rows], cache: point.cache, scratch: scratches[index])
    }
  }

  /// Takes arguments as `linearize` does, and logits that are known: a network of a single layer has its products without
  /// a forward pass.
  package func place(
    at parameters: Vector<Scalar>, on inputs: Inputs<Scalar>, batchSize: Int?, logits place: Matrix<Scalar>?,
    prepared: [Inputs<Scalar>]? = nil
  ) {
    precondition(inputs.rows <= capacity, "the batch does not fit")
    network.check(inputs)
    self.parameters = parameters
    self.inputs = inputs
    logits = place ?? logitsStorage[rows: 0..<rows]
    if partition.isVirtual {
      parts = Parts(partition.parts(of: batchSize!), areVirtual: true)
      precondition(parts.all.last!.upperBound == inputs.rows, "the rows are not those of this rank's shards")
    } else {
      parts = Parts([0..<inputs.rows])
    }
    partInputs = prepared ?? parts.all.map { inputs[rows: $0].prepared() }
  }

  /// J u: the tangent of the logits (#b × C) along `tangent` (P). Valid until the next call.
  package func jvp(_ tangent: Vector<Scalar>) -> Matrix<Scalar> {
    parts.forEach { index, rows in
      network.body.jvp(
        at: point(index, rows), inputTangent: nil, parameterTangent: tangent, outputTangent: outputScratch[rows: rows],
        scratch: scratches[index])
    }
    return outputScratch
  }

  /// gradients ← Jᵀ of the cotangents, summed over the local rows: one gradient (P) per part of the rows.
  package func vjp(_ cotangents: Cotangents<Scalar>, into gradients: [Vector<Scalar>]) {
    vjp(cotangents, into: gradients, finished: { _ in })
  }

  /// gradients ← Jᵀ of the cotangents, as above. Calls `finished` with each range of the gradient that is complete,
  /// layer by layer from the last to the first, except with virtual shards, which have a gradient each.
  package func vjp<Failure: Error>(
    _ cotangents: Cotangents<Scalar>, into gradients: [Vector<Scalar>], finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(gradients.count == parts.count, "each part of the rows has a gradient")
    switch cotangents {
    case .logits(let cotangent):
      try vjp(cotangent, gradients, finished)
    case .scaledLogits(let cotangent, let factors) where network.hasSingleLayer:
      // The layer scales the narrower side of its product, which may be the inputs.
      rowGradients(cotangent, keepsCotangents: true) { _ in }
      try vjpOfKept(factors, gradients, assigns: { _, _, _ in false }, finished)
    case .scaledLogits(let cotangent, let factors):
      outputScratch.assignRows(of: cotangent, scaledBy: factors)
      try vjp(outputScratch, gradients, finished)
    case .kept(let factors, let assigns):
      try vjpOfKept(factors, gradients, assigns: assigns, finished)
    }
  }

  private func vjp<Failure: Error>(
    _ cotangent: Matrix<Scalar>, _ gradients: [Vector<Scalar>], _ finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    guard parts.areVirtual else {
      return try network.body.vjp(
        at: point(0, 0..<rows), outputCotangent: cotangent, parameterCotangent: gradients[0], inputCotangent: nil,
        scratch: scratches[0], finished: finished)
    }
    parts.forEach { index, rows in
      network.body.vjp(
        at: point(index, rows), outputCotangent: cotangent[rows: rows], parameterCotangent: gradients[index],
        inputCotangent: nil, scratch: scratches[index])
    }
  }

  /// Passes the gradients of the rows with respect to all parameters, J_iᵀ `cotangent`_i, to `visit`, part by part from
  /// the last layer to the first.
  ///
  /// - Parameter keepsCotangents: keeps data for products of `Cotangents.kept`; `cotangent` itself is not copied.
  package func rowGradients<Failure: Error>(
    _ cotangent: Matrix<Scalar>, keepsCotangents: Bool = false,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    if gradientScratches.isEmpty {
      gradientScratches = partition.scratches(capacity: capacity) { network.body.rowGradientScratchCount(rows: $0) }
    }
    kept = []
    var copied = 0
    let parts = parts.map { index, rows in
      LayerPart(
        point: point(index, rows), outputCotangent: cotangent[rows: rows], inputCotangent: nil,
        scratch: gradientScratches[index])
    }
    try network.body.rowGradients(
      parts,
      keep: { layer in
        guard keepsCotangents else { return }
        if layer.isSame(as: cotangent, self.parts.all) { return kept.append(layer) }
        if copied == copies.count { copies.append(Vector(zeros: capacity * layer.columns)) }
        kept.append(layer.kept(in: copies[copied]))
        copied += 1
      }, visit: visit)
  }

  private func vjpOfKept<Failure: Error>(
    _ factors: Vector<Scalar>, _ gradients: [Vector<Scalar>], assigns: (Int, Range<Int>, Vector<Scalar>) -> Bool,
    _ finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(!kept.isEmpty, "row gradients come first")
    scaledCount = kept.reduce(0) { max($0, $1.layer.scaledCount) }
    scaledStorage.grow(to: capacity * scaledCount)
    func assign(_ layer: LayerCotangent<Scalar>, _ index: Int, _ rows: Range<Int>) {
      let gradient = gradients[index]
      if assigns(index, layer.range, gradient[layer.range]) { return }
      assignScaledProduct(layer, index, rows, scaledBy: factors, into: gradient)
    }
    guard parts.areVirtual else {
      for layer in kept {
        assign(layer, 0, 0..<rows)
        try finished(layer.range)
      }
      return
    }
    parts.forEach { index, rows in
      for layer in kept { assign(layer, index, rows) }
    }
  }

  private func assignScaledProduct(
    _ layer: LayerCotangent<Scalar>, _ index: Int, _ rows: Range<Int>, scaledBy factors: Vector<Scalar>,
    into gradient: Vector<Scalar>
  ) {
    let part = layer.parts[index]
    layer.layer.vjp(
      at: part.point, outputCotangent: part.cotangent, scaledBy: factors[rows],
      parameterCotangent: gradient[layer.range],
      room: scaledStorage[rows.lowerBound * scaledCount..<rows.upperBound * scaledCount], scratch: scratches[index])
  }

  /// The logits at other parameters on `rows` of the same batch, or of other inputs (#b × d), in `outputScratch`: #rows × C. The
  /// linearization stays valid.
  package func logits(
    at parameters: Vector<Scalar>, on others: Inputs<Scalar>? = nil, rows: Range<Int>
  ) -> Matrix<Scalar> {
    let inputs = others ?? inputs
    parts.forEach { index, part in
      let own = part.clamped(to: rows)
      network.body.forward(
        inputs[rows: own], parameters, output: outputScratch[rows: own], cache: nil, scratch: scratches[index])
    }
    return outputScratch[rows: rows]
  }
}

extension RowPartition {
  fileprivate var emptyParts: [Range<Int>] { Array(repeating: 0..<0, count: partCount) }

  /// Scratch for each part of at most `capacity` rows in all, given the count for a number of rows.
  fileprivate func scratches<Scalar>(capacity: Int, _ count: (Int) -> Int) -> [Vector<Scalar>] {
    let size = partScratchCount(capacity: capacity, count)
    return (0..<partCount).map { _ in Vector(zeros: size) }
  }

  /// Numbers of scratch for each part of at most `capacity` rows in all, given the count for a number of rows.
  package func partScratchCount(capacity: Int, _ count: (Int) -> Int) -> Int {
    isVirtual ? Threads.serially { count((capacity + partCount - 1) / partCount) } : count(capacity)
  }
}
