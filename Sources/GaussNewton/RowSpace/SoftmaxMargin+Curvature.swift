import LinearAlgebra

extension SoftmaxMargin {
  /// Each row ż of `tangents` (#b × C) ← ω(diag(π) − ππᵀ)ż/B, given v (#b × C): the full Gauss-Newton curvature at the
  /// logits.
  ///
  /// The exact split diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ) gives p(1−p) vᵀż for the true class, where q
  /// is zero, and v_c (p(1−p) vᵀż − (1−p)(ż_c − qᵀż)) for any other class, where v is −q. 1 − p is not computed as a
  /// difference, and qᵀż is summed over the competitors alone: as ż_y − vᵀż it would lose digits to a large ż_y.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func applyFullCurvature(
    to tangents: Matrix<Scalar>, cotangents: Matrix<Scalar>, labels: ArraySlice<Int32>, batchSize: Int
  ) {
    precondition(tangents.columns == cotangents.columns && tangents.rows == cotangents.rows, "shapes do not fit")
    let columns = tangents.columns
    tangents.elements.withElements { tangents in
      cotangents.elements.withElements { cotangents in
        Threads.parallel(labels.count, grain: max(1, 16384 / columns)) { rows in
          for i in rows {
            let y = Int(labels[labels.startIndex + i])
            let row = i * columns..<(i + 1) * columns
            let (t, v) = (
              UnsafeMutableBufferPointer(rebasing: tangents[row]), UnsafeMutableBufferPointer(rebasing: cotangents[row])
            )
            let trueTangent = Double(t[y])
            t[y] = 0
            let mean = -v.dot(t)
            let (p, complement) = (Double(probabilities[i]), Double(complements[i]))
            let scale = Double(weight(i)) / Double(batchSize)
            let common = scale * p * complement * (trueTangent - mean)
            t.assignCurvature(v, common: Scalar(common), complement: Scalar(scale * complement), mean: Scalar(mean))
            t[y] = Scalar(common)
          }
        }
      }
    }
  }
}
