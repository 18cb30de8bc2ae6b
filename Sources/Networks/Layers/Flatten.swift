import LinearAlgebra

/// An image as a flat row of features: the same numbers in the same order.
package struct Flatten: Layer, Equatable {
  package let inputCount: Int
  package var outputCount: Int { inputCount }
  package var worksInPlace: Bool { true }

  package init(count: Int) { inputCount = count }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    output.elements.assign(input.elements)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    guard let inputTangent else { return outputTangent.elements.fill(0) }
    outputTangent.elements.assign(inputTangent.elements)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    inputCotangent?.elements.assign(outputCotangent.elements)
  }
}
