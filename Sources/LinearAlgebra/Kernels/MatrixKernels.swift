import CBLAS

/// Products, triangular systems and factors of matrices. A family of `BLASScalar`.
@_documentation(visibility: internal)
public protocol MatrixKernels: BinaryFloatingPoint {
  /// C ← α op(A) op(B) + β C in row-major order; op(A) is m × k, op(B) k × n.
  static func gemm(
    _ opA: Transpose, _ opB: Transpose, m: Int32, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafePointer<Self>, ldb: Int32, beta: Self, c: UnsafeMutablePointer<Self>, ldc: Int32)
  /// A triangle of C ← α op(A) op(A)ᵀ + β C; op(A) is n × k.
  static func syrk(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    beta: Self,
    c: UnsafeMutablePointer<Self>, ldc: Int32)
  /// y ← α op(A) x + β y for a row-major rows × columns matrix.
  static func gemv(
    _ opA: Transpose, rows: Int32, columns: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    x: UnsafePointer<Self>, beta: Self, y: UnsafeMutablePointer<Self>)
  /// y ← A x for a symmetric matrix given by its upper row-major triangle.
  static func symv(
    n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafePointer<Self>, y: UnsafeMutablePointer<Self>)
  /// B ← op(A)⁻¹ B, or B op(A)⁻¹ on the right side, for a row-major triangle A; B is m × n.
  static func trsm(
    _ side: Side, _ triangle: Triangle, _ opA: Transpose, m: Int32, n: Int32, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafeMutablePointer<Self>, ldb: Int32)
  /// B ← U⁻ᵀB for the upper row-major triangle U (k × k) and B (k × n). Faster than `trsm` for k of some tens, where
  /// OpenBLAS lacks a kernel on many processors.
  static func substitute(
    _ u: UnsafePointer<Self>, ldu: Int, k: Int, _ b: UnsafeMutablePointer<Self>, ldb: Int, n: Int)
  /// x ← op(A)⁻¹ x
  static func trsv(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafeMutablePointer<Self>)
  /// Cholesky factor of a row-major triangle, in place: L with LLᵀ for the lower, U with UᵀU for the upper one. Returns
  /// LAPACK's `info`.
  static func potrf(_ triangle: Triangle, n: Int32, a: UnsafeMutablePointer<Self>, lda: Int32) -> Int32
  static func transpose(_ x: UnsafePointer<Self>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Self>)
}

public enum Transpose: Sendable {
  case no, yes

  var cblas: CBLAS_TRANSPOSE { self == .no ? CblasNoTrans : CblasTrans }
}

/// The side of a triangular system that the triangle is on.
@_documentation(visibility: internal)
public enum Side: Sendable {
  case left, right

  var cblas: CBLAS_SIDE { self == .left ? CblasLeft : CblasRight }
}

/// The part of a square matrix that is read and written.
@_documentation(visibility: internal)
public enum Triangle: Sendable {
  case lower, upper

  var cblas: CBLAS_UPLO { self == .lower ? CblasLower : CblasUpper }
  /// LAPACK's name of the triangle. LAPACK reads columns where this code has rows, and so sees the transpose.
  var ofTranspose: String { self == .lower ? "U" : "L" }
}
