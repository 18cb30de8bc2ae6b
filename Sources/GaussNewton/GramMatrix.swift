import Glibc
import LinearAlgebra
import MPI
import Networks

/// K = RRᵀ of the global batch (B × B, upper triangle), from the margin gradients of all rows.
///
/// A weight and its bias give row i the gradient d_i ⊗ [h_i | 1], with inner products (h_iᵀh_j + 1) d_iᵀd_j, so that
/// AAᵀ is the sum over the layers of (HHᵀ + 1) ∘ (DDᵀ), without approximation; the gradients of other layers are
/// multiplied as they are. In a metric M = S ⊗ A the products are (H̃A⁻¹H̃ᵀ) ∘ (DS⁻¹Dᵀ), H̃ = [H | 1], and K is RM⁻¹Rᵀ.
/// K is AAᵀ with rows and columns times √(w̃/B). The rows h, d (#b of B) of all ranks are gathered layer by layer;
/// every rank forms some rows of K, as many as make its share of the triangle. Then the rows of K are gathered, or stay
/// where they are, and what they add to the product with a vector is summed.
package final class GramMatrix<Scalar: DistributedScalar> {
  private let partition: RowPartition
  private let communicator: Communicator
  private let phases: Phases
  /// Numbers of rows on each rank.
  private(set) var counts: [Int] = []
  /// Whether every rank has all of K.
  private var isGathered = true
  private var storage = Vector<Scalar>(zeros: 0)
  /// What products are formed in, and the rows of a layer from all ranks.
  private var workspace = Vector<Scalar>(zeros: 0)
  private var gathered = [Vector<Scalar>](repeating: Vector(zeros: 0), count: 2)
  /// What was gathered last, of the first layer with parameters, if that is fully connected and wide, and there is no metric.
  private(set) var gatheredLayer: GatheredLayer<Scalar>?

  init(partition: RowPartition, communicator: Communicator, phases: Phases) {
    self.partition = partition
    self.communicator = communicator
    self.phases = phases
  }

  /// B
  var size: Int { counts.reduce(0, +) }

  /// K (B × B), where it has been gathered; below the diagonal it is without meaning.
  var matrix: Matrix<Scalar> {
    precondition(isGathered, "the rows of K are on their ranks")
    return Matrix(storage[0..<size * size], size, size)
  }

  /// The rows of K that this rank multiplies.
  private var multipliedRows: Range<Int> { isGathered ? 0..<size : share(of: communicator.rank) }

  /// The rows of this rank within a vector of all.
  var ownRows: Range<Int> { rows(of: communicator.rank) }

  private func rows(of rank: Int) -> Range<Int> {
    let start = counts[..<rank].reduce(0, +)
    return start..<start + counts[rank]
  }

  /// Rows of K that rank `rank` forms: a share of the triangle. With virtual shards they are those of whole panels, whose
  /// bits do not depend on the rank that forms them.
  private func share(of rank: Int) -> Range<Int> {
    GramPanel.part(
      rank, of: communicator.size, 0..<size, size, unit: partition.isVirtual ? GramPanel.rows : 1)
  }

  /// Takes the numbers of rows on each rank.
  func begin(counts: [Int]) { self.counts = counts }

  /// Where a head leaves its cotangents of this rank's `rows` rows of a batch (#b × C), for the gathering to find them in their
  /// place; nil where it is not known before.
  func ownCotangents(rows: Int, batchSize: Int, columns: Int) -> Matrix<Scalar>? {
    guard communicator.size > 1, !partition.isVirtual, partition.ranks == communicator.size else { return nil }
    let own = partition.rows(of: batchSize)
    precondition(rows == own.count, "the rows are not those of this rank's shard")
    gathered[1].grow(to: batchSize * columns)
    return Matrix(gathered[1][own.lowerBound * columns..<own.upperBound * columns], rows, columns)
  }

  /// gradient ← Σ_i factors_i d_i ⊗ [h_i | 1] over all rows of a gathered layer: weights (out × in), then biases (out). Two
  /// allgathers, of the weights and of the biases. Collective.
  func assignGradient(
    _ gradient: Vector<Scalar>, of layer: GatheredLayer<Scalar>, scaledBy factors: Vector<Scalar>
  ) throws {
    let shares = layer.shares(ranks: communicator.size)
    let (outputs, count) = (shares[communicator.rank], layer.cotangents.columns)
    let weights = Matrix(gradient[0..<layer.weightCount], count, layer.inputs.columns)
    let biases = Matrix(gradient[layer.weightCount..<gradient.count], count, 1)
    phases.measure(.vjp) {
      workspace.grow(to: size * outputs.count)
      let scaled = Matrix(workspace[0..<size * outputs.count], size, outputs.count)
      scaled.assignRows(of: layer.cotangents, columns: outputs, scaledBy: factors)
      weights[rows: outputs].assignProduct(scaled, .yes, layer.inputs, .no)
      biases[rows: outputs].elements.assignColumnSums(scaled)
    }
    try complete(weights, counts: shares.map(\.count))
    try complete(biases, counts: shares.map(\.count))
  }

  /// Forms K from the cotangents v (#b × C) and √(w̃/B) of all rows (B). Collective.
  ///
  /// - Parameter gathers: whether `matrix` is of use. If not, the rows may stay on their ranks; but with virtual shards, where
  ///   the bits of a product would depend on the number of ranks.
  func assign(
    _ linearization: Linearization<Scalar>, cotangents: Matrix<Scalar>, rowFactors: Vector<Scalar>,
    metric: Metric<Scalar>, gathers: Bool
  ) throws {
    let (mine, isAligned) = (share(of: communicator.rank), partition.isVirtual)
    isGathered = gathers || communicator.size == 1 || partition.isVirtual
    let rows = multipliedRows
    storage.grow(to: rows.count * size)
    let all = Matrix(storage[0..<rows.count * size], rows.count, size)
    let block = all[rows: mine.lowerBound - rows.lowerBound..<mine.upperBound - rows.lowerBound]
    var isFirst = true
    var layer = metric.layerCount
    try phases.measure(.gram) {
      try linearization.rowGradients(cotangents, keepsCotangents: true) { gradients in
        let beta: Scalar = isFirst ? 0 : 1
        isFirst = false
        gatheredLayer = nil
        switch gradients {
        case .products(let inputs, let cotangents):
          workspace.grow(to: GramPanel.scratchCount(positions: 1))
          guard metric.isActive else {
            let (x, y) = (try gather(inputs, 0), try gather(cotangents, 1))
            if !isAligned, OutputShares.areWorthwhile(y.columns, ranks: communicator.size) {
              gatheredLayer = GatheredLayer(inputs: x, cotangents: y)
            }
            return block.assignGramProducts(
              mine, x, y, shift: 1, beta: beta, isAligned: isAligned, scratch: workspace)
          }
          layer -= 1
          // Rows in a metric hold the bias's 1 as one of their inputs.
          let (x, y) = (try gather(metric.extended(inputs), 0), try gather(cotangents, 1))
          let divided = phases.measure(.metric) {
            metric.divide(layer, ownInputs: x[rows: ownRows], ownCotangents: y[rows: ownRows])
            return mine == ownRows && !isAligned
              ? metric.dividedRows(layer) : metric.divided(layer, inputs: x[rows: mine], cotangents: y[rows: mine])
          }
          block.assignGramProducts(
            mine, x, y, divided: divided, shift: 0, beta: beta, isAligned: isAligned, scratch: workspace)
        case .sparseProducts(let inputs, let cotangents):
          workspace.grow(to: GramPanel.scratchCount(positions: 1))
          block.assignGramProducts(
            mine, try gather(inputs), try gather(cotangents, 1), shift: 1, beta: beta, isAligned: isAligned,
            scratch: workspace)
        case .positionProducts(let inputs, let cotangents, let positions):
          workspace.grow(to: GramPanel.scratchCount(positions: positions))
          block.assignGramProducts(
            mine, try gather(inputs, 0, positions), try gather(cotangents, 1, positions), positions: positions,
            shift: 1, beta: beta, isAligned: isAligned, scratch: workspace)
        case .rows(let rows):
          block.assignGramRows(mine, of: try gather(rows, 0), beta: beta, isAligned: isAligned)
        }
      }
      block.scaleGramRows(mine, by: rowFactors)
    }
    if isGathered { try complete(all, counts: (0..<communicator.size).map { share(of: $0).count }) }
  }

  /// y ← Kv (B), given v on all ranks; and vᵀKv, and the inner products of the pairs of other vectors (B). One allreduce of
  /// B + 1 numbers of 8 bytes and one more a pair, which makes the scalars the same on all ranks, unless K has been gathered.
  /// Collective.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  @discardableResult
  func multiply(
    _ v: Vector<Scalar>, into y: Vector<Scalar>, dots pairs: [(Vector<Scalar>, Vector<Scalar>)] = []
  ) throws -> (curvature: Double, dots: [Double]) {
    let rows = multipliedRows
    y.assignSymmetricProduct(Matrix(storage[0..<rows.count * size], rows.count, size), rows: rows, v)
    let own = [v.dot(y)] + pairs.map { $0[rows].dot($1[rows]) }
    if isGathered { return (own[0], Array(own.dropFirst())) }
    return try phases.measure(.communication) {
      let count = size
      var sums = [Double](unsafeUninitializedCapacity: count + own.count) { sums, initialized in
        for i in 0..<count { sums.initializeElement(at: i, to: Double(y[i])) }
        for (index, sum) in own.enumerated() { sums.initializeElement(at: count + index, to: sum) }
        initialized = count + own.count
      }
      try sums.withUnsafeMutableBufferPointer { try communicator.allreduce($0) }
      for i in 0..<count { y[i] = Scalar(sums[i]) }
      return (sums[count], Array(sums[(count + 1)...]))
    }
  }

  /// Vectors of all rows (B each), of which `own` are this rank's parts (#b each). Collective.
  func gather(_ own: [Vector<Scalar>]) throws -> [Vector<Scalar>] {
    let count = own.count
    let all = Vector<Scalar>(zeros: count * size)
    /// Part `index` of a rank's numbers: all of a vector are together.
    func part(_ index: Int, _ rows: Range<Int>) -> Vector<Scalar> {
      let start = count * rows.lowerBound + index * rows.count
      return all[start..<start + rows.count]
    }
    for (index, vector) in own.enumerated() { part(index, ownRows).assign(vector) }
    try complete(Matrix(all, size, count), counts: counts)
    if communicator.size == 1 { return own.indices.map { part($0, 0..<size) } }
    let result = own.map { _ in Vector<Scalar>(zeros: size) }
    for rank in 0..<communicator.size {
      for (index, vector) in result.enumerated() { vector[rows(of: rank)].assign(part(index, rows(of: rank))) }
    }
    return result
  }

  /// The rows of all ranks (BT × n, T positions a row), given the parts of this rank's, until the next call with the same
  /// `place`. Collective.
  private func gather(_ parts: [Matrix<Scalar>], _ place: Int, _ positions: Int = 1) throws -> Matrix<Scalar> {
    if communicator.size == 1, parts.count == 1 { return parts[0] }
    let columns = parts[0].columns
    let count = positions * columns
    gathered[place].grow(to: size * count)
    let all = Matrix(gathered[place][0..<size * count], size, count)
    var row = ownRows.lowerBound
    for part in parts {
      let rows = row..<row + part.rows / positions
      let own = all[rows: rows].elements
      if !own.isSame(as: part.elements) { own.assign(part.elements) }
      row = rows.upperBound
    }
    if communicator.size > 1 { try complete(all, counts: counts) }
    return Matrix(all.elements, size * positions, columns)
  }

  /// The sparse rows of all ranks (B × d), given the parts of this rank's. Three allgathers: of the numbers of entries in
  /// the rows, of their columns, and of their values, of 4, 4 and w bytes each, 4B + (4 + w) · entries in all, where dense
  /// rows would be wBd. Collective.
  private func gather(_ parts: [CSRMatrix<Scalar>]) throws -> CSRMatrix<Scalar> {
    if communicator.size == 1, parts.count == 1 { return parts[0] }
    let own = CSRMatrix(joining: parts)
    if communicator.size == 1 { return own.sorted() }
    return try phases.measure(.communication) {
      let rowCounts = try communicator.allgather(own.rowCounts, counts: counts)
      var rowStarts = [0]
      for count in rowCounts { rowStarts.append(rowStarts.last! + Int(count)) }
      func entries(of rows: Range<Int>) -> Range<Int> { rowStarts[rows.lowerBound]..<rowStarts[rows.upperBound] }
      let entryCounts = (0..<communicator.size).map { entries(of: rows(of: $0)).count }
      let entryColumns = try communicator.allgather(Array(own.entryColumns), counts: entryCounts)
      let values = Vector<Scalar>(zeros: entryColumns.count)
      values[entries(of: ownRows)].assign(own.values)
      try values.withElements { try communicator.allgather(into: $0, counts: entryCounts) }
      return CSRMatrix(rowStarts: rowStarts, entryColumns: entryColumns, values: values, columns: own.columns)
    }.sorted()
  }

  /// Fills in the rows of the other ranks, of which each has `counts`. Collective.
  func complete(_ rows: Matrix<Scalar>, counts: [Int]) throws {
    try phases.measure(.communication) {
      try rows.elements.withElements {
        try communicator.allgather(into: $0, counts: counts.map { $0 * rows.columns })
      }
    }
  }
}
