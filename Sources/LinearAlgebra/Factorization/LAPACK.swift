extension Matrix {
  /// Replaces the lower triangle of a symmetric positive definite matrix by its Cholesky factor L, self = LLᵀ; the
  /// upper triangle is neither read nor written. Returns false if a pivot is not positive; the matrix is then
  /// undefined.
  package func factorizeCholesky() -> Bool {
    precondition(rows == columns, "only a square matrix has a Cholesky factor")
    if rows == 0 { return true }
    let info = elements.withElements { Scalar.potrf(.lower, n: Int32(rows), a: $0.baseAddress!, lda: Int32(rows)) }
    // OpenBLAS accepts NaN as a pivot.
    return info == 0 && (0..<rows).allSatisfy { self[$0, $0] > 0 }
  }

  /// inverse ← (LLᵀ)⁻¹ with L from `factorizeCholesky`, symmetric to the last bit.
  ///
  /// Computes L⁻¹ and then L⁻ᵀL⁻¹, in panels that skip the zeros above the diagonal of L⁻¹: n³/3 multiplications, as
  /// many as LAPACK's `potri`, on all threads. No bit depends on the number of threads.
  package func assignInverse(to inverse: Matrix) {
    precondition(rows == columns && inverse.rows == rows && inverse.columns == rows, "shapes of the inverse do not fit")
    assert(inverse.elements.isDisjoint(from: elements), overlap)
    let (size, ld) = (rows, Int32(rows))
    // The larger the panels, the smaller the part of the triangle that the kernels reorder for each.
    let height = GramPanel.rows * Swift.max(1, size / 1024)
    let root = Matrix(zeros: size, size)
    for i in 0..<size { root[i, i] = 1 }
    elements.withElements { l in
      root.elements.withElements { x in
        inverse.elements.withElements { y in
          Threads.sharePanels(of: 0..<size, height: height) { panel, _ in
            let corner = panel.lowerBound * (size + 1)
            Scalar.trsm(
              .left, .lower, .no, m: Int32(size - panel.lowerBound), n: Int32(panel.count), a: l.baseAddress! + corner,
              lda: ld, b: x.baseAddress! + corner, ldb: ld)
          }
          Threads.sharePanels(of: 0..<size, height: height) { panel, _ in
            let (first, row, corner) = (panel.lowerBound, panel.lowerBound * size, panel.lowerBound * (size + 1))
            let (m, k) = (Int32(panel.count), Int32(size - first))
            let (x, y) = (x.baseAddress!, y.baseAddress!)
            if first > 0 {
              Scalar.gemm(
                .yes, .no, m: m, n: Int32(first), k: k, alpha: 1, a: x + corner, lda: ld, b: x + row, ldb: ld, beta: 0,
                c: y + row, ldc: ld)
            }
            Scalar.syrk(.lower, .yes, n: m, k: k, alpha: 1, a: x + corner, lda: ld, beta: 0, c: y + corner, ldc: ld)
          }
        }
      }
    }
    inverse.mirrorLowerTriangle()
  }

  /// The upper triangle ← the transpose of the lower one.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func mirrorLowerTriangle() {
    let (rows, columns) = (rows, columns)
    elements.withElements { elements in
      // The lines of 32 columns stay in the first cache.
      Threads.sharePanels(of: 0..<rows, height: 32) { panel, _ in
        for i in panel.lowerBound..<rows {
          for j in panel.lowerBound..<Swift.min(panel.upperBound, i) {
            elements[j * columns + i] = elements[i * columns + j]
          }
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
        // On the left of b each column is a system of its own, on the right each row.
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
