import LinearAlgebra

/// Targets that are not the label alone. All that is said of the label's margin is computed first: it gives π in both
/// tails without cancellation.
extension SoftmaxMargin {
  /// Computes what scores of the predictions take: ℓ of the targets, and the margins, p, 1 − p and v of their labels.
  package func assignScores(replacing logits: Matrix<Scalar>, targets: Targets<Scalar>) {
    if !targets.areLabels { assignGaps(logits, targets) }
    assign(replacing: logits, labels: targets.labels)
    if !targets.areLabels { for i in 0..<targets.count { losses[i] += gaps[i] } }
  }

  /// Computes what ℓ is above the loss with the label for target, Σ t_c (z_y − z_c), from the logits (#b × C).
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func assignGaps(_ logits: Matrix<Scalar>, _ targets: Targets<Scalar>) {
    let columns = logits.columns
    targets.withRows(columns) { target in
      logits.elements.withElements { elements in
        gaps.withElements { gaps in
          Threads.parallel(logits.rows, grain: max(1, 16384 / columns)) { rows in
            for i in rows {
              let z = UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns])
              gaps[i] = Scalar(z.gap(below: targets.label(i), target(i)))
            }
          }
        }
      }
    }
  }

  /// Makes ℓ, 1 − p, w and the rows v (#b × C) of the labels those of the targets.
  ///
  /// In χ² a probability counts as the least normal number at least: where it has underflowed, the curvature is wrong by
  /// less than that number. What remains of the label is formed as Σ_{c≠y} t_c − (1−p), so that all of r sum to zero.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func soften(_ cotangents: Matrix<Scalar>, _ targets: Targets<Scalar>) {
    let columns = cotangents.columns
    targets.withRows(columns) { target in
      cotangents.elements.withElements { elements in
        Threads.parallel(cotangents.rows, grain: max(1, 16384 / columns)) { rows in
          for i in rows {
            let y = targets.label(i)
            let row = UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns])
            let others = row.assignResiduals(without: y, complement: complements[i], target(i))
            let (residual, scale) = soften(row: i, others)
            row[y] = residual
            row.scale(scale)
          }
        }
      }
    }
  }
  /// Makes ℓ, 1 − p and w of a row's label those of its target, given the sums over the other classes. Returns r_y, and the
  /// scale that turns the residuals r into v.
  @inline(__always)
  func soften(row i: Int, _ others: TargetSums) -> (residual: Scalar, scale: Scalar) {
    let least = Scalar.leastNormalMagnitude
    let residual = others.total - Double(complements[i])
    let distance = (others.distance + abs(residual)) / 2
    let square = others.square + residual * (residual / Double(max(probabilities[i], least)))
    losses[i] += gaps[i]
    complements[i] = Scalar(distance)
    curvatures[i] = square > 0 ? Scalar(distance * (distance / square)) : 0
    // A row of zeros, where the prediction is its target.
    return (Scalar(residual), distance < Double(least) ? 0 : Scalar(-1 / distance))
  }
}
