import LinearAlgebra

/// Reorders height × width × channels, which data files may have, to channels × height × width.
package struct ChannelsFirst: Layer, Equatable {
  package let output: ImageShape

  package var inputCount: Int { output.count }
  package var outputCount: Int { output.count }

  private var area: Int { output.height * output.width }

  /// `output` is the shape of the images, which have the same numbers in either order.
  package init(_ output: ImageShape) { self.output = output }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    output.assignTransposedRows(input, height: area, width: self.output.channels)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    guard let inputTangent else { return outputTangent.elements.fill(0) }
    outputTangent.assignTransposedRows(inputTangent, height: area, width: output.channels)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    inputCotangent?.assignTransposedRows(outputCotangent, height: output.channels, width: area)
  }
}
