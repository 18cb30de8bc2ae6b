import LinearAlgebra

// What a step needs of the world: where rows and parameters are is known to the implementations alone. A step is the same
// whether ranks share out the rows and have all parameters each, or parameters are shared out and rows are known to all.

/// R of a linearised batch, one row per example, by its products; or RL⁻ᵀ in a metric M = LLᵀ.
package protocol RowOperator<Scalar> {
  associatedtype Scalar: DistributedScalar

  /// Where `applyTransposed` leaves its result, in the space of the parameters; until the next sum.
  var image: Vector<Scalar> { get }

  /// rows ← R u, for u in the space of the parameters; of this rank's rows. Collective where parameters are shared out.
  func apply(_ u: Vector<Scalar>, into rows: Vector<Scalar>) throws

  /// What each part of this rank's rows adds to xᵀy, for x and y in the row space; for `applyTransposed`. Local.
  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> [Double]

  /// image ← Rᵀr, for r in the row space. Returns the sums of the terms over all rows, which travel with it. Collective.
  func applyTransposed(_ r: Vector<Scalar>, with terms: RowTerms) throws -> RowSums
}

/// K = RM⁻¹Rᵀ of all rows (B × B), by its products.
protocol KernelOperator<Scalar> {
  associatedtype Scalar: DistributedScalar

  /// This rank's share of xᵀy, for vectors of all rows on all ranks (B); for `multiply`. Local.
  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> Double

  /// y ← Kv, for vectors of all rows on all ranks (B). Returns vᵀKv, and the sums of the ranks' shares of other inner products.
  /// Collective.
  func multiply(
    _ v: Vector<Scalar>, into y: Vector<Scalar>, with shares: RowShares
  ) throws -> (curvature: Double, sums: RowSums)
}

extension KernelOperator {
  /// The same without other vectors.
  @discardableResult
  func multiply(_ v: Vector<Scalar>, into y: Vector<Scalar>) throws -> Double {
    try multiply(v, into: y, with: []).curvature
  }
}

/// The space of the parameters, whose vectors have P numbers over all ranks, or on each.
package protocol ParameterSpace {
  /// Numbers that are linear in inner products over all parameters, given those over the parameters of this rank: the same on
  /// all ranks, which may branch on them. Collective.
  func totals<Numbers: NumberCoded>(_ own: Numbers) throws -> Numbers

  /// Whether several ranks have the same parameters, and compute with them each for itself.
  var isReplicated: Bool { get }

  /// Makes what every rank has computed for itself one rank's word for all that have the same parameters. Collective.
  func unify<Scalar: DistributedScalar>(_ vector: Vector<Scalar>) throws
}
