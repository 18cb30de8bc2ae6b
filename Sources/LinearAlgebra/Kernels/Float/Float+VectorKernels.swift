internal import CKernels

@_documentation(visibility: internal)
extension Float: VectorKernels {
  public static func max(_ x: UnsafePointer<Self>, _ n: Int) -> Self { fgn_max_f32(x, n) }

  public static func exponentials(_ x: UnsafeMutablePointer<Self>, shift: Self, _ n: Int) -> Double {
    fgn_exp_f32(x, shift, n)
  }

  public static func dot(_ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int) -> Double {
    fgn_dot_f32(x, y, n)
  }

  public static func weightedMoments(
    _ w: UnsafePointer<Self>, _ x: UnsafePointer<Self>, _ n: Int
  ) -> (Double, Double) {
    var moments = (0.0, 0.0)
    fgn_weighted_moments_f32(w, x, n, &moments.0, &moments.1)
    return moments
  }

  public static func isFinite(_ x: UnsafePointer<Self>, _ n: Int) -> Bool { fgn_is_finite_f32(x, n) != 0 }

  public static func fill(_ x: UnsafeMutablePointer<Self>, _ value: Self, _ n: Int) {
    x.update(repeating: value, count: n)
  }

  public static func scale(_ a: Self, _ x: UnsafeMutablePointer<Self>, _ n: Int) { fgn_scale_f32(a, x, n) }

  public static func combine(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_combine_f32(a, x, b, y, n)
  }

  public static func addProducts(
    _ x: UnsafePointer<Self>, _ a: Self, _ y: UnsafePointer<Self>, _ b: Self, into z: UnsafeMutablePointer<Self>,
    _ n: Int
  ) {
    fgn_add_products_f32(x, a, y, b, z, n)
  }

  public static func addDots(
    _ x: UnsafePointer<Self>, _ a: Self, _ y: UnsafePointer<Self>, _ T: Int, _ b: Self,
    into z: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_add_dots_f32(x, a, y, T, b, z, n)
  }

  public static func curvature(
    _ v: UnsafePointer<Self>, _ t: UnsafeMutablePointer<Self>, common: Self, complement: Self, mean: Self, _ n: Int
  ) {
    fgn_curvature_f32(v, t, common, complement, mean, n)
  }

  public static func activate(
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

  public static func multiply(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_multiply_f32(x, y, z, n)
  }

  public static func scale(
    _ x: UnsafeMutablePointer<Self>, rows: Int, columns: Int, by a: UnsafePointer<Self>, _ b: UnsafePointer<Self>
  ) {
    fgn_scale_matrix_f32(x, a, b, rows, columns)
  }

  public static func logistic(
    _ m: UnsafePointer<Self>, loss: UnsafeMutablePointer<Self>, p: UnsafeMutablePointer<Self>,
    q: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_logistic_f32(m, loss, p, q, n)
  }
}
