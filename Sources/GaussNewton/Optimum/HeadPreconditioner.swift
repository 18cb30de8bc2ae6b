import LinearAlgebra
import MPI
import Networks

/// The blocks of H that belong to one class each, for a linear head on dense inputs: M = diag over c of A_c = (1/m) Σ ω
/// π_c(1−π_c) [x|1][x|1]ᵀ + μD, from m of the rows; [x|1] is x where the head has no biases.
///
/// What is alike for all classes is split off: there H is μD alone, whose inverse is exact, while A_c would be far from it.
final class HeadPreconditioner<Scalar: DistributedScalar>: Preconditioner {
  private let objective: FullObjective<Scalar>
  private let forward: ForwardPass<Scalar>
  private let layer: Connection
  /// The lower triangles of A_c, and then their factors; A_c itself without its diagonal above it (C·D × D, D = d + 1, or d
  /// without biases).
  private let factors: Matrix<Scalar>
  /// The diagonals of A_c (C × D).
  private let diagonals: Matrix<Scalar>
  /// ω π(1−π) of rows (rows × C), and [x|1] of them, as it is and scaled for each thread.
  private let curvatures: Matrix<Scalar>
  private let extended: Matrix<Scalar>
  private let scaled: [Matrix<Scalar>]
  /// A residual of each class (C × D).
  private let work: Matrix<Scalar>
  /// μD of a class's parameters.
  private let decay: [Double]

  private var D: Int { layer.columns }
  private var C: Int { layer.outputs }

  /// nil where the objective is not that of a linear head on dense inputs, or the blocks take too much memory.
  init?(_ objective: FullObjective<Scalar>) {
    let network = objective.network
    guard Self.isSuited(to: network) else { return nil }
    self.objective = objective
    layer = network.body.connections[0]
    let (D, C) = (layer.columns, layer.outputs)
    forward = ForwardPass(network, capacity: RowBlocks.sampleChunk)
    factors = Matrix(zeros: C * D, D)
    diagonals = Matrix(zeros: C, D)
    curvatures = Matrix(zeros: RowBlocks.sampleChunk, C)
    extended = Matrix(zeros: RowBlocks.sampleChunk, D)
    scaled = (0..<Threads.count).map { _ in Matrix(zeros: RowBlocks.sampleChunk, D) }
    work = Matrix(zeros: C, D)
    let parts = objective.decay.parts
    func rate(_ index: Int) -> Double { parts.first { $0.range.contains(index) }!.rate }
    decay = (0..<D).map { [layer] in rate($0 < layer.inputs ? 0 : layer.inputs * C) }
  }

  static func isSuited(to network: Network) -> Bool {
    let connections = network.body.connections
    guard network.hasSingleLayer, connections.count == 1, let head = connections.first else { return false }
    return OptimumOptions.hasClassBlocks(columns: head.columns, outputs: head.outputs)
  }

  /// The rows that the blocks are made from: all, or so many evenly spaced ones that the blocks are like those of all. Where the
  /// system is solved roughly, a third of them saves more than it costs in iterations.
  private func sample(forcing: Double) -> [Int] {
    let n = objective.rows.count
    let count = min(n, max(4096, (forcing > 0.1 ? 4 : 12) * D))
    return (0..<count).map { $0 * n / count }
  }

  /// Takes the blocks at θ for a system that is solved to `forcing`. Each rank makes those of its share of the classes from rows
  /// of all ranks, so that no bit depends on the number of ranks. One allgather. Collective.
  func update(at parameters: Vector<Scalar>, forcing: Double) throws {
    let communicator = objective.communicator
    let shares = (0..<communicator.size).map { (0..<C).part($0, of: communicator.size) }
    let own = shares[communicator.rank]
    objective.phases.measure(.metric) {
      let sample = sample(forcing: forcing)
      for start in stride(from: 0, to: sample.count, by: RowBlocks.sampleChunk) {
        let rows = Array(sample[start..<min(start + RowBlocks.sampleChunk, sample.count)])
        let batch = objective.rows.gather(rows, rows.count)
        add(batch, at: parameters, classes: own, scale: 1 / Scalar(sample.count), isFirst: start == 0)
      }
      Threads.share(own.count) { index, _ in factorize(own.lowerBound + index) }
    }
    try objective.phases.measure(.communication) {
      try factors.elements.withElements {
        try communicator.allgather(into: $0, counts: shares.map { $0.count * D * D })
      }
    }
  }

