import LinearAlgebra
import MPI
import Networks

/// The blocks of H that belong to one class each, for a linear head on dense inputs: M = diag over c of A_c = (1/m) Σ ω
/// π_c(1−π_c) [x|1][x|1]ᵀ + μD, from m of the rows; [x|1] is x where the head has no biases.
///
/// Of the m rows a class takes those that count for it, `CurvatureSample`. What is alike for all classes is split off: there H is
/// μD alone, whose inverse is exact, while A_c would be far from it.
final class HeadPreconditioner<Scalar: DistributedScalar>: Preconditioner {
  private let objective: FullObjective<Scalar>
  private let forward: ForwardPass<Scalar>
  private let layer: Connection
  /// The lower triangles of A_c, and then their factors; A_c itself without its diagonal above it (C·D × D, D = d + 1, or d
  /// without biases).
  private let factors: Matrix<Scalar>
  /// The diagonals of A_c (C × D).
  private let diagonals: Matrix<Scalar>
  /// ω π(1−π) of a chunk of rows (rows × C), and [x|1] of them (rows × D).
  private let curvatures: Matrix<Scalar>
  private let extended: Matrix<Scalar>
  /// Rows of a class, scaled, for each thread (rowsOfProduct × D).
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
    let chunk = RowBlocks.sampleChunk(network)
    forward = ForwardPass(network, capacity: chunk)
    factors = Matrix(zeros: C * D, D)
    diagonals = Matrix(zeros: C, D)
    curvatures = Matrix(zeros: chunk, C)
    extended = Matrix(zeros: chunk, D)
    scaled = (0..<Threads.count).map { _ in Matrix(zeros: Self.rowsOfProduct, D) }
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

  /// The rows of a class that are multiplied at once.
  static var rowsOfProduct: Int { 256 }

  /// The rows that the classes take theirs from: all, or evenly spaced ones, so many that each class finds its own among them.
  private var candidates: [Int] {
    let n = objective.rows.count
    let count = min(n, max(4096, 12 * D, 32 * C))
    return (0..<count).map { $0 * n / count }
  }

  /// Takes the blocks at θ for a system that is solved to `forcing`. Each rank makes those of its share of the classes from rows
  /// of all ranks, so that no bit depends on the number of ranks. One allgather. Collective.
  func update(at parameters: Vector<Scalar>, forcing: Double) throws {
    let communicator = objective.communicator
    let shares = (0..<communicator.size).map { (0..<C).part($0, of: communicator.size) }
    let own = shares[communicator.rank]
    objective.phases.measure(.metric) {
      let rows = candidates
      // Where the system is solved roughly, a third of the rows saves more than it costs in iterations.
      let sample = CurvatureSample<Scalar>(classes: own, rowCount: rows.count, perClass: (forcing > 0.1 ? 4 : 12) * D)
      let chunks = stride(from: 0, to: rows.count, by: curvatures.rows).map {
        Array(rows[$0..<min($0 + curvatures.rows, rows.count)])
      }
      if !sample.takesAll { for chunk in chunks { sample.add(curvatures(of: chunk, at: parameters)) } }
      for (number, chunk) in chunks.enumerated() {
        let isKnown = chunks.count == 1 && !sample.takesAll
        let weights = isKnown ? curvatures[rows: 0..<chunk.count] : curvatures(of: chunk, at: parameters)
        add(sample.take(weights), of: sample.classes, isFirst: number == 0)
      }
      Threads.share(own.count) { index, _ in factorize(own.lowerBound + index) }
    }
    try objective.phases.measure(.communication) {
      try factors.elements.withElements {
        try communicator.allgather(into: $0, counts: shares.map { $0.count * D * D })
      }
    }
  }

  /// ω π(1−π) of some rows (rows × C); extended ← [x|1] of them.
  private func curvatures(of rows: [Int], at parameters: Vector<Scalar>) -> Matrix<Scalar> {
    let batch = objective.rows.gather(rows, rows.count)
    guard case .dense(let inputs) = batch.inputs else { preconditionFailure("the head takes dense inputs") }
    let result = curvatures[rows: 0..<rows.count]
    result.assignCurvatures(of: forward(parameters, batch.inputs), weights: batch.weights, scale: 1)
    let ones = Vector<Scalar>(zeros: rows.count)
    ones.fill(1)
    extended[rows: 0..<rows.count].assign(inputs, lastColumn: layer.hasBias ? ones : nil)
    return result
  }

  /// Adds the rows of a chunk that each of some classes takes to their blocks.
  private func add(_ taken: [CurvatureSample<Scalar>.Rows], of classes: Range<Int>, isFirst: Bool) {
    Threads.share(classes.count) { index, thread in
      let block = block(classes.lowerBound + index)
      let rows = taken[index]
      for start in stride(from: 0, to: max(1, rows.numbers.count), by: Self.rowsOfProduct) {
        let range = start..<min(start + Self.rowsOfProduct, rows.numbers.count)
        let scaled = scaled[thread][rows: 0..<range.count]
        scaled.assign(rows.numbers[range], of: extended, scaledBy: rows.factors[range])
        block.assignSymmetricProduct(scaled, .yes, alpha: 1, beta: isFirst && start == 0 ? 0 : 1)
      }
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
  /// Each row of self ← a row of `source` times its factor.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func assign(_ rows: ArraySlice<Int>, of source: Matrix, scaledBy factors: ArraySlice<Scalar>) {
    elements.withElements { target in
      source.elements.withElements { source in
        for (i, (row, factor)) in zip(rows, factors).enumerated() {
          UnsafeMutableBufferPointer(rebasing: target[i * columns..<(i + 1) * columns])
            .assignScaled(factor, UnsafeMutableBufferPointer(rebasing: source[row * columns..<(row + 1) * columns]))
        }
      }
    }
  }
}
