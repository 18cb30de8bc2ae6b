/// Rows of mean 0 and variance 1, and their derivatives. A family of `BLASScalar`.
@_documentation(visibility: internal)
public protocol NormalizationKernels: BinaryFloatingPoint {
  static func normalize(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, epsilon: Double, into y: UnsafeMutablePointer<Self>,
    inverse: UnsafeMutablePointer<Self>)
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
}
