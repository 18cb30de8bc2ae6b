public import CKernels

@_documentation(visibility: internal)
extension Float: ImageKernels {
  public static func im2col(
    _ image: UnsafePointer<Self>, _ window: Window, into patches: UnsafeMutablePointer<Self>, pitch: Int
  ) {
    fgn_im2col_f32(image, window, patches, pitch)
  }

  public static func col2im(
    _ patches: UnsafePointer<Self>, pitch: Int, _ window: Window, into image: UnsafeMutablePointer<Self>
  ) {
    fgn_col2im_f32(patches, pitch, window, image)
  }

  public static func maxPool(
    _ image: UnsafePointer<Self>, _ window: Window, into y: UnsafeMutablePointer<Self>,
    index: UnsafeMutablePointer<Self>
  ) {
    fgn_max_pool_f32(image, window, y, index)
  }

  public static func gather(
    _ x: UnsafePointer<Self>, _ index: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, _ n: Int
  ) {
    fgn_gather_f32(x, index, y, n)
  }

  public static func scatter(
    _ y: UnsafePointer<Self>, _ index: UnsafePointer<Self>, _ n: Int, into x: UnsafeMutablePointer<Self>, count: Int
  ) {
    fgn_scatter_f32(y, index, n, x, count)
  }

  public static func averagePool(
    _ image: UnsafePointer<Self>, _ window: Window, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_average_pool_f32(image, window, y)
  }

  public static func averageUnpool(
    _ y: UnsafePointer<Self>, _ window: Window, into image: UnsafeMutablePointer<Self>
  ) {
    fgn_average_unpool_f32(y, window, image)
  }
}
