import LinearAlgebra
import Networks

/// The diagonal of H for a linear head, (1/n) Σ ω π_c(1−π_c) x_j² + μ, from all rows. Sparse inputs have it, whose other
/// moments would be a dense matrix.
final class DiagonalPreconditioner<Scalar: DistributedScalar>: Preconditioner {
  private let objective: FullObjective<Scalar>
  /// The inverse of the diagonal.
  private let inverse: Vector<Double>

  /// nil where the objective is not that of a linear head.
  init?(_ objective: FullObjective<Scalar>) {
    guard objective.network.hasSingleLayer else { return nil }
    self.objective = objective
    inverse = Vector(zeros: objective.network.layout.count)
  }

  /// Takes the diagonal at θ. One pass. Collective.
  func update(at parameters: Vector<Scalar>) throws {
    try objective.assignDiagonal(inverse, at: parameters)
    for part in objective.decay.parts { for index in part.range { inverse[index] += part.rate } }
    // A parameter on which nothing depends stays where it is, by whatever number its zero is multiplied.
    for index in 0..<inverse.count { inverse[index] = inverse[index].isNormal ? 1 / inverse[index] : 1 }
  }

  func apply(_ r: Vector<Double>, into z: Vector<Double>) { z.assignProduct(r, by: inverse) }
}

extension FullObjective {
  /// diagonal ← (1/n) Σ ω π_c(1−π_c) x_j², for a linear head, whose Jacobian at the squares of its inputs is that of its
  /// squares. One pass. Collective.
  fileprivate func assignDiagonal(_ diagonal: Vector<Double>, at parameters: Vector<Scalar>) throws {
    let scale = 1 / Scalar(rows.count)
    let curvatures = Matrix<Scalar>(zeros: blocks.capacity, network.outputCount)
    _ = try pass { _, batch in
      let own = curvatures[rows: 0..<batch.inputs.rows]
      linearization.linearize(at: parameters, on: batch.inputs, batchSize: batch.globalSize)
      own.assignCurvatures(of: linearization.logits, weights: batch.weights, scale: scale)
      linearization.linearize(at: parameters, on: batch.inputs.squared(), batchSize: batch.globalSize)
      return (own, linearization.sums { _ in 0 })
    }
    assignTotal(to: diagonal)
  }
}

extension Inputs {
  /// The squares of all values.
  fileprivate func squared() -> Inputs {
    switch self {
    case .dense(let rows):
      let result = Matrix<Scalar>(zeros: rows.rows, rows.columns)
      result.elements.assignProduct(rows.elements, by: rows.elements)
      return .dense(result)
    case .sparse(let rows):
      // Joining copies the values.
      let result = CSRMatrix(joining: [rows])
      result.values.assignProduct(rows.values, by: rows.values)
      return .sparse(result)
    }
  }
}

extension Matrix {
  /// Each row ← scale·ω π(1−π) of a row of logits, which are overwritten.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func assignCurvatures(of logits: Matrix, weights: Vector<Scalar>?, scale: Scalar) {
    let columns = columns
    elements.withElements { curvatures in
      logits.elements.withElements { logits in
        Threads.parallel(rows, grain: max(1, 16384 / columns)) { range in
          for i in range {
            let row = i * columns..<(i + 1) * columns
            let π = UnsafeMutableBufferPointer(rebasing: logits[row])
            let sum = Scalar(π.assignExponentials(shift: π.maximum))
            let ω = scale * (weights?[i] ?? 1)
            for c in 0..<columns {
              let p = π[c] / sum
              curvatures[i * columns + c] = ω * p * (1 - p)
            }
          }
        }
      }
    }
  }
}
