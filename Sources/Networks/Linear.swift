import LinearAlgebra

/// z = W x + b for each row x: a fully connected layer, and by itself a softmax head.
package struct Linear: Layer, Equatable {
  package let inputCount: Int
  package let outputCount: Int

  package init(inputs: Int, outputs: Int) {
    precondition(inputs > 0 && outputs > 0, "a linear layer has inputs and outputs")
    inputCount = inputs
    outputCount = outputs
  }

  package var parameterShapes: [(name: String, shape: [Int])] {
    [("weight", [outputCount, inputCount]), ("bias", [outputCount])]
  }

  /// Weights from a normal distribution of variance 1/inputs, biases zero.
  package func initialize<Scalar: BLASScalar>(_ parameters: Vector<Scalar>, using generator: inout SplitMix64) {
    let weight = weight(parameters)
    let deviation = (1 / Double(inputCount)).squareRoot()
    for i in 0..<weight.elements.count { weight.elements[i] = Scalar(deviation * generator.nextNormal()) }
    bias(parameters).fill(0)
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>
  ) {
    output.assignRows(bias(parameters))
    output.assignProduct(input, .no, weight(parameters), .yes, beta: 1)
  }

  package func jvp<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, inputTangent: Matrix<Scalar>?,
    parameterTangent: Vector<Scalar>, outputTangent: Matrix<Scalar>
  ) {
    forward(input, parameterTangent, output: outputTangent)
    if let inputTangent {
      outputTangent.assignProduct(inputTangent, .no, weight(parameters), .yes, beta: 1)
    }
  }

  package func vjp<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, outputCotangent: Matrix<Scalar>,
    parameterCotangent: Vector<Scalar>, inputCotangent: Matrix<Scalar>?
  ) {
    weight(parameterCotangent).assignProduct(outputCotangent, .yes, input, .no)
    bias(parameterCotangent).assignColumnSums(outputCotangent)
    inputCotangent?.assignProduct(outputCotangent, .no, weight(parameters), .no)
  }

  private func weight<Scalar>(_ parameters: Vector<Scalar>) -> Matrix<Scalar> {
    Matrix(parameters[0..<outputCount * inputCount], outputCount, inputCount)
  }

  private func bias<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> {
    parameters[outputCount * inputCount..<parameters.count]
  }
}
