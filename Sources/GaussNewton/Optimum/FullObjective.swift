import LinearAlgebra
import MPI
import Networks

/// Both terms of an objective, and their sum.
package struct ObjectiveValue: Equatable, Sendable {
  package var loss, decay: Double
  package var objective: Double { loss + decay }
}

/// The objective of a run over all its rows, f(θ) = (1/n) Σ ω_i ℓ_i + (μ/2)‖Dθ‖², its gradient, and products with H = G +
/// μD for the full Gauss-Newton matrix G, which is the Hessian of the loss of a linear head.
///
/// A pass goes over this rank's part of each block of rows, and ends in one sum over the ranks. What a block gives is in
/// the precision of the run; sums over blocks, ranks and rows are in `Double`.
package final class FullObjective<Scalar: DistributedScalar> {
  package let network: Network
  let rows: TrainingRows<Scalar>
  let decay: WeightDecay<Double>
  package let phases: Phases
  let communicator: Communicator
  /// Passes over all rows so far.
  package var passes = 0
  /// Whether any rank wished to stop in a pass.
  package private(set) var isInterrupted = false
  /// This rank's wish to stop, asked for in each pass.
  package var wishesToStop: () -> Bool = { false }

  let blocks: RowBlocks
  let linearization: Linearization<Scalar>
  /// The margins of the blocks of the last evaluation where they are kept; otherwise those of one block.
  private let margins: [BlockMargins<Scalar>]
  private let keepsMargins: Bool
  /// Of sparse rows, the inputs of each block as products take them, nil where they are not kept; and how many more values may be.
  private var prepared: [[Inputs<Scalar>]?]
  private var preparedRoom = RowBlocks.keptValues
  /// Of each part of a block: what it adds, and the sums of what it has added, the losses and wishes behind.
  private let gradients: [Vector<Scalar>]
  private let sums: [Vector<Double>]
  private let total: Vector<Double>
  /// θ in `Double`, and a tangent in the precision of the run (P each).
  private let wide: Vector<Double>
  private let tangent: Vector<Scalar>

  private var P: Int { network.layout.count }

  package init(
    _ network: Network, _ rows: TrainingRows<Scalar>, in blocks: RowBlocks,
    weightDecay: (rate: Double, includesBiases: Bool), phases: Phases, communicator: Communicator
  ) {
    let P = network.layout.count
    self.network = network
    self.rows = rows
    self.blocks = blocks
    self.phases = phases
    self.communicator = communicator
    decay = WeightDecay(
      rate: weightDecay.rate, includesBiases: weightDecay.includesBiases, toInitial: false, network.layout,
      over: ReplicatedParameters(communicator: communicator, phases: phases))
    linearization = Linearization(network, capacity: blocks.capacity, partition: blocks.partition)
    keepsMargins = blocks.keepsMargins(network, rows: rows.count)
    margins = (keepsMargins ? blocks.ranges(of: rows.count) : [0..<blocks.size]).map { range in
      BlockMargins(network, capacity: blocks.partition.capacity(of: range.count))
    }
    prepared = Array(repeating: nil, count: blocks.ranges(of: rows.count).count)
    let parts = blocks.partition.partCount
    gradients = (0..<parts).map { _ in Vector(zeros: P) }
    sums = (0..<parts).map { _ in Vector(zeros: P + 2) }
    total = Vector(zeros: P + 2)
    wide = Vector(zeros: P)
    tangent = Vector(zeros: P)
  }

  /// f(θ); gradient ← ∇f(θ) (P). One pass. Collective.
  package func evaluate(at parameters: Vector<Scalar>, gradient: Vector<Double>) throws -> ObjectiveValue {
    let scale = -1 / Scalar(rows.count)
    let loss = try pass { index, batch in
      let margin = linearize(batch, block: index, at: parameters)
      let cotangents = linearization.outputScratch
      cotangents.assignRows(
        of: linearization.logits, scaledBy: margin.gradientFactors(batch.inputs.rows, times: scale))
      return (cotangents, linearization.sums { margin.lossSum(rows: $0) })
    }
    assignTotal(to: gradient)
    centre(gradient)
    wide.assign(widening: parameters)
    decay.add(wide, to: gradient)
    let square = decay.parts.reduce(0) { $0 + $1.rate * wide[$1.range].squaredNorm }
    return ObjectiveValue(loss: loss / Double(rows.count), decay: square / 2)
  }

  /// Makes products those at θ, as an evaluation there does. Local.
  func keepMargins(at parameters: Vector<Scalar>) {
    guard keepsMargins else { return }
    for (number, block) in blocks.ranges(of: rows.count).enumerated() {
      let batch = phases.measure(.data) { rows.gather(blocks.own(of: block), block.count) }
      _ = linearize(batch, block: number, at: parameters)
    }
  }

  /// image ← H(θ)·v (P), at the θ of the last evaluation. One pass. Collective.
  func multiply(_ v: Vector<Double>, at parameters: Vector<Scalar>, into image: Vector<Double>) throws {
    tangent.assign(rounding: v)
    _ = try pass { index, batch in
      let margin = linearizeAgain(batch, block: index, at: parameters)
      let tangents = phases.measure(.jvp) { linearization.jvp(tangent) }
      phases.measure(.forward) {
        margin.applyFullCurvature(
          to: tangents, cotangents: linearization.logits, targets: batch.targets, batchSize: rows.count)
      }
      return (tangents, linearization.sums { _ in 0 })
    }
    assignTotal(to: image)
    centre(image)
    decay.add(v, to: image)
  }

  /// Linearises the rows of a block, and computes their margins.
  private func linearize(
    _ batch: Batch<Scalar>, block: Int, at parameters: Vector<Scalar>
  ) -> SoftmaxMargin<Scalar> {
    phases.measure(.forward) {
      let own = margins[keepsMargins ? block : 0]
      linearization.linearize(
        at: parameters, on: batch.inputs, batchSize: batch.globalSize, logits: own.logits[rows: 0..<batch.inputs.rows],
        prepared: prepared[block])
      keepInputs(of: block)
      var margin = own.margin
      margin.weights = batch.weights
      margin.assign(replacing: linearization.logits, targets: batch.targets, parts: linearization.parts.all)
      return margin
    }
  }

  /// Linearises the rows of a block as the last evaluation did.
  private func linearizeAgain(
    _ batch: Batch<Scalar>, block: Int, at parameters: Vector<Scalar>
  ) -> SoftmaxMargin<Scalar> {
    guard keepsMargins else { return linearize(batch, block: block, at: parameters) }
    let own = margins[block]
    linearization.place(
      at: parameters, on: batch.inputs, batchSize: batch.globalSize, logits: own.logits[rows: 0..<batch.inputs.rows],
      prepared: prepared[block])
    keepInputs(of: block)
    var margin = own.margin
    margin.weights = batch.weights
    return margin
  }

  /// Keeps what a block of sparse rows is sorted into, which takes as long as a product, while there is room.
  private func keepInputs(of block: Int) {
    guard network.takesSparseInputs, prepared[block] == nil else { return }
    let inputs = linearization.partInputs
    let count = inputs.reduce(0) { $0 + $1.entryCount }
    guard count <= preparedRoom else { return }
    preparedRoom -= count
    prepared[block] = inputs
  }

  /// total ← the sum over all rows of Jᵀ of the cotangents that `cotangents` gives for the rows of a block, which it
  /// linearises; returns the sum of the losses that it gives for each part. Collective.
  func pass(
    _ cotangents: (_ block: Int, Batch<Scalar>) throws -> (Matrix<Scalar>, [Double])
  ) throws -> Double {
    passes += 1
    for sum in sums { sum.fill(0) }
    sums[0][P + 1] = wishesToStop() ? 1 : 0
    for (number, block) in blocks.ranges(of: rows.count).enumerated() {
      let batch = phases.measure(.data) { rows.gather(blocks.own(of: block), block.count) }
      let (cotangents, losses) = try cotangents(number, batch)
      phases.measure(.vjp) {
        linearization.vjp(.logits(cotangents), into: gradients)
        linearization.parts.forEach { index, _ in
          sums[index][0..<P].add(gradients[index])
          sums[index][P] += losses[index]
        }
      }
    }
    try phases.measure(.communication) {
      try total.withElements { elements in
        if blocks.isReproducible {
          return try communicator.orderedSum(elements) { total.add(sums, in: $0) }
        }
        total.fill(0)
        total.add(sums, in: 0..<total.count)
        try communicator.allreduce(elements)
      }
    }
    if total[P + 1] > 0 { isInterrupted = true }
    return total[P]
  }

  /// result ← the sum of the last pass (P).
  func assignTotal(to result: Vector<Double>) { result.assign(total[0..<P]) }

  /// Removes what rounding leaves of the mean over the classes, which is zero for the loss of a linear head: logits that
  /// are all moved alike change nothing.
  private func centre(_ vector: Vector<Double>) {
    guard network.hasSingleLayer else { return }
    forEachClassMean(of: vector) { _, _ in 0 }
  }

  /// Replaces the mean over the classes of each input's weights, and of the biases if there are any, of a linear head by
  /// what `body` makes of it. Its arguments are the number of the input, or d for the biases, and the mean.
  func forEachClassMean(of vector: Vector<Double>, _ body: (Int, Double) -> Double) {
    let (d, C) = (network.inputCount, network.outputCount)
    let head = network.connections[0]
    vector.withElements { x in
      func replace(_ input: Int, _ start: Int, _ stride: Int) {
        var mean = 0.0
        for c in 0..<C { mean += x[start + c * stride] }
        mean /= Double(C)
        let change = body(input, mean) - mean
        for c in 0..<C { x[start + c * stride] += change }
      }
      for j in 0..<d { replace(j, head.isTransposed ? j * C : j, head.isTransposed ? 1 : d) }
      if head.hasBias { replace(d, C * d, 1) }
    }
  }
}

