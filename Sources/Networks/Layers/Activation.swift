import LinearAlgebra

/// y = f(x), element by element.
package struct Activation: Layer, Equatable {
  package let function: ActivationFunction
  package let inputCount: Int
  package var outputCount: Int { inputCount }
  package var worksInPlace: Bool { true }

  /// f′(x), computed once with f, so that a product is one multiplication per element.
  package var cacheCount: Int { inputCount }
  /// f′(x) in an evaluation, where it is not read.
  package func scratchCount(rows: Int) -> Int { rows * inputCount }

  package init(_ function: ActivationFunction, count: Int) {
    self.function = function
    inputCount = count
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    output.elements.assignActivation(
      function, of: input.elements, derivative: cache ?? scratch[0..<input.elements.count])
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    guard let inputTangent else { return outputTangent.elements.fill(0) }
    outputTangent.elements.assignProduct(inputTangent.elements, by: point.cache)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    inputCotangent?.elements.assignProduct(outputCotangent.elements, by: point.cache)
  }
}