  /// Adds the moments of some rows to the blocks of some classes.
  private func add(
    _ batch: Batch<Scalar>, at parameters: Vector<Scalar>, classes: Range<Int>, scale: Scalar, isFirst: Bool
  ) {
    let rows = 0..<batch.inputs.rows
    guard case .dense(let inputs) = batch.inputs else { preconditionFailure("the head takes dense inputs") }
    let logits = forward(parameters, batch.inputs)
    let (curvatures, extended) = (curvatures[rows: rows], extended[rows: rows])
    curvatures.assignCurvatures(of: logits, weights: batch.weights, scale: 1)
    let ones = Vector<Scalar>(zeros: rows.count)
    ones.fill(1)
    extended.assign(inputs, lastColumn: layer.hasBias ? ones : nil)
    Threads.share(classes.count) { index, thread in
      let c = classes.lowerBound + index
      let rowsOfClass = scaled[thread][rows: rows]
      let factors = Vector<Scalar>(zeros: rows.count)
      factors.assignRoots(ofColumn: c, of: curvatures)
      rowsOfClass.assignRows(of: extended, scaledBy: factors)
      block(c).assignSymmetricProduct(rowsOfClass, .yes, alpha: scale, beta: isFirst ? 0 : 1)
    }
  }

  private func block(_ c: Int) -> Matrix<Scalar> { factors[rows: c * D..<(c + 1) * D] }

  /// A_c ← its factor. Where rounding has spoilt a pivot the diagonal grows until there is one.
  private func factorize(_ c: Int) {
    let block = block(c)
    block.copyLowerTriangleAbove(diagonal: diagonals[row: c])
    var growth = Scalar.self == Float.self ? 1e-6 : 1e-13
    while growth < 1 {
      for j in 0..<D {
        let value = Double(diagonals[c, j]) * (1 + growth) + decay[j]
        block[j, j] = value > 0 ? Scalar(value) : 1
      }
      if block.factorizeCholesky() { return }
      block.restoreLowerTriangle()
      growth *= 10
    }
    block.elements.fill(0)
    for j in 0..<D { block[j, j] = max(Scalar.leastNormalMagnitude, diagonals[c, j] + Scalar(decay[j])).squareRoot() }
  }

  func apply(_ r: Vector<Double>, into z: Vector<Double>) {
    objective.phases.measure(.metric) {
      let (d, C, D, hasBias) = (layer.inputs, C, D, layer.hasBias)
      z.assign(r)
      // What is alike for all classes, divided by μD below; nothing where that is zero.
      var means = [Double](repeating: 0, count: D)
      objective.forEachClassMean(of: z) { input, mean in
        means[input] = mean
        return 0
      }
      Threads.forEach(C) { c in
        let row = work[row: c]
        row[0..<d].assign(rounding: z[c * d..<(c + 1) * d])
        if hasBias { row[d] = Scalar(z[C * d + c]) }
        block(c).solveWithFactor(row)
        z[c * d..<(c + 1) * d].assign(widening: row[0..<d])
        if hasBias { z[C * d + c] = Double(row[d]) }
      }
      objective.forEachClassMean(of: z) { input, _ in decay[input] > 0 ? means[input] / decay[input] : 0 }
    }
  }
}

extension Matrix {
  /// The upper triangle ← the lower one, and `diagonal` ← the diagonal.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func copyLowerTriangleAbove(diagonal: Vector<Scalar>) {
    let n = columns
    elements.withElements { a in
      diagonal.withElements { diagonal in
        for i in 0..<n {
          diagonal[i] = a[i * n + i]
          for j in 0..<i { a[j * n + i] = a[i * n + j] }
        }
      }
    }
  }

  /// The lower triangle ← the upper one.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func restoreLowerTriangle() {
    let n = columns
    elements.withElements { a in
      for i in 0..<n {
        for j in 0..<i { a[i * n + j] = a[j * n + i] }
      }
    }
  }

  /// b ← (LLᵀ)⁻¹b with L from `factorizeCholesky`. In the calling thread.
  fileprivate func solveWithFactor(_ b: Vector<Scalar>) {
    elements.withElements { l in
      b.withElements { b in
        for op in [Transpose.no, .yes] {
          Scalar.trsv(.lower, op, n: Int32(rows), a: l.baseAddress!, lda: Int32(columns), x: b.baseAddress!)
        }
      }
    }
  }
}

extension Vector {
  /// self ← the roots of a column of a matrix.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func assignRoots(ofColumn column: Int, of matrix: Matrix<Scalar>) {
    let stride = matrix.columns
    withElements { x in
      matrix.elements.withElements { a in
        for i in x.indices { x[i] = a[i * stride + column].squareRoot() }
      }
    }
  }
}
