import LinearAlgebra

/// The mean of the kernel² numbers under a square window, per channel; zeros of the padding count.
package struct AveragePooling: Layer {
  package let input: ImageShape
  package let output: ImageShape
  private let window: Window

  package var inputCount: Int { input.count }
  package var outputCount: Int { output.count }

  /// nil if the kernel is larger than the padded image, or the padding more than half of the kernel, as in PyTorch.
  package init?(_ input: ImageShape, kernel: Int, stride: Int, padding: Int = 0) {
    guard let window = Window(over: input, kernel: kernel, stride: stride, padding: padding), padding <= kernel / 2
    else { return nil }
    self.input = input
    self.output = ImageShape(channels: input.channels, height: window.out_height, width: window.out_width)
    self.window = window
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    output.assignMeans(of: input, window)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    guard let inputTangent else { return outputTangent.elements.fill(0) }
    outputTangent.assignMeans(of: inputTangent, window)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    inputCotangent?.assignMeansAdjoint(outputCotangent, window)
  }
}
