import Glibc
import LinearAlgebra

/// Softmax cross-entropy of a batch seen through the true-vs-rest margin, m = z_y − logsumexp_{c≠y} z_c.
///
/// The loss is ℓ = softplus(−m), the probability of the true class p = σ(m), 1 − p = σ(−m), the competitors q_c = exp
/// z_c / Σ_{k≠y} exp z_k, and v = ∇_z m = e_y − q. Rows are this rank's shard (`#b`). All are exact in both tails: none
/// is a difference of probabilities. Source: Korbit and Zanon, arXiv 2605.06081, section 3.
///
/// Where the target of a row is another distribution t, ℓ = −Σ t log π, and v = (t − π)/τ takes the place of e_y − q, τ =
/// ½ Σ |π − t| that of 1 − p, and w = τ²/χ² with χ² = Σ (π − t)²/π that of p(1−p): they are these for t = e_y. The
/// gradient at the logits is −τv, and w v vᵀ the largest multiple of its square below diag(π) − ππᵀ.
///
/// With `weights` ω the loss of a row is ωℓ, its gradient at the logits is −ω(1−p)v, and its curvature is ω times the
/// curvature of ℓ. The sums here are weighted; m, ℓ, p, 1 − p, w and v are not.
package struct SoftmaxMargin<Scalar: BLASScalar> {
  /// m of each row (#capacity; the first `rows` are valid).
  package let margins: Vector<Scalar>
  /// ℓ
  package let losses: Vector<Scalar>
  /// p
  package let probabilities: Vector<Scalar>
  /// 1 − p; with targets other than the label, τ.
  package let complements: Vector<Scalar>
  /// w = p(1−p), without a floor.
  package let curvatures: Vector<Scalar>
  /// ω of the rows (#b), not negative; nil: all are 1.
  package var weights: Vector<Scalar>?
  /// ω(1 − p) times a scale.
  private let gradientFactors: Vector<Scalar>
  /// What ℓ is above the loss with the label for target.
  let gaps: Vector<Scalar>

  /// Numbers that are kept of a row.
  static var vectorCount: Int { 7 }

  package init(capacity: Int) {
    margins = Vector(zeros: capacity)
    losses = Vector(zeros: capacity)
    probabilities = Vector(zeros: capacity)
    complements = Vector(zeros: capacity)
    curvatures = Vector(zeros: capacity)
    gradientFactors = Vector(zeros: capacity)
    gaps = Vector(zeros: capacity)
  }

  /// ω of a row.
  func weight(_ row: Int) -> Scalar { weights?[row] ?? 1 }

  /// ω(1 − p) times `scale` for the first `count` rows, valid until the next call: the gradients of the losses at the
  /// logits are −ω(1 − p)v.
  func gradientFactors(_ count: Int, times scale: Scalar) -> Vector<Scalar> {
    let result = gradientFactors[0..<count]
    result.combine(scale, complements[0..<count], 0)
    if let weights { result.assignProduct(result, by: weights) }
    return result
  }

  /// Computes m, ℓ, p, 1 − p and w, and overwrites each row of `logits` (#b × C, C ≥ 2) by its margin cotangent v.
  ///
  /// A row with NaN or +∞ among its logits, or with −∞ for its true class or for all others, gets NaN for its margin
  /// and loss. Any other −∞ is a class of probability zero. Local.
  ///
  /// - Parameter parts: parts of the rows whose bits do not depend on each other; nil: all rows together.
  package func assign(
    replacing logits: Matrix<Scalar>, targets: Targets<Scalar>, parts: [Range<Int>]? = nil
  ) {
    precondition(logits.columns >= 2, "a margin needs two classes")
    precondition(targets.count == logits.rows, "one label a row")
    if !targets.areLabels { assignGaps(logits, targets) }
    replaceRows(of: logits, labels: targets.labels)
    for rows in parts ?? [0..<logits.rows] { assignProbabilities(rows) }
    if !targets.areLabels { soften(logits, targets) }
  }

  /// Computes ℓ, p, 1 − p and w of rows with known margins.
  func assignProbabilities(_ rows: Range<Int>) {
    margins[rows].logistic(loss: losses[rows], probability: probabilities[rows], complement: complements[rows])
    curvatures[rows].assignProduct(probabilities[rows], by: complements[rows])
  }

  /// Computes the margins of rows whose targets are their labels.
  package func assign(
    replacing logits: Matrix<Scalar>, labels: ArraySlice<Int32>, parts: [Range<Int>]? = nil
  ) {
    assign(replacing: logits, targets: Targets(labels), parts: parts)
  }

  /// Computes the margins of rows, and replaces their logits by v.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func replaceRows(of logits: Matrix<Scalar>, labels: ArraySlice<Int32>) {
    let columns = logits.columns
    logits.elements.withElements { elements in
      margins.withElements { margins in
        Threads.parallel(logits.rows, grain: max(1, 16384 / columns)) { rows in
          for i in rows {
            let y = Int(labels[labels.startIndex + i])
            let row = UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns])
            let trueLogit = row[y]
            row[y] = -.infinity
            let shift = row.maximum
            let sum = row.assignExponentials(shift: shift)
            let margin = trueLogit - (shift + Scalar(log(sum)))
            margins[i] = margin.isFinite ? margin : .nan
            row.scale(Scalar(-1 / sum))
            row[y] = 1
          }
        }
      }
    }
  }

  /// Σ ωℓ over some local rows.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func lossSum(rows: Range<Int>) -> Double {
    rows.reduce(0) { $0 + Double(weight($1)) * Double(losses[$1]) }
  }

  /// Σ ω(ℓ − ℓ of `earlier`) over the local rows `rows` of `earlier`, with its weights; they are the rows from `start`
  /// on here. Differences are taken first, so that a small change survives.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func lossChange(from earlier: SoftmaxMargin, rows: Range<Int>, start: Int = 0) -> Double {
    rows.reduce(0) { sum, row in
      let new = losses[start + row - rows.lowerBound]
      return sum + Double(earlier.weight(row)) * (Double(new) - Double(earlier.losses[row]))
    }
  }
}
