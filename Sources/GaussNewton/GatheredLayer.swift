import LinearAlgebra
import MPI
import Networks

/// A fully connected layer of which every rank holds the inputs h and the cotangents d of all rows (B × in, B × out).
///
/// Each rank forms the gradient of a share of the outputs from all rows, and then the shares are gathered: half of what a sum
/// over the ranks would send.
struct GatheredLayer<Scalar: DistributedScalar> {
  let inputs, cotangents: Matrix<Scalar>
  let communicator: Communicator

  /// Weights and biases.
  var parameterCount: Int { cotangents.columns * (inputs.columns + 1) }

  /// Numbers that this rank works in.
  var roomCount: Int { cotangents.rows * share(of: communicator.rank).count }

  private func share(of rank: Int) -> Range<Int> { (0..<cotangents.columns).part(rank, of: communicator.size) }

  /// gradient ← Σ_i factors_i d_i ⊗ [h_i | 1] over all rows: weights (out × in), then biases (out). Two allgathers, of the
  /// weights and of the biases. Collective.
  func assignGradient(
    _ gradient: Vector<Scalar>, scaledBy factors: Vector<Scalar>, room: Vector<Scalar>, phases: Phases
  ) throws {
    let (outputs, weights) = (share(of: communicator.rank), cotangents.columns * inputs.columns)
    let own = Matrix(gradient[0..<weights], cotangents.columns, inputs.columns)[rows: outputs]
    let biases = gradient[weights..<gradient.count]
    phases.measure(.vjp) {
      let scaled = Matrix(room[0..<roomCount], cotangents.rows, outputs.count)
      scaled.assignRows(of: cotangents, columns: outputs, scaledBy: factors)
      own.assignProduct(scaled, .yes, inputs, .no)
      biases[outputs].assignColumnSums(scaled)
    }
    try phases.measure(.communication) {
      let counts = (0..<communicator.size).map { share(of: $0).count }
      try gradient[0..<weights].withElements {
        try communicator.allgather(into: $0, counts: counts.map { $0 * inputs.columns })
      }
      try biases.withElements { try communicator.allgather(into: $0, counts: counts) }
    }
  }
}

/// When the outputs of a gathered layer are shared out among the ranks.
package enum OutputShares {
  /// With fewer outputs a rank, the products of their rows become slow.
  private static let least = 32

  /// Whether a gathered layer of so many outputs is shared out among so many ranks.
  package static func areWorthwhile(_ outputs: Int, ranks: Int) -> Bool { ranks > 1 && outputs >= least * ranks }
}
