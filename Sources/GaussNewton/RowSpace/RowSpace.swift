import LinearAlgebra
import Networks

/// R = B^{−1/2} diag(√(ωw̃)) A, one row per example, and s with Rᵀs = −g; R is never formed.
///
/// The rows of A are the margin gradients a_i = J_iᵀ v_i (#B × P); G_FGN = RᵀR. Curvature weights have a floor, w̃ =
/// max(w, floor) with w = p(1−p), and s_i = √ω_i (1−p_i)/√(w̃_i B): Rᵀs = −g stays exact, and s stays finite for badly
/// misclassified examples. The weight ω_i of an example scales its row and its element of s by √ω_i, so that an example
/// of weight 0 has a row of zeros, and an example of weight 2 is equivalent to two of weight 1. Products here are
/// local, for this rank's rows.
package final class RowSpace<Scalar: DistributedScalar> {
  private let linearization: Linearization<Scalar>
  private let rootWeights: Vector<Scalar>
  private let residuals: Vector<Scalar>
  /// √(ω_iw̃_i/B) u_i, the weights of v in a product Rᵀu.
  private let factors: Vector<Scalar>
  /// v of each row (#b × C).
  private var cotangents: Matrix<Scalar>
  private var rows = 0

  package init(_ linearization: Linearization<Scalar>, capacity: Int) {
    self.linearization = linearization
    rootWeights = Vector(zeros: capacity)
    residuals = Vector(zeros: capacity)
    factors = Vector(zeros: capacity)
    cotangents = Matrix(zeros: 0, linearization.network.outputCount)
  }

  /// The smallest curvature weight: below it the curvature of an example is negligible.
  package static var weightFloor: Scalar { Scalar.self == Float.self ? 1e-12 : 1e-16 }

  /// s (#b).
  package var rightHandSide: Vector<Scalar> { residuals[0..<rows] }

  /// √(ω_iw̃_i/B), the factor between row i of R and the margin gradient a_i (#b).
  package var rowFactors: Vector<Scalar> { rootWeights[0..<rows] }

  /// Takes a batch whose logits `margin` has replaced by cotangents; `batchSize` is B over all ranks.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assign(_ margin: SoftmaxMargin<Scalar>, cotangents: Matrix<Scalar>, batchSize: Int) {
    rows = cotangents.rows
    self.cotangents = cotangents
    let scale = 1 / Scalar(batchSize).squareRoot()
    for i in 0..<rows {
      let complement = margin.complements[i]
      let root = max(margin.curvatures[i], Self.weightFloor).squareRoot()
      let rootWeight = margin.weight(i).squareRoot()
      rootWeights[i] = rootWeight * (root * scale)
      residuals[i] = rootWeight * (complement * scale / root)
    }
  }

  /// Takes the rows `own` of another row space, whose margins have these cotangents at the outputs of this one's network.
  func assign(_ own: Range<Int>, of all: RowSpace, cotangents: Matrix<Scalar>) {
    rows = own.count
    self.cotangents = cotangents
    rootWeights[0..<rows].assign(all.rootWeights[own])
    residuals[0..<rows].assign(all.residuals[own])
  }

  /// rows ← R u, for a tangent u (P) that is the same on all ranks.
  package func apply(_ tangent: Vector<Scalar>, into rows: Vector<Scalar>) {
    let logitTangents = linearization.jvp(tangent)
    weightedRowDots(logitTangents, into: rows)
  }

  /// The value of `sum` for each part of the local rows.
  func sums(_ sum: (Range<Int>) -> Double) -> [Double] { linearization.sums(sum) }

  /// The cotangents whose product with Jᵀ is Rᵀu, for u in the row space (#b); valid until the next call.
  package func cotangents(of u: Vector<Scalar>) -> Cotangents<Scalar> {
    .scaledLogits(cotangents, by: factors(scaledBy: u))
  }

  /// The factors on the margin gradients a_i (#b) whose sum is this rank's part of Rᵀu; valid until the next call.
  func factors(scaledBy u: Vector<Scalar>) -> Vector<Scalar> {
    let result = factors[0..<rows]
    result.assignProduct(rootWeights[0..<rows], by: u)
    return result
  }

  /// u_i ← √(ω_iw̃_i/B) v_iᵀ ż_i
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func weightedRowDots(_ logitTangents: Matrix<Scalar>, into u: Vector<Scalar>) {
    let columns = cotangents.columns
    cotangents.elements.withElements { v in
      logitTangents.elements.withElements { tangents in
        u.withElements { u in
          rootWeights.withElements { weights in
            Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { range in
              for i in range {
                let row = i * columns..<(i + 1) * columns
                let dot = UnsafeMutableBufferPointer(rebasing: v[row])
                  .dot(UnsafeMutableBufferPointer(rebasing: tangents[row]))
                u[i] = weights[i] * Scalar(dot)
              }
            }
          }
        }
      }
    }
  }
}
