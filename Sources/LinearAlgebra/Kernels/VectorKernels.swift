/// Passes over vectors: sums, combinations, and elementwise functions. A family of `BLASScalar`.
@_documentation(visibility: internal)
public protocol VectorKernels: BinaryFloatingPoint {
  static func max(_ x: UnsafePointer<Self>, _ n: Int) -> Self
  static func exponentials(_ x: UnsafeMutablePointer<Self>, shift: Self, _ n: Int) -> Double
  static func dot(_ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ n: Int) -> Double
  static func weightedMoments(_ w: UnsafePointer<Self>, _ x: UnsafePointer<Self>, _ n: Int) -> (Double, Double)
  /// Whether all numbers are finite.
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
  /// t ← v·(common − complement·(t − mean))
  static func curvature(
    _ v: UnsafePointer<Self>, _ t: UnsafeMutablePointer<Self>, common: Self, complement: Self, mean: Self, _ n: Int)
  /// y ← f(x), d ← f′(x)
  static func activate(
    _ function: ActivationFunction, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>,
    derivative d: UnsafeMutablePointer<Self>, _ n: Int)
  static func multiply(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, into z: UnsafeMutablePointer<Self>, _ n: Int)
  /// x_ij ← x_ij · b_j · a_i
  static func scale(
    _ x: UnsafeMutablePointer<Self>, rows: Int, columns: Int, by a: UnsafePointer<Self>, _ b: UnsafePointer<Self>)
  static func logistic(
    _ m: UnsafePointer<Self>, loss: UnsafeMutablePointer<Self>, p: UnsafeMutablePointer<Self>,
    q: UnsafeMutablePointer<Self>, _ n: Int)
}

/// Scalar functions that networks apply to each element.
public enum ActivationFunction: String, Codable, CaseIterable, Sendable {
  case tanh, sigmoid, relu, gelu, silu
}
