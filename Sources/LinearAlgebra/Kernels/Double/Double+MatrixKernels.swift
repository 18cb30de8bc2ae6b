import CBLAS
internal import CKernels
internal import CLAPACK

@_documentation(visibility: internal)
extension Double: MatrixKernels {
  public static func gemm(
    _ opA: Transpose, _ opB: Transpose, m: Int32, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafePointer<Self>, ldb: Int32, beta: Self, c: UnsafeMutablePointer<Self>, ldc: Int32
  ) {
    cblas_dgemm(CblasRowMajor, opA.cblas, opB.cblas, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
  }

  public static func syrk(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    beta: Self,
    c: UnsafeMutablePointer<Self>, ldc: Int32
  ) {
    cblas_dsyrk(CblasRowMajor, triangle.cblas, opA.cblas, n, k, alpha, a, lda, beta, c, ldc)
  }

  public static func gemv(
    _ opA: Transpose, rows: Int32, columns: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    x: UnsafePointer<Self>, beta: Self, y: UnsafeMutablePointer<Self>
  ) {
    cblas_dgemv(CblasRowMajor, opA.cblas, rows, columns, alpha, a, lda, x, 1, beta, y, 1)
  }

  public static func symv(
    n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafePointer<Self>, y: UnsafeMutablePointer<Self>
  ) {
    cblas_dsymv(CblasRowMajor, CblasUpper, n, 1, a, lda, x, 1, 0, y, 1)
  }

  public static func trsm(
    _ side: Side, _ triangle: Triangle, _ opA: Transpose, m: Int32, n: Int32, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafeMutablePointer<Self>, ldb: Int32
  ) {
    cblas_dtrsm(
      CblasRowMajor, side.cblas, triangle.cblas, opA.cblas, CblasNonUnit, m, n, 1, a, lda, b, ldb)
  }

  public static func substitute(
    _ u: UnsafePointer<Self>, ldu: Int, k: Int, _ b: UnsafeMutablePointer<Self>, ldb: Int, n: Int
  ) {
    fgn_substitute_f64(u, ldu, k, b, ldb, n)
  }

  public static func trsv(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafeMutablePointer<Self>
  ) {
    cblas_dtrsv(CblasRowMajor, triangle.cblas, opA.cblas, CblasNonUnit, n, a, lda, x, 1)
  }

  public static func potrf(_ triangle: Triangle, n: Int32, a: UnsafeMutablePointer<Self>, lda: Int32) -> Int32 {
    var (n, lda) = (n, lda)
    var info: Int32 = 0
    dpotrf_(triangle.ofTranspose, &n, a, &lda, &info)
    return info
  }

  public static func transpose(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_transpose_f64(x, rows, columns, y)
  }
}
