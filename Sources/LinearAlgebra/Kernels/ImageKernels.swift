/// Windows on images: patches and pooling. A family of `BLASScalar`.
@_documentation(visibility: internal)
public protocol ImageKernels: BinaryFloatingPoint {
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
}
