import COpenBLAS
internal import CVectorMath

/// The number types that BLAS knows: `Float` and `Double`.
///
/// The requirements are the loops and library calls that differ by type, over raw memory: concrete code for each type, so
/// that generic callers in other modules lose nothing where they are not specialised. Callers use the checked functions
/// on `Vector` and `Matrix` (`BLAS.swift`, `LAPACK.swift`, `VectorMath.swift`, `Windows.swift`, …).
package protocol BLASScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable, Codable {
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
  /// y ← A x for a symmetric matrix of which the upper row-major triangle is given.
  static func symv(
    n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafePointer<Self>, y: UnsafeMutablePointer<Self>)
  /// B ← op(A)⁻¹ B, or B op(A)⁻¹ on the right side, for a row-major triangle A; B is m × n.
  static func trsm(
    _ side: Side, _ triangle: Triangle, _ opA: Transpose, m: Int32, n: Int32, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafeMutablePointer<Self>, ldb: Int32)
  /// B ← U⁻ᵀB for the upper row-major triangle U (k × k) and B (k × n). Faster than `trsm` where k is some tens, for which
  /// OpenBLAS has no kernel of its own on many processors.
  static func substitute(
    _ u: UnsafePointer<Self>, ldu: Int, k: Int, _ b: UnsafeMutablePointer<Self>, ldb: Int, n: Int)
  /// x ← op(A)⁻¹ x
  static func trsv(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafeMutablePointer<Self>)
  /// Cholesky factor of a row-major triangle, in place: L with LLᵀ of the lower, U with UᵀU of the upper one; returns
  /// LAPACK's `info`.
  static func potrf(_ triangle: Triangle, n: Int32, a: UnsafeMutablePointer<Self>, lda: Int32) -> Int32

  static func max(_ x: UnsafePointer<Self>, _ n: Int) -> Self
  static func exponentials(_ x: UnsafeMutablePointer<Self>, shift: Self, _ n: Int) -> Double
  static func dot(_ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int) -> Double
  static func weightedMoments(_ w: UnsafePointer<Self>, _ x: UnsafePointer<Self>, _ n: Int) -> (Double, Double)
  /// Whether no number is NaN or infinite.
  static func isFinite(_ x: UnsafePointer<Self>, _ n: Int) -> Bool
  static func fill(_ x: UnsafeMutablePointer<Self>, _ value: Self, _ n: Int)
  static func scale(_ a: Self, _ x: UnsafeMutablePointer<Self>, _ n: Int)
  static func combine(_ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafeMutablePointer<Self>, _ n: Int)
  /// z ← (x + a)·y + b·z
  static func addProducts(
    _ x: UnsafePointer<Self>, _ a: Self, _ y: UnsafePointer<Self>, _ b: Self, into z: UnsafeMutablePointer<Self>,
    _ n: Int)
  /// z_j ← Σ_t (x_t + a)·y_t + b·z_j over the j-th T numbers of x and y.
  static func addDots(
    _ x: UnsafePointer<Self>, _ a: Self, _ y: UnsafePointer<Self>, _ T: Int, _ b: Self,
    into z: UnsafeMutablePointer<Self>, _ n: Int)
  static func advance(
    _ a: Self, _ s: UnsafeMutablePointer<Self>, _ z: UnsafePointer<Self>, _ b: Self, _ u: UnsafeMutablePointer<Self>,
    _ n: Int
  ) -> (u: Double, z: Double)
  /// ‖g + a·x‖²
  static func sumSquare(_ g: UnsafePointer<Self>, _ a: Self, _ x: UnsafePointer<Self>, _ n: Int) -> Double
  /// r ← r − (a·x + b·y); returns ‖r‖²
  static func subtract(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafePointer<Self>, from r: UnsafeMutablePointer<Self>,
    _ n: Int
  ) -> Double
  /// z ← a·x + b·y, sum ← y + z
  static func lookAhead(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>,
    sum: UnsafeMutablePointer<Self>, _ n: Int)
  /// step ← a·y + z, x ← x + rate·step; returns ‖step‖²
  static func goOn(
    _ a: Self, _ y: UnsafePointer<Self>, _ z: UnsafePointer<Self>, rate: Self, _ x: UnsafeMutablePointer<Self>,
    step: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double
  /// Σ x·y and ‖x‖²
  static func dotAndSquare(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int
  ) -> (dot: Double, square: Double)
  static func descend(
    _ rule: SGDUpdate, gradient: UnsafePointer<Self>, parameters: UnsafeMutablePointer<Self>,
    velocity: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double
  static func descend(
    _ rule: AdamUpdate, gradient: UnsafePointer<Self>, parameters: UnsafeMutablePointer<Self>,
    firstMoment: UnsafeMutablePointer<Self>, secondMoment: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double
  /// t ← v·(common − complement·(t − mean))
  static func curvature(
    _ v: UnsafePointer<Self>, _ t: UnsafeMutablePointer<Self>, common: Self, complement: Self, mean: Self, _ n: Int)
  /// y ← f(x), d ← f′(x)
  static func activate(
    _ function: ActivationFunction, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>,
    derivative d: UnsafeMutablePointer<Self>, _ n: Int)
  static func multiply(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>, _ n: Int)
  static func im2col(
    _ image: UnsafePointer<Self>, _ window: Window, into patches: UnsafeMutablePointer<Self>, pitch: Int)
  static func col2im(
    _ patches: UnsafePointer<Self>, pitch: Int, _ window: Window, into image: UnsafeMutablePointer<Self>)
  static func maxPool(
    _ image: UnsafePointer<Self>, _ window: Window, into y: UnsafeMutablePointer<Self>,
    index: UnsafeMutablePointer<Self>)
  static func gather(
    _ x: UnsafePointer<Self>, _ index: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, _ n: Int)
  static func scatter(
    _ y: UnsafePointer<Self>, _ index: UnsafePointer<Self>, _ n: Int, into x: UnsafeMutablePointer<Self>, count: Int)
  static func averagePool(_ image: UnsafePointer<Self>, _ window: Window, into y: UnsafeMutablePointer<Self>)
  static func averageUnpool(_ y: UnsafePointer<Self>, _ window: Window, into image: UnsafeMutablePointer<Self>)
  static func transpose(_ x: UnsafePointer<Self>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Self>)
  static func normalize(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, epsilon: Double, into y: UnsafeMutablePointer<Self>,
    inverse: UnsafeMutablePointer<Self>)
  /// y ← y + X w, for rows of X as entries `starts`_r ..< `starts`_(r+1).
  static func sparseProduct(
    starts: UnsafePointer<Int>, columns: UnsafePointer<Int32>, values: UnsafePointer<Self>, rows: Int,
    _ w: UnsafePointer<Self>, _ n: Int, into y: UnsafeMutablePointer<Self>)
  /// Rows of g ← Xᵀ diag(factors) d, those of `count` columns of X that have entries.
  static func sparseTransposedProduct(
    columns: UnsafePointer<Int32>, starts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>,
    count: Int, factors: UnsafePointer<Self>?, _ d: UnsafePointer<Self>, _ n: Int,
    into g: UnsafeMutablePointer<Self>)
  /// y ← the inner products of `count` rows of X with its rows `range`.
  static func sparseDots(
    rowStarts: UnsafePointer<Int>, places: UnsafePointer<Int32>, rowValues: UnsafePointer<Self>, count: Int,
    columnStarts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>, _ range: Range<Int>,
    into y: UnsafeMutablePointer<Self>)
  static func affine(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, weight: UnsafePointer<Self>, bias: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>)
  static func affineVJP(
    _ x: UnsafePointer<Self>, _ g: UnsafePointer<Self>, rows: Int, pitch: Int, columns: Int,
    weight: UnsafeMutablePointer<Self>, bias: UnsafeMutablePointer<Self>)
  static func normalizeJVP(
    normal: UnsafePointer<Self>, inverse: UnsafePointer<Self>, _ dx: UnsafePointer<Self>, weight: UnsafePointer<Self>,
    rows: Int, columns: Int, into dy: UnsafeMutablePointer<Self>)
  static func normalizeVJP(
    normal: UnsafePointer<Self>, inverse: UnsafePointer<Self>, _ g: UnsafePointer<Self>, weight: UnsafePointer<Self>,
    rows: Int, columns: Int, into dx: UnsafeMutablePointer<Self>)
  static func logistic(
    _ m: UnsafePointer<Self>, loss: UnsafeMutablePointer<Self>, p: UnsafeMutablePointer<Self>,
    q: UnsafeMutablePointer<Self>, _ n: Int)
}

package enum Transpose: Sendable {
  case no, yes

  var cblas: CBLAS_TRANSPOSE { self == .no ? CblasNoTrans : CblasTrans }
}

/// Where the triangle of a triangular system stands.
package enum Side: Sendable {
  case left, right

  var cblas: CBLAS_SIDE { self == .left ? CblasLeft : CblasRight }
}

/// The part of a square matrix that is read and written.
package enum Triangle: Sendable {
  case lower, upper

  var cblas: CBLAS_UPLO { self == .lower ? CblasLower : CblasUpper }
  /// LAPACK's name of it. LAPACK reads columns where we have rows, and so sees the transpose.
  var ofTranspose: String { self == .lower ? "U" : "L" }
}

/// Scalar functions that networks apply to every element.
package enum ActivationFunction: String, Codable, CaseIterable, Sendable {
  case tanh, sigmoid, relu, gelu, silu
}
