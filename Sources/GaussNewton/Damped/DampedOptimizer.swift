import LinearAlgebra

/// A method with damped steps, whose memory is λ and Δ₋.
package protocol DampedOptimizer: Optimizer {
  var options: GaussNewtonOptions { get }
  var damped: DampedStep<Scalar> { get }
}

extension DampedOptimizer {
  /// λ of the next step.
  package var damping: Double { damped.damping }

  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  package var lastStep: Vector<Scalar> { damped.anchor.lastStep }

  package var memory: [(name: String, vector: Vector<Scalar>)] { damped.memory }

  package func begin(at parameters: Vector<Scalar>) { damped.begin(at: parameters) }

  package var willUpdate: () -> Void {
    get { damped.willUpdate }
    set { damped.willUpdate = newValue }
  }

  package var counters: OptimizerCounters {
    get { damped.control.counters }
    set { damped.control.resume(newValue) }
  }
}
