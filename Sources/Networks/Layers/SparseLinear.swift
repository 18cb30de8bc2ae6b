import LinearAlgebra

/// z = Wᵀx + b for each sparse row x, or Wᵀx without biases: a fully connected first layer, and by itself a softmax head.
///
/// W is inputs × outputs, the transpose of `Linear`'s weight, so that each entry of x reads a contiguous row: in
/// PyTorch, an `EmbeddingBag(inputs, outputs, mode: sum)` with `per_sample_weights`, and a bias. Only arrays with the
/// shape of the parameters are dense: a product takes (#b's entries) · outputs multiplications, and a vjp also writes
/// the zeros of features that no row has.
package struct SparseLinear: FullyConnected, Equatable {
  package let inputCount: Int
  package let outputCount: Int
  package let hasBias: Bool

  package init(inputs: Int, outputs: Int, hasBias: Bool = true) {
    precondition(inputs > 0 && outputs >= 0, "a linear layer has inputs")
    inputCount = inputs
    outputCount = outputs
    self.hasBias = hasBias
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    preconditionFailure("the layer takes sparse inputs")
  }

  package func forward<Scalar: BLASScalar>(
    _ input: CSRMatrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    apply(parameters, to: input, output: output)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    precondition(inputTangent == nil, "no layer comes before a sparse one")
    apply(parameterTangent, to: point.sparseInput, output: outputTangent)
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    precondition(inputCotangent == nil, "no layer comes before a sparse one")
    weight(parameterCotangent).assignTransposedProduct(point.sparseInput, outputCotangent)
    bias(parameterCotangent)?.assignColumnSums(outputCotangent)
  }

  package var scaledCount: Int { 0 }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, scaledBy factors: Vector<Scalar>,
    parameterCotangent: Vector<Scalar>, room: Vector<Scalar>, scratch: Vector<Scalar>
  ) {
    weight(parameterCotangent).assignTransposedProduct(point.sparseInput, outputCotangent, scaledBy: factors)
    bias(parameterCotangent)?.assignProduct(outputCotangent, .yes, factors)
  }

  package var rowGradientCount: Int { outputCount }
  package var rowGradientCounts: (first: Int, second: Int) { (0, outputCount) }

  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    keep(LayerCotangent(self, parts))
    try visit(
      .sparseProducts(
        inputs: parts.all.map(\.point.sparseInput), cotangents: parts.all.map(\.outputCotangent), hasBias: hasBias))
  }

  private func apply<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, to input: CSRMatrix<Scalar>, output: Matrix<Scalar>
  ) {
    if let bias = bias(parameters) { output.assignRows(bias) } else { output.elements.fill(0) }
    output.addProduct(input, weight(parameters))
  }

  private func weight<Scalar>(_ parameters: Vector<Scalar>) -> Matrix<Scalar> {
    Matrix(weights(parameters), inputCount, outputCount)
  }
}
