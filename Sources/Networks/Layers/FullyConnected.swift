import LinearAlgebra

/// A layer whose parameters are a weight per input and output, in either order, followed by a bias per output.
package protocol FullyConnected: Layer {}

extension FullyConnected {
  package var parameterShapes: [(name: String, shape: [Int])] {
    [("weight", [outputCount, inputCount]), ("bias", [outputCount])]
  }

  /// Weights from a normal distribution of variance gain²/inputs, biases zero.
  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {
    weights(parameters).fillNormal(deviation: gain / Double(inputCount).squareRoot(), using: &generator)
    bias(parameters).fill(0)
  }

  func weights<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> { parameters[0..<inputCount * outputCount] }

  func bias<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> {
    parameters[inputCount * outputCount..<parameters.count]
  }
}