/// What is known of the rows of a block at θ: v (#b × C), and their margins.
private struct BlockMargins<Scalar: DistributedScalar> {
  let logits: Matrix<Scalar>
  let margin: SoftmaxMargin<Scalar>

  init(_ network: Network, capacity: Int) {
    logits = Matrix(zeros: capacity, network.outputCount)
    margin = SoftmaxMargin(capacity: capacity)
  }
}

extension RowBlocks {
  /// The values of sparse rows that are kept as products take them, at most: some 200 MB.
  static var keptValues: Int { 1 << 23 }

  /// Whether the margins of all blocks are kept between passes, which saves a linear head the forward pass of each product:
  /// up to 256 MB in float32.
  func keepsMargins(_ network: Network, rows: Int) -> Bool {
    network.hasSingleLayer && marginCount(network, rows: rows) <= 1 << 26
  }

  /// Numbers of the margins of this rank's rows.
  private func marginCount(_ network: Network, rows: Int) -> Int {
    (rows / partition.ranks + capacity) * (network.outputCount + SoftmaxMargin<Float>.vectorCount)
  }

  /// Numbers of the margins that are kept.
  func keptCount(_ network: Network, rows: Int) -> Int {
    marginCount(network, rows: keepsMargins(network, rows: rows) ? rows : 0)
  }
}
