public import CKernels

@_documentation(visibility: internal)
extension Double: UpdateKernels {
  public static func advance(
    _ a: Self, _ s: UnsafeMutablePointer<Self>, _ z: UnsafePointer<Self>, _ b: Self, _ u: UnsafeMutablePointer<Self>,
    _ n: Int
  ) -> (u: Double, z: Double) {
    var squares = (u: 0.0, z: 0.0)
    fgn_advance_f64(a, s, z, b, u, n, &squares.u, &squares.z)
    return squares
  }

  public static func sumSquare(
    _ g: UnsafePointer<Self>, _ a: Self, _ x: UnsafePointer<Self>, _ n: Int
  ) -> Double {
    fgn_sum_square_f64(g, a, x, n)
  }

  public static func subtract(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafePointer<Self>, from r: UnsafeMutablePointer<Self>,
    _ n: Int
  ) -> Double {
    fgn_subtract_f64(a, x, b, y, r, n)
  }

  public static func lookAhead(
    _ a: Self, _ x: UnsafePointer<Self>, _ b: Self, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>,
    sum: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_look_ahead_f64(a, x, b, y, z, sum, n)
  }

  public static func goOn(
    _ a: Self, _ y: UnsafePointer<Self>, _ z: UnsafePointer<Self>, rate: Self, _ x: UnsafeMutablePointer<Self>,
    step: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_go_on_f64(a, y, z, rate, x, step, n)
  }

  public static func dotAndSquare(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int
  ) -> (dot: Double, square: Double) {
    var sums = (dot: 0.0, square: 0.0)
    fgn_dot_and_square_f64(x, y, n, &sums.dot, &sums.square)
    return sums
  }

  public static func descend(
    _ rule: SGDUpdate, gradient: UnsafePointer<Self>, parameters: UnsafeMutablePointer<Self>,
    velocity: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_sgd_f64(rule, gradient, parameters, velocity, n)
  }

  public static func descend(
    _ rule: AdamUpdate, gradient: UnsafePointer<Self>, parameters: UnsafeMutablePointer<Self>,
    firstMoment: UnsafeMutablePointer<Self>, secondMoment: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_adam_f64(rule, gradient, parameters, firstMoment, secondMoment, n)
  }
}
