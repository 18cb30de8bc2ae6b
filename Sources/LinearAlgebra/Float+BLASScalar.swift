import COpenBLAS
internal import CVectorMath

extension Float: BLASScalar {
  package static func gemm(
    _ opA: Transpose, _ opB: Transpose, m: Int32, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafePointer<Self>, ldb: Int32, beta: Self, c: UnsafeMutablePointer<Self>, ldc: Int32
  ) {
    flushingSubnormals {
      cblas_sgemm(CblasRowMajor, opA.cblas, opB.cblas, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    }
  }

  package static func syrk(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, k: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    beta: Self,
    c: UnsafeMutablePointer<Self>, ldc: Int32
  ) {
    flushingSubnormals {
      cblas_ssyrk(CblasRowMajor, triangle.cblas, opA.cblas, n, k, alpha, a, lda, beta, c, ldc)
    }
  }

  package static func gemv(
    _ opA: Transpose, rows: Int32, columns: Int32, alpha: Self, a: UnsafePointer<Self>, lda: Int32,
    x: UnsafePointer<Self>, beta: Self, y: UnsafeMutablePointer<Self>
  ) {
    cblas_sgemv(CblasRowMajor, opA.cblas, rows, columns, alpha, a, lda, x, 1, beta, y, 1)
  }

  package static func symv(
    n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafePointer<Self>, y: UnsafeMutablePointer<Self>
  ) {
    cblas_ssymv(CblasRowMajor, CblasUpper, n, 1, a, lda, x, 1, 0, y, 1)
  }

  package static func trsm(
    _ side: Side, _ triangle: Triangle, _ opA: Transpose, m: Int32, n: Int32, a: UnsafePointer<Self>, lda: Int32,
    b: UnsafeMutablePointer<Self>, ldb: Int32
  ) {
    cblas_strsm(
      CblasRowMajor, side.cblas, triangle.cblas, opA.cblas, CblasNonUnit, m, n, 1, a, lda, b, ldb)
  }

  package static func substitute(
    _ u: UnsafePointer<Self>, ldu: Int, k: Int, _ b: UnsafeMutablePointer<Self>, ldb: Int, n: Int
  ) {
    fgn_substitute_f32(u, ldu, k, b, ldb, n)
  }

  package static func trsv(
    _ triangle: Triangle, _ opA: Transpose, n: Int32, a: UnsafePointer<Self>, lda: Int32, x: UnsafeMutablePointer<Self>
  ) {
    cblas_strsv(CblasRowMajor, triangle.cblas, opA.cblas, CblasNonUnit, n, a, lda, x, 1)
  }

  package static func potrf(_ triangle: Triangle, n: Int32, a: UnsafeMutablePointer<Self>, lda: Int32) -> Int32 {
    var (n, lda) = (n, lda)
    var info: Int32 = 0
    spotrf_(triangle.ofTranspose, &n, a, &lda, &info)
    return info
  }

  package static func max(_ x: UnsafePointer<Self>, _ n: Int) -> Self { fgn_max_f32(x, n) }

  package static func exponentials(_ x: UnsafeMutablePointer<Self>, shift: Self, _ n: Int) -> Double {
    fgn_exp_f32(x, shift, n)
  }

  package static func dot(_ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int) -> Double {
    fgn_dot_f32(x, y, n)
  }

  package static func weightedMoments(
    _ w: UnsafePointer<Self>, _ x: UnsafePointer<Self>, _ n: Int
  ) -> (Double, Double) {
    var moments = (0.0, 0.0)
    fgn_weighted_moments_f32(w, x, n, &moments.0, &moments.1)
    return moments
  }

  package static func isFinite(_ x: UnsafePointer<Self>, _ n: Int) -> Bool { fgn_is_finite_f32(x, n) != 0 }

  package static func fill(_ x: UnsafeMutablePointer<Self>, _ value: Self, _ n: Int) {
    x.update(repeating: value, count: n)
  }

  package static func scale(_ a: Self, _ x: UnsafeMutablePointer<Self>, _ n: Int) { fgn_scale_f32(a, x, n) }

  package static func combine(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_combine_f32(a, x, b, y, n)
  }

  package static func addProducts(
    _ x: UnsafePointer<Self>, _ a: Self, _ y: UnsafePointer<Self>, _ b: Self, into z: UnsafeMutablePointer<Self>,
    _ n: Int
  ) {
    fgn_add_products_f32(x, a, y, b, z, n)
  }

  package static func addDots(
    _ x: UnsafePointer<Self>, _ a: Self, _ y: UnsafePointer<Self>, _ T: Int, _ b: Self,
    into z: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_add_dots_f32(x, a, y, T, b, z, n)
  }

  package static func advance(
    _ a: Self, _ s: UnsafeMutablePointer<Self>, _ z: UnsafePointer<Self>, _ b: Self, _ u: UnsafeMutablePointer<Self>,
    _ n: Int
  ) -> (u: Double, z: Double) {
    var squares = (u: 0.0, z: 0.0)
    fgn_advance_f32(a, s, z, b, u, n, &squares.u, &squares.z)
    return squares
  }

  package static func sumSquare(
    _ g: UnsafePointer<Self>, _ a: Self, _ x: UnsafePointer<Self>, _ n: Int
  ) -> Double {
    fgn_sum_square_f32(g, a, x, n)
  }

  package static func subtract(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafePointer<Self>, from r: UnsafeMutablePointer<Self>,
    _ n: Int
  ) -> Double {
    fgn_subtract_f32(a, x, b, y, r, n)
  }

  package static func lookAhead(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>,
    sum: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_look_ahead_f32(a, x, b, y, z, sum, n)
  }

  package static func goOn(
    _ a: Self, _ y: UnsafePointer<Self>, _ z: UnsafePointer<Self>, rate: Self, _ x: UnsafeMutablePointer<Self>,
    step: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_go_on_f32(a, y, z, rate, x, step, n)
  }

  package static func dotAndSquare(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int
  ) -> (dot: Double, square: Double) {
    var sums = (dot: 0.0, square: 0.0)
    fgn_dot_and_square_f32(x, y, n, &sums.dot, &sums.square)
    return sums
  }

  package static func descend(
    _ rule: SGDUpdate, gradient: UnsafePointer<Self>, parameters: UnsafeMutablePointer<Self>,
    velocity: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_sgd_f32(rule, gradient, parameters, velocity, n)
  }

  package static func descend(
    _ rule: AdamUpdate, gradient: UnsafePointer<Self>, parameters: UnsafeMutablePointer<Self>,
    firstMoment: UnsafeMutablePointer<Self>, secondMoment: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_adam_f32(rule, gradient, parameters, firstMoment, secondMoment, n)
  }

  package static func curvature(
    _ v: UnsafePointer<Self>, _ t: UnsafeMutablePointer<Self>, common: Self, complement: Self, mean: Self, _ n: Int
  ) {
    fgn_curvature_f32(v, t, common, complement, mean, n)
  }

  package static func activate(
    _ function: ActivationFunction, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>,
    derivative d: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    switch function {
    case .tanh: fgn_tanh_f32(x, y, d, n)
    case .sigmoid: fgn_sigmoid_f32(x, y, d, n)
    case .relu: fgn_relu_f32(x, y, d, n)
    case .gelu: fgn_gelu_f32(x, y, d, n)
    case .silu: fgn_silu_f32(x, y, d, n)
    }
  }

  package static func multiply(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_multiply_f32(x, y, z, n)
  }

  package static func im2col(
    _ image: UnsafePointer<Self>, _ window: Window, into patches: UnsafeMutablePointer<Self>, pitch: Int
  ) {
    fgn_im2col_f32(image, window, patches, pitch)
  }

  package static func col2im(
    _ patches: UnsafePointer<Self>, pitch: Int, _ window: Window, into image: UnsafeMutablePointer<Self>
  ) {
    fgn_col2im_f32(patches, pitch, window, image)
  }

  package static func maxPool(
    _ image: UnsafePointer<Self>, _ window: Window, into y: UnsafeMutablePointer<Self>,
    index: UnsafeMutablePointer<Self>
  ) {
    fgn_max_pool_f32(image, window, y, index)
  }

  package static func gather(
    _ x: UnsafePointer<Self>, _ index: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_gather_f32(x, index, y, n)
  }

  package static func scatter(
    _ y: UnsafePointer<Self>, _ index: UnsafePointer<Self>, _ n: Int, into x: UnsafeMutablePointer<Self>, count: Int
  ) {
    fgn_scatter_f32(y, index, n, x, count)
  }

  package static func averagePool(
    _ image: UnsafePointer<Self>, _ window: Window, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_average_pool_f32(image, window, y)
  }

  package static func averageUnpool(
    _ y: UnsafePointer<Self>, _ window: Window, into image: UnsafeMutablePointer<Self>
  ) {
    fgn_average_unpool_f32(y, window, image)
  }

  package static func transpose(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_transpose_f32(x, rows, columns, y)
  }

  package static func normalize(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, epsilon: Double, into y: UnsafeMutablePointer<Self>,
    inverse: UnsafeMutablePointer<Self>
  ) {
    fgn_normalize_f32(x, rows, columns, epsilon, y, inverse)
  }

  package static func sparseProduct(
    starts: UnsafePointer<Int>, columns: UnsafePointer<Int32>, values: UnsafePointer<Self>, rows: Int,
    _ w: UnsafePointer<Self>, _ n: Int, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_sparse_product_f32(starts, columns, values, rows, w, n, y)
  }

  package static func sparseTransposedProduct(
    columns: UnsafePointer<Int32>, starts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>,
    count: Int, factors: UnsafePointer<Self>?, _ d: UnsafePointer<Self>, _ n: Int,
    into g: UnsafeMutablePointer<Self>
  ) {
    fgn_sparse_transposed_product_f32(columns, starts, rows, values, count, factors, d, n, g)
  }

  package static func sparseDots(
    rowStarts: UnsafePointer<Int>, places: UnsafePointer<Int32>, rowValues: UnsafePointer<Self>, count: Int,
    columnStarts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>, _ range: Range<Int>,
    into y: UnsafeMutablePointer<Self>
  ) {
    fgn_sparse_dots_f32(
      rowStarts, places, rowValues, count, columnStarts, rows, values, range.lowerBound, range.upperBound, y)
  }

  package static func affine(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, weight: UnsafePointer<Self>, bias: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    fgn_affine_f32(x, rows, columns, weight, bias, y)
  }

  package static func affineVJP(
    _ x: UnsafePointer<Self>, _ g: UnsafePointer<Self>, rows: Int, pitch: Int, columns: Int,
    weight: UnsafeMutablePointer<Self>, bias: UnsafeMutablePointer<Self>
  ) {
    fgn_affine_vjp_f32(x, g, rows, pitch, columns, weight, bias)
  }

  package static func normalizeJVP(
    normal: UnsafePointer<Self>, inverse: UnsafePointer<Self>, _ dx: UnsafePointer<Self>, weight: UnsafePointer<Self>,
    rows: Int, columns: Int, into dy: UnsafeMutablePointer<Self>
  ) {
    fgn_normalize_jvp_f32(normal, inverse, dx, weight, rows, columns, dy)
  }

  package static func normalizeVJP(
    normal: UnsafePointer<Self>, inverse: UnsafePointer<Self>, _ g: UnsafePointer<Self>, weight: UnsafePointer<Self>,
    rows: Int, columns: Int, into dx: UnsafeMutablePointer<Self>
  ) {
    fgn_normalize_vjp_f32(normal, inverse, g, weight, rows, columns, dx)
  }

  package static func logistic(
    _ m: UnsafePointer<Self>, loss: UnsafeMutablePointer<Self>, p: UnsafeMutablePointer<Self>,
    q: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_logistic_f32(m, loss, p, q, n)
  }
}

/// Calls `body` with subnormal numbers counted as zero. Many processors take a hundred cycles for each of them, and features
/// that are zero but for rounding, as two of MiniLM's are with 10⁻³¹, make whole columns of products subnormal: backward
/// products then take twice their time. Terms below 10⁻³⁸ are lost, which no sum notices that is not itself so small.
private func flushingSubnormals(_ body: () -> Void) {
  let before = fgn_flush_subnormals()
  body()
  fgn_restore_subnormals(before)
}
