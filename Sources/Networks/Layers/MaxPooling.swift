import LinearAlgebra

/// The largest number under a square window, per channel; padding counts as −∞.
///
/// Among equal numbers the first in row-major order is taken, and NaN exceeds all numbers, both as in PyTorch.
package struct MaxPooling: Layer {
  package let input: ImageShape
  package let output: ImageShape
  private let window: Window

  package var inputCount: Int { input.count }
  package var outputCount: Int { output.count }

  /// The index of each output in its image, as a number of the scalar type: exact, since images have fewer than 2²⁴
  /// numbers.
  package var cacheCount: Int { outputCount }
  /// The indices in an evaluation, where they are not read.
  package func scratchCount(rows: Int) -> Int { rows * outputCount }

  /// nil if the kernel is larger than the padded image, if the padding exceeds half of the kernel (a window could then
  /// contain padding only), or if an image has 2²⁴ numbers or more.
  package init?(_ input: ImageShape, kernel: Int, stride: Int, padding: Int = 0) {
    guard let window = Window(over: input, kernel: kernel, stride: stride, padding: padding),
      padding <= kernel / 2, input.count < Window.poolingLimit
    else { return nil }
    self.input = input
    self.output = ImageShape(channels: input.channels, height: window.out_height, width: window.out_width)
    self.window = window
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    output.assignMaxima(of: input, window, indices: cache ?? scratch[0..<output.elements.count])
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    guard let inputTangent else { return outputTangent.elements.fill(0) }
    outputTangent.assignGathered(inputTangent, indices: point.cache)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    inputCotangent?.assignScattered(outputCotangent, indices: point.cache)
  }
}
