import LinearAlgebra

/// z = W x + b for each row x, or W x without biases: a fully connected layer, and by itself a softmax head.
package struct Linear: FullyConnected, Equatable {
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
    apply(parameters, to: input, output: output)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    apply(parameterTangent, to: point.input, output: outputTangent)
    if let inputTangent {
      outputTangent.assignProduct(inputTangent, .no, weight(point.parameters), .yes, beta: 1)
    }
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    weight(parameterCotangent).assignProduct(outputCotangent, .yes, point.input, .no)
    bias(parameterCotangent)?.assignColumnSums(outputCotangent)
    inputCotangent?.assignProduct(outputCotangent, .no, weight(point.parameters), .no)
  }

  package var scaledCount: Int { min(inputCount, outputCount) }

  /// Scales the narrower side of the product.
  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, scaledBy factors: Vector<Scalar>,
    parameterCotangent: Vector<Scalar>, room: Vector<Scalar>, scratch: Vector<Scalar>
  ) {
    let narrow = inputCount < outputCount ? point.input : outputCotangent
    let scaled = Matrix(room[0..<narrow.elements.count], narrow.rows, narrow.columns)
    scaled.assignRows(of: narrow, scaledBy: factors)
    let (inputs, cotangents) = inputCount < outputCount ? (scaled, outputCotangent) : (point.input, scaled)
    weight(parameterCotangent).assignProduct(cotangents, .yes, inputs, .no)
    bias(parameterCotangent)?.assignProduct(outputCotangent, .yes, factors)
  }

  package var connections: [Connection] { [connection(isTransposed: false)] }
  package var rowGradientCount: Int { inputCount + outputCount }
  package var rowGradientCounts: (first: Int, second: Int) { (inputCount, outputCount) }

  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    keep(LayerCotangent(self, parts))
    try visit(
      .products(
        inputs: parts.all.map(\.point.input), cotangents: parts.all.map(\.outputCotangent), hasBias: hasBias))
    parts.forEach { _, part in
      part.inputCotangent?.assignProduct(part.outputCotangent, .no, weight(part.point.parameters), .no)
    }
  }

  private func apply<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, to input: Matrix<Scalar>, output: Matrix<Scalar>
  ) {
    let bias = bias(parameters)
    if let bias { output.assignRows(bias) }
    output.assignProduct(input, .no, weight(parameters), .yes, beta: bias == nil ? 0 : 1)
  }

  private func weight<Scalar>(_ parameters: Vector<Scalar>) -> Matrix<Scalar> {
    Matrix(weights(parameters), outputCount, inputCount)
  }
}
