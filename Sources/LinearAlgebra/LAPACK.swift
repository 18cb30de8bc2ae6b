extension Matrix {
  /// Replaces the lower triangle of a symmetric positive definite matrix by its Cholesky factor L, self = LLᵀ; the upper
  /// triangle is neither read nor written. False if a pivot is not positive; the matrix is then spoilt.
  package func factorizeCholesky() -> Bool {
    precondition(rows == columns, "only a square matrix has a Cholesky factor")
    if rows == 0 { return true }
    let info = elements.withElements { Scalar.potrf(.lower, n: Int32(rows), a: $0.baseAddress!, lda: Int32(rows)) }
    // OpenBLAS takes NaN for a pivot like any other.
    return info == 0 && (0..<rows).allSatisfy { self[$0, $0] > 0 }
  }

  /// inverse ← (LLᵀ)⁻¹ with L from `factorizeCholesky`, symmetric to the last bit.
  package func assignInverse(to inverse: Matrix) {
    inverse.elements.fill(0)
    for i in 0..<rows { inverse[i, i] = 1 }
    // L⁻¹ has nothing above the diagonal, so that its own product is the inverse.
    solveTriangular(.left, .no, inverse)
    let root = inverse.elements.copy()
    inverse.assignSymmetricProduct(Matrix(root, rows, columns), .yes)
    inverse.mirrorLowerTriangle()
  }

  /// The upper triangle ← the transpose of the lower one.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func mirrorLowerTriangle() {
    elements.withElements { elements in
      // So many rows at a time that their lines stay in the first cache.
      let height = 32
      for start in stride(from: 0, to: rows, by: height) {
        for i in start..<rows {
          for j in start..<min(start + height, i) { elements[j * columns + i] = elements[i * columns + j] }
        }
      }
    }
  }

  /// b ← op(L)⁻¹ b, or b op(L)⁻¹ on the right side, with L from `factorizeCholesky`.
  package func solveTriangular(_ side: Side, _ op: Transpose, _ b: Matrix) {
    precondition(rows == columns && rows == (side == .left ? b.rows : b.columns), "shapes of the system do not fit")
    assert(b.elements.isDisjoint(from: elements), overlap)
    if b.elements.count == 0 { return }
    elements.withElements { l in
      b.elements.withElements { elements in
        // On the left of b its columns are systems of their own, on the right its rows.
        Threads.parallel(side == .left ? b.columns : b.rows, grain: 16) { part in
          let (first, count) = (part.lowerBound, Int32(part.count))
          Scalar.trsm(
            side, .lower, op, m: side == .left ? Int32(b.rows) : count, n: side == .left ? count : Int32(b.columns),
            a: l.baseAddress!, lda: Int32(rows), b: elements.baseAddress! + first * (side == .left ? 1 : b.columns),
            ldb: Int32(b.columns))
        }
      }
    }
  }
}
