import LinearAlgebra

/// R of a head whose classes ranks share out, for all rows of a batch: R u is a sum over the ranks, and Rᵀr is local. On layers
/// whose rows ranks share out, R u has their part of each row from its owner, and Rᵀr is a sum over the ranks for them.
struct ClassRows<Scalar: DistributedScalar>: RowOperator {
  /// The rows with this rank's classes alone, whose products are terms of those with all.
  let own: ShardedRows<Scalar>
  let classes: ClassShards
  /// The layers below the head; nil where there are none.
  let trunk: Trunk<Scalar>?

  var image: Vector<Scalar> { own.image }

  func apply(_ u: Vector<Scalar>, into rows: Vector<Scalar>) throws {
    own.apply(trunk?.split(u).head ?? u, into: rows)
    trunk?.addProduct(u, to: rows)
    try classes.sum(rows)
  }

  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> [Double] { own.dot(x, y) }

  func applyTransposed(_ r: Vector<Scalar>, with terms: RowTerms) throws -> RowSums {
    try own.applyTransposed(r, with: terms)
  }
}

/// K = RM⁻¹Rᵀ of such a head, without the matrix. A product takes one allreduce of B numbers, between groups of ranks
/// one of the parameters and a gather of B numbers, and the vectors of all rows are the same on all ranks.
struct ClassKernel<Scalar: DistributedScalar>: KernelOperator {
  let rows: ClassRows<Scalar>
  let exchange: RowExchange
  let metric: Metric<Scalar>

  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> Double { x.dot(y) }

  func multiply(
    _ v: Vector<Scalar>, into y: Vector<Scalar>, with shares: RowShares
  ) throws -> (curvature: Double, sums: RowSums) {
    let own = exchange.rows.own
    _ = try rows.applyTransposed(v[own], with: [])
    metric.divide(rows.image, 0..<rows.image.count)
    try rows.apply(rows.image, into: y[own])
    try exchange.complete(rows: y)
    let numbers = try rows.classes.agreed([v.dot(y)] + shares.map { $0.own })
    return (numbers[0], RowSums(shares.map { $0.name }, Array(numbers[1...])))
  }
}
