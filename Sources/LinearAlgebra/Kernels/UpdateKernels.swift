/// Updates of vectors by solvers and optimizers in one pass. A family of `BLASScalar`.
@_documentation(visibility: internal)
public protocol UpdateKernels: BinaryFloatingPoint {
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
}
