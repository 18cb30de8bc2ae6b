import CBLAS
internal import CKernels
internal import CLAPACK

@_documentation(visibility: internal)
extension Float: MatrixKernels {
  public static func gemm(
    _ opA: Transpose, _ opB: Transpose, m: Int32, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafePointer<Self>, ldb: Int32, beta: Self, c: UnsafeMutablePointer<Self>, ldc: Int32
  ) {
    flushingSubnormals {
      cblas_sgemm(CblasRowMajor, opA.cblas, opB.cblas, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    }
  }

  public static func syrk(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    beta: Self,
    c: UnsafeMutablePointer<Self>, ldc: Int32
  ) {
    flushingSubnormals {
      cblas_ssyrk(CblasRowMajor, triangle.cblas, opA.cblas, n, k, alpha, a, lda, beta, c, ldc)
    }
  }

  public static func gemv(
    _ opA: Transpose, rows: Int32, columns: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    x: UnsafePointer<Self>, beta: Self, y: UnsafeMutablePointer<Self>
  ) {
    cblas_sgemv(CblasRowMajor, opA.cblas, rows, columns, alpha, a, lda, x, 1, beta, y, 1)
  }

  public static func symv(
    n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafePointer<Self>, y: UnsafeMutablePointer<Self>
  ) {
    cblas_ssymv(CblasRowMajor, CblasUpper, n, 1, a, lda, x, 1, 0, y, 1)
  }

  public static func trsm(
    _ side: Side, _ triangle: Triangle, _ opA: Transpose, m: Int32, n: Int32, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafeMutablePointer<Self>, ldb: Int32
  ) {
    cblas_strsm(
      CblasRowMajor, side.cblas, triangle.cblas, opA.cblas, CblasNonUnit, m, n, 1, a, lda, b, ldb)
  }

  public static func substitute(
    _ u: UnsafePointer<Self>, ldu: Int, k: Int, _ b: UnsafeMutablePointer<Self>, ldb: Int, n: Int
  ) {
    fgn_substitute_f32(u, ldu, k, b, ldb, n)
  }

  public static func trsv(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafeMutablePointer<Self>
  ) {
    cblas_strsv(CblasRowMajor, triangle.cblas, opA.cblas, CblasNonUnit, n, a, lda, x, 1)
  }

  public static func potrf(_ triangle: Triangle, n: Int32, a: UnsafeMutablePointer<Self>, lda: Int32) -> Int32 {
    var (n, lda) = (n, lda)
    var info: Int32 = 0
    spotrf_(triangle.ofTranspose, &n, a, &lda, &info)
    return info
  }

  public static func transpose(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_transpose_f32(x, rows, columns, y)
  }
}

/// Calls `body` with subnormal numbers flushed to zero. Many processors take a hundred cycles for each subnormal
/// number. Features that are zero up to rounding, such as two of MiniLM's with 10⁻³¹, make whole columns of products
/// subnormal, which doubles the time of backward products. Terms below 10⁻³⁸ are lost, which matters only to sums of
/// that size.
private func flushingSubnormals(_ body: () -> Void) {
  let before = fgn_flush_subnormals()
  body()
  fgn_restore_subnormals(before)
}
