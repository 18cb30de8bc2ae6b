extension Matrix {
  /// Replaces the lower triangle of a symmetric positive definite matrix by its Cholesky factor L, self = LLᵀ; the upper
  /// triangle is neither read nor written. False if a pivot is not positive; the matrix is then spoilt.
  package func factorizeCholesky() -> Bool {
    precondition(rows == columns, "only a square matrix has a Cholesky factor")
    if rows == 0 { return true }
    let info = elements.withElements { Scalar.potrf(n: Int32(rows), a: $0.baseAddress!) }
    // OpenBLAS takes NaN for a pivot like any other.
    return info == 0 && (0..<rows).allSatisfy { self[$0, $0] > 0 }
  }

  /// b ← (LLᵀ)⁻¹ b with L from `factorizeCholesky`.
  package func solveCholesky(_ b: Vector<Scalar>) {
    precondition(rows == columns && b.count == rows, "shapes of the system do not fit")
    if rows == 0 { return }
    elements.withElements { a in
      b.withElements { b in Scalar.potrs(n: Int32(rows), a: a.baseAddress!, b: b.baseAddress!) }
    }
  }

  /// b ← op(L)⁻¹ b, or b op(L)⁻¹ on the right side, with L from `factorizeCholesky`.
  package func solveTriangular(_ side: Side, _ op: Transpose, _ b: Matrix) {
    precondition(rows == columns && rows == (side == .left ? b.rows : b.columns), "shapes of the system do not fit")
    if b.elements.count == 0 { return }
    elements.withElements { l in
      b.elements.withElements { elements in
        Scalar.trsm(
          side, op, m: Int32(b.rows), n: Int32(b.columns), l: l.baseAddress!, ldl: Int32(rows),
          b: elements.baseAddress!,
          ldb: Int32(b.columns))
      }
    }
  }
}
