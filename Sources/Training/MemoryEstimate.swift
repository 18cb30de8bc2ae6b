import Glibc
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a run keeps in memory on each rank beside its data, by formula.
///
/// A step on b local rows takes b · (d + 2C + cache) + scratch(b) + n · P numbers: inputs, logits and their tangents, the
/// activations that the products need, what the layers work in, and the method's vectors of all parameters.
package struct MemoryEstimate: Equatable, Sendable {
  /// Bytes for the steps.
  package let step: Int
  /// Bytes for the evaluations, which keep no activations.
  package let evaluation: Int

  package init<Scalar: DistributedScalar>(
    _ network: Network, _ optimizer: Configuration.Optimizer, rows: Int, _: Scalar.Type
  ) {
    let size = MemoryLayout<Scalar>.size
    let perRow = network.inputCount + 2 * network.outputCount + network.body.cacheCount
    step =
      size
      * (rows * perRow + network.body.scratchCount(rows: rows) + optimizer.parameterVectors * network.layout.count)
    let chunk = Evaluator<Scalar>.chunk(for: network)
    evaluation =
      size * (chunk * (network.inputCount + network.outputCount) + network.body.scratchCount(rows: chunk))
  }
}

extension Configuration.Optimizer {
  /// n, the vectors of P numbers that a run has: θ, the sums over the ranks, and what the method works with and remembers.
  fileprivate var parameterVectors: Int {
    switch method {
    case .fgn: 8
    case .ggn: 10
    case .sgd: momentum == 0 ? 2 : 3
    case .adam: 4
    }
  }
}

/// The most memory that this process has had so far, in bytes.
func peakMemory() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss * 1024
}
