import LinearAlgebra

// The view that a step has of the world. Only implementations know where rows and parameters are. A step is the same
// whether ranks shard the rows and replicate the parameters, or shard the parameters and know all rows.

/// R of a linearised batch, one row per example, through its products; or RL⁻ᵀ in a metric M = LLᵀ.
package protocol RowOperator<Scalar> {
  associatedtype Scalar: DistributedScalar

  /// The result of `applyTransposed`, in the parameter space; valid until the next sum.
  var image: Vector<Scalar> { get }

  /// rows ← R u for this rank's rows, with u in the parameter space. Collective where parameters are sharded.
  func apply(_ u: Vector<Scalar>, into rows: Vector<Scalar>) throws

  /// The contribution of each part of this rank's rows to xᵀy, with x and y in the row space; a term for
  /// `applyTransposed`. Local.
  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> [Double]

  /// image ← Rᵀr, with r in the row space. Returns the sums of the terms over all rows, which travel with it.
  /// Collective.
  func applyTransposed(_ r: Vector<Scalar>, with terms: RowTerms) throws -> RowSums
}

/// K = RM⁻¹Rᵀ of all rows (B × B), through its products.
protocol KernelOperator<Scalar> {
  associatedtype Scalar: DistributedScalar

  /// This rank's share of xᵀy, for vectors of all rows on all ranks (B); a term for `multiply`. Local.
  func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> Double

  /// y ← Kv, for vectors of all rows on all ranks (B). Returns vᵀKv, and the sums of the ranks' shares of other inner
  /// products. Collective.
  func multiply(
    _ v: Vector<Scalar>, into y: Vector<Scalar>, with shares: RowShares
  ) throws -> (curvature: Double, sums: RowSums)
}

extension KernelOperator {
  /// y ← Kv without further inner products; returns vᵀKv. Collective.
  @discardableResult
  func multiply(_ v: Vector<Scalar>, into y: Vector<Scalar>) throws -> Double {
    try multiply(v, into: y, with: []).curvature
  }
}

/// The parameter space. Its vectors have P numbers in all, sharded over the ranks or replicated on each.
package protocol ParameterSpace {
  /// Turns numbers that are linear in inner products over this rank's parameters into the numbers for all parameters.
  /// The results are the same on all ranks, which may branch on them. Collective.
  func totals<Numbers: NumberCoded>(_ own: Numbers) throws -> Numbers

  /// Consecutive parts of `count` parameters of this rank, and whether they count in its sums: those that several ranks hold
  /// among others that are sharded count on one.
  func parts(of count: Int) -> [(range: Range<Int>, counts: Bool)]

  /// Whether several ranks hold the same parameters, and each computes with them on its own.
  var isReplicated: Bool { get }

  /// Whether any rank wishes to stop, given the sum of the wishes of this rank's rows. Collective where ranks have the same
  /// rows.
  func isWished(_ sum: Double) throws -> Bool

  /// Makes a vector that ranks have computed on their own equal on all ranks with the same parameters. Collective.
  func unify<Scalar: DistributedScalar>(_ vector: Vector<Scalar>) throws
}

extension ParameterSpace {
  package func parts(of count: Int) -> [(range: Range<Int>, counts: Bool)] { [(0..<count, true)] }

  /// The sum over `count` parameters of this rank, given those of ranges of them; a term for `totals`. Local.
  func sum(_ count: Int, _ body: (Range<Int>) -> Double) -> Double {
    parts(of: count).reduce(0) { sum, part in
      let own = body(part.range)
      return part.counts ? sum + own : sum
    }
  }
}
