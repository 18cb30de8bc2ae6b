extension Matrix {
  /// Replaces the lower triangle of a symmetric positive definite matrix by its Cholesky factor L, self = LLᵀ; the upper
  /// triangle is neither read nor written. False if a pivot is not positive; the matrix is then spoilt.
  package func factorizeCholesky() -> Bool {
    precondition(rows == columns, "only a square matrix has a Cholesky factor")
    if rows == 0 { return true }
    return elements.withElements { Scalar.potrf(n: Int32(rows), a: $0.baseAddress!) } == 0
  }

  /// b ← (LLᵀ)⁻¹ b with L from `factorizeCholesky`.
  package func solveCholesky(_ b: Vector<Scalar>) {
    precondition(rows == columns && b.count == rows, "shapes of the system do not fit")
    if rows == 0 { return }
    elements.withElements { a in
      b.withElements { b in Scalar.potrs(n: Int32(rows), a: a.baseAddress!, b: b.baseAddress!) }
    }
  }
}
