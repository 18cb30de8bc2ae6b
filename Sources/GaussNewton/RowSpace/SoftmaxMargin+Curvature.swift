import LinearAlgebra

extension SoftmaxMargin {
  /// e_y − q of a row, p and 1 − p, for its label y.
  private typealias MarginRow = (v: UnsafeMutableBufferPointer<Scalar>, p: Double, complement: Double)

  /// Each row ż of `tangents` (#b × C) ← ω(diag(π) − ππᵀ)ż/B, given v (#b × C): the full Gauss-Newton curvature at the
  /// logits.
  ///
  /// The exact split diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ) gives p(1−p) vᵀż for the true class, where q
  /// is zero, and v_c (p(1−p) vᵀż − (1−p)(ż_c − qᵀż)) for any other class, where v is −q. 1 − p is not computed as a
  /// difference, and qᵀż is summed over the competitors alone: as ż_y − vᵀż it would lose digits to a large ż_y.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func applyFullCurvature(
    to tangents: Matrix<Scalar>, cotangents: Matrix<Scalar>, targets: Targets<Scalar>, batchSize: Int
  ) {
    precondition(tangents.columns == cotangents.columns && tangents.rows == cotangents.rows, "shapes do not fit")
    forEachMarginRow(0..<targets.count, cotangents, tangents, targets) { i, margin, t in
      let y = targets.label(i)
      let trueTangent = Double(t[y])
      t[y] = 0
      let mean = -margin.v.dot(t)
      let scale = Double(weight(i)) / Double(batchSize)
      let common = scale * margin.p * margin.complement * (trueTangent - mean)
      t.assignCurvature(
        margin.v, common: Scalar(common), complement: Scalar(scale * margin.complement), mean: Scalar(mean))
      t[y] = Scalar(common)
    }
  }

  /// Σ ω żᵀ(diag(π) − ππᵀ)ż over some local rows, or all: the full Gauss-Newton curvature along the logit tangents ż
  /// (#b × C), given v (#b × C), as p(1−p)(vᵀż)² + (1−p)(Σ q ż² − (Σ q ż)²).
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func fullCurvatureSum(
    cotangents: Matrix<Scalar>, tangents: Matrix<Scalar>, targets: Targets<Scalar>, rows: Range<Int>? = nil
  ) -> Double {
    let rows = rows ?? 0..<cotangents.rows
    // Rows are computed on all threads, and summed in one order.
    let curvatures = [Double](unsafeUninitializedCapacity: rows.count) { curvatures, initialized in
      let curvatures = curvatures
      forEachMarginRow(rows, cotangents, tangents, targets) { i, margin, z in
        // v is 1 at the true class and −q elsewhere.
        let trueTangent = Double(z[targets.label(i)])
        let (marginTangent, second) = margin.v.weightedMoments(z)
        let mean = trueTangent - marginTangent
        let meanSquare = trueTangent * trueTangent - second
        let spread = margin.complement * max(0, meanSquare - mean * mean)
        let curvature = margin.p * margin.complement * marginTangent * marginTangent + spread
        curvatures.initializeElement(at: i - rows.lowerBound, to: Double(weight(i)) * curvature)
      }
      initialized = rows.count
    }
    return curvatures.reduce(0, +)
  }

  /// Calls `body` for some rows, with the margin of each row's label and the row's part of `tangents`, on all threads.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func forEachMarginRow(
    _ rows: Range<Int>, _ cotangents: Matrix<Scalar>, _ tangents: Matrix<Scalar>, _ targets: Targets<Scalar>,
    _ body: (Int, MarginRow, UnsafeMutableBufferPointer<Scalar>) -> Void
  ) {
    let columns = cotangents.columns
    targets.withRows(columns) { target in
      cotangents.elements.withElements { cotangents in
        tangents.elements.withElements { tangents in
          Threads.parallel(rows.count, grain: max(1, 16384 / columns)) { range in
            withUnsafeTemporaryAllocation(of: Scalar.self, capacity: targets.areLabels ? 0 : columns) { memory in
              for i in range.lowerBound + rows.lowerBound..<range.upperBound + rows.lowerBound {
                let row = i * columns..<(i + 1) * columns
                var margin: MarginRow = (
                  UnsafeMutableBufferPointer(rebasing: cotangents[row]), Double(probabilities[i]),
                  Double(complements[i])
                )
                if !targets.areLabels {
                  margin = marginOfLabel(margin, targets.label(i), target(i), in: memory)
                }
                body(i, margin, UnsafeMutableBufferPointer(rebasing: tangents[row]))
              }
            }
          }
        }
      }
    }
  }

  /// e_y − q, p and 1 − p of the label y, given v, p and τ of the target: q is π of the other classes, t − τv, over its
  /// sum. `memory` holds a row.
  @inline(__always)
  private func marginOfLabel(
    _ row: MarginRow, _ y: Int, _ target: TargetRow<Scalar>, in memory: UnsafeMutableBufferPointer<Scalar>
  ) -> MarginRow {
    let complement = memory.assignProbabilities(without: y, of: row.v, distance: Scalar(row.complement), target)
    memory[y] = 0
    memory.scale(complement > 0 ? Scalar(-1 / complement) : 0)
    memory[y] = 1
    return (memory, row.p, complement)
  }
}
