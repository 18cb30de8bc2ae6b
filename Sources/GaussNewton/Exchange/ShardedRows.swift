import LinearAlgebra
import Networks

/// R with sharded rows and replicated parameters: R u is local, and Rᵀr is a sum over the ranks.
package struct ShardedRows<Scalar: DistributedScalar>: RowOperator {
  private let rowSpace: RowSpace<Scalar>
  private let message: Message<Scalar>
  private let phases: Phases
  /// The metric of RL⁻ᵀ; nil for R itself.
  private let metric: Metric<Scalar>?
  /// L⁻ᵀu (P)
  private let unwhitened: Vector<Scalar>

  package init(_ rowSpace: RowSpace<Scalar>, _ message: Message<Scalar>, phases: Phases) {
    self.init(rowSpace, message, whitenedBy: nil, phases: phases)
  }

  /// RL⁻ᵀ, unless the metric is the identity.
  init(_ rowSpace: RowSpace<Scalar>, _ message: Message<Scalar>, whitenedBy metric: Metric<Scalar>?, phases: Phases) {
    self.rowSpace = rowSpace
    self.message = message
    self.phases = phases
    self.metric = metric?.isActive == true ? metric : nil
    unwhitened = Vector(zeros: self.metric == nil ? 0 : message.parameters.count)
  }

  package var image: Vector<Scalar> { message.parameters }

  package func apply(_ u: Vector<Scalar>, into rows: Vector<Scalar>) {
    phases.measure(.jvp) {
      guard let metric else { return rowSpace.apply(u, into: rows) }
      unwhitened.assign(u)
      metric.unwhiten(unwhitened, 0..<u.count)
      rowSpace.apply(unwhitened, into: rows)
    }
  }

  package func dot(_ x: Vector<Scalar>, _ y: Vector<Scalar>) -> [Double] { rowSpace.sums { x[$0].dot(y[$0]) } }

  package func applyTransposed(_ r: Vector<Scalar>, with terms: RowTerms) throws -> RowSums {
    try message.sum(rowSpace.cotangents(of: r), with: terms) { metric?.whiten($0, $1) }
  }
}
