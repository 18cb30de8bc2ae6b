internal import CKernels

@_documentation(visibility: internal)
extension Float: NormalizationKernels {
  public static func normalize(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, epsilon: Double, into y: UnsafeMutablePointer<Self>,
    inverse: UnsafeMutablePointer<Self>
  ) {
    fgn_normalize_f32(x, rows, columns, epsilon, y, inverse)
  }

  public static func affine(
    _ x: UnsafePointer<Self>, rows: Int, columns: Int, weight: UnsafePointer<Self>, bias: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    fgn_affine_f32(x, rows, columns, weight, bias, y)
  }

  public static func affineVJP(
    _ x: UnsafePointer<Self>, _ g: UnsafePointer<Self>, rows: Int, pitch: Int, columns: Int,
    weight: UnsafeMutablePointer<Self>, bias: UnsafeMutablePointer<Self>
  ) {
    fgn_affine_vjp_f32(x, g, rows, pitch, columns, weight, bias)
  }

  public static func normalizeJVP(
    normal: UnsafePointer<Self>, inverse: UnsafePointer<Self>, _ dx: UnsafePointer<Self>, weight: UnsafePointer<Self>,
    rows: Int, columns: Int, into dy: UnsafeMutablePointer<Self>
  ) {
    fgn_normalize_jvp_f32(normal, inverse, dx, weight, rows, columns, dy)
  }

  public static func normalizeVJP(
    normal: UnsafePointer<Self>, inverse: UnsafePointer<Self>, _ g: UnsafePointer<Self>, weight: UnsafePointer<Self>,
    rows: Int, columns: Int, into dx: UnsafeMutablePointer<Self>
  ) {
    fgn_normalize_vjp_f32(normal, inverse, g, weight, rows, columns, dx)
  }
}
