import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

/// R with sharded parameters, where all ranks know all rows: R u is a sum over the ranks, and Rᵀr is local.
private struct ShardedColumns: RowOperator {
  /// This rank's columns (B × #p).
  let columns: Matrix<Double>
  let image: Vector<Double>
  let communicator: Communicator

  func apply(_ u: Vector<Double>, into rows: Vector<Double>) throws {
    for i in 0..<rows.count { rows[i] = columns[row: i].dot(u) }
    try rows.withElements { try communicator.allreduce($0) }
  }

  func dot(_ x: Vector<Double>, _ y: Vector<Double>) -> [Double] { [x.dot(y)] }

  func applyTransposed(_ r: Vector<Double>, with terms: RowTerms) throws -> RowSums {
    image.fill(0)
    for i in 0..<r.count { image.combine(r[i], columns[row: i]) }
    return RowSums(terms.map { $0.name }, terms.map { $0.ofParts[0] })
  }
}

@Suite(.serialized) struct PlacementCollectiveTests {
  /// Rᵀ(RRᵀ + λI)⁻¹s by elimination.
  func expectedStep(_ R: [[Double]], _ s: [Double], damping λ: Double) -> [Double] {
    let matrix = R.indices.map { i in R.indices.map { dot(R[i], R[$0]) + (i == $0 ? λ : 0) } }
    let x = solve(matrix, s)
    return R[0].indices.map { column in R.indices.reduce(0) { $0 + R[$1][column] * x[$1] } }
  }

  @Test(arguments: [(rows: 12, parameters: 40), (90, 17)])
  func `Where ranks share out the parameters, a solve finds the dense step`(rows: Int, parameters: Int) throws {
    let communicator = World.communicator
    var samples = Samples(seed: 31)
    let R = (0..<rows).map { _ in samples.normals(parameters) }
    let s = samples.normals(rows)
    let own = evenShard(of: parameters, communicator)
    let columns = Matrix(Vector(R.flatMap { $0[own] }), rows, own.count)
    let placed = ShardedColumns(columns: columns, image: Vector(zeros: own.count), communicator: communicator)
    let space = ShardedParameters(ClassShards(parameters, over: communicator))

    let solver = MatrixFreeSolver<Double>(capacity: rows, parameterCount: own.count, over: space)
    let r = Vector(s)
    let sums = try placed.applyTransposed(r, with: [(.squaredResidual, placed.dot(r, r))])
    let start = MatrixFreeSolver<Double>.Start(
      residual: r, squaredResidual: sums[.squaredResidual],
      reference: try space.totals(placed.image.squaredNorm).squareRoot())
    let step = Vector<Double>(zeros: own.count)
    var options = SolverOptions()
    options.tolerance = 1e-12
    options.maxIterations = 200
    let summary = try solver.solve(placed, start, damping: 0.3, step: step, options: options)

    #expect(summary.termination == .converged && summary.method == .cg)
    let all = try communicator.allgather(step.array)
    #expect(relativeError(all, expectedStep(R, s, damping: 0.3)) < 1e-10)
    // All ranks have taken the same branches.
    #expect(try communicator.allreduce(summary.iterations, .max) == summary.iterations)
  }

  @Test func `Sums are known by their names`() throws {
    let sums = RowSums([.loss, .squaredResidual], [2, 3])
    #expect(sums[.loss] == 2 && sums[.squaredResidual] == 3)
  }
}
