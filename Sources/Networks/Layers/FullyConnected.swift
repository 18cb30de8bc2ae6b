import LinearAlgebra

/// A layer whose parameters are a weight per input and output, in either order, followed by a bias per output if it has
/// biases.
package protocol FullyConnected: Layer {
  var hasBias: Bool { get }
}

extension FullyConnected {
  package var parameterShapes: [(name: String, shape: [Int])] {
    [("weight", [outputCount, inputCount])] + (hasBias ? [("bias", [outputCount])] : [])
  }

  /// The deviation of weights at the start: their variance is gain²/inputs.
  func weightDeviation(gain: Double) -> Double { gain / Double(inputCount).squareRoot() }

  /// Weights from a normal distribution, biases zero.
  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {
    weights(parameters).fillNormal(deviation: weightDeviation(gain: gain), using: &generator)
    bias(parameters)?.fill(0)
  }

  func weights<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> { parameters[0..<inputCount * outputCount] }

  /// The biases (outputs); nil without them.
  func bias<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar>? {
    hasBias ? parameters[inputCount * outputCount..<parameters.count] : nil
  }

  /// The place of the parameters in those of a network, where they begin at 0.
  func connection(isTransposed: Bool) -> Connection {
    Connection(start: 0, inputs: inputCount, outputs: outputCount, hasBias: hasBias, isTransposed: isTransposed)
  }
}
