import LinearAlgebra

/// The mean of each channel: channels × height × width to channels × 1 × 1.
package struct GlobalAveragePooling: Layer, Equatable {
  package let input: ImageShape
  package var output: ImageShape { ImageShape(channels: input.channels, height: 1, width: 1) }

  package var inputCount: Int { input.count }
  package var outputCount: Int { input.channels }

  /// A channel of ones, the factor that forms sums.
  package func scratchCount(rows: Int) -> Int { area }

  private var area: Int { input.height * input.width }

  package init(_ input: ImageShape) { self.input = input }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    average(input, into: output, scratch)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    guard let inputTangent else { return outputTangent.elements.fill(0) }
    average(inputTangent, into: outputTangent, scratch)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    guard let inputCotangent else { return }
    let means = outputCotangent.elements
    Threads.parallel(means.count, grain: max(1, 1 << 15 / area)) { range in
      for channel in range {
        inputCotangent.elements[channel * area..<(channel + 1) * area].fill(means[channel] / Scalar(area))
      }
    }
  }

  /// All channels of all images are the rows of one matrix, times ones/area.
  private func average<Scalar: BLASScalar>(
    _ images: Matrix<Scalar>, into means: Matrix<Scalar>, _ scratch: Vector<Scalar>
  ) {
    let ones = scratch[0..<area]
    ones.fill(1)
    means.elements.assignProduct(
      Matrix(images.elements, means.elements.count, area), .no, ones, alpha: 1 / Scalar(area))
  }
}
