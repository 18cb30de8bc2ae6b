internal import CKernels

extension Float: VectorKernels {
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

  package static func logistic(
    _ m: UnsafePointer<Self>, loss: UnsafeMutablePointer<Self>, p: UnsafeMutablePointer<Self>,
    q: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_logistic_f32(m, loss, p, q, n)
  }
}
