import LinearAlgebra

/// Channels, height and width of an image; a row of a matrix holds the image in this order, as in PyTorch.
package struct ImageShape: Equatable, Sendable {
  package var channels: Int
  package var height: Int
  package var width: Int

  package var count: Int { channels * height * width }

  package init(channels: Int, height: Int, width: Int) {
    precondition(channels > 0 && height > 0 && width > 0, "an image has channels and pixels")
    self.channels = channels
    self.height = height
    self.width = width
  }
}

extension Window {
  /// A square window over images of `shape`; nil if it does not fit into the padded image.
  init?(over shape: ImageShape, kernel: Int, stride: Int, padding: Int) {
    precondition(kernel > 0 && stride > 0 && padding >= 0, "a window has a size and a stride")
    let (height, width) = (shape.height + 2 * padding - kernel, shape.width + 2 * padding - kernel)
    guard height >= 0, width >= 0 else { return nil }
    self.init(
      channels: shape.channels, height: shape.height, width: shape.width, kernel: kernel, stride: stride,
      padding: padding, out_height: height / stride + 1, out_width: width / stride + 1)
  }
}
