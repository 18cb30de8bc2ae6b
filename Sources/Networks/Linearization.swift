import LinearAlgebra

/// The network at one point θ and one batch: its logits, and products with its Jacobian J = ∂z/∂θ.
///
/// Owns the activations of the batch: `linearize` once, then any number of `jvp` and `vjp`. Rows are this rank's shard
/// of the global batch (`#b`), possibly none. Every call is local.
package final class Linearization<Scalar: BLASScalar> {
  package let network: Network
  private let capacity: Int
  private var rows = 0

  /// Input of the first layer, then the output of every layer but the last.
  private var activations: [Matrix<Scalar>]
  private let activationScratch: [Matrix<Scalar>]
  /// One per layer: the tangent of its output; on the way back the cotangent.
  private let tangentScratch: [Matrix<Scalar>]
  private let logitsScratch: Matrix<Scalar>
  private var parameters: Vector<Scalar>

  /// Allocates for batches of at most `capacity` local rows.
  package init(_ network: Network, capacity: Int) {
    self.network = network
    self.capacity = capacity
    activationScratch = network.layers.dropLast().map { Matrix(zeros: capacity, $0.outputCount) }
    tangentScratch = network.layers.map { Matrix(zeros: capacity, $0.outputCount) }
    logitsScratch = Matrix(zeros: capacity, network.outputCount)
    activations = []
    parameters = Vector(zeros: 0)
  }

  /// The logits of the batch (#b × C), until the next `linearize`. The owner of the step may overwrite them.
  package var logits: Matrix<Scalar> { logitsScratch[rows: 0..<rows] }

  /// A #b × C matrix for cotangents of the logits. It is also where `jvp` leaves its result.
  package var outputScratch: Matrix<Scalar> { tangentScratch.last![rows: 0..<rows] }

  /// Evaluates the network at `parameters` (P) on `inputs` (#b × d) and keeps what the products need.
  ///
  /// Neither is copied: both must keep their values as long as products are asked for.
  package func linearize(at parameters: Vector<Scalar>, on inputs: Matrix<Scalar>) {
    precondition(inputs.rows <= capacity && inputs.columns == network.inputCount, "the batch does not fit")
    rows = inputs.rows
    self.parameters = parameters
    activations = [inputs] + activationScratch.map { $0[rows: 0..<rows] }
    for (index, layer) in network.layers.enumerated() {
      let output = index + 1 < activations.count ? activations[index + 1] : logits
      layer.forward(activations[index], parameters[network.parameterRanges[index]], output: output)
    }
  }

  /// J u: the tangent of the logits (#b × C) along `tangent` (P). Valid until the next call.
  package func jvp(_ tangent: Vector<Scalar>) -> Matrix<Scalar> {
    var inputTangent: Matrix<Scalar>?
    for (index, layer) in network.layers.enumerated() {
      let range = network.parameterRanges[index]
      let outputTangent = tangentScratch[index][rows: 0..<rows]
      layer.jvp(
        activations[index], parameters[range], inputTangent: inputTangent, parameterTangent: tangent[range],
        outputTangent: outputTangent)
      inputTangent = outputTangent
    }
    return inputTangent!
  }

  /// gradient ← Jᵀ `cotangent` (#b × C → P), summed over the local rows.
  package func vjp(_ cotangent: Matrix<Scalar>, into gradient: Vector<Scalar>) {
    var outputCotangent = cotangent
    for (index, layer) in network.layers.enumerated().reversed() {
      let range = network.parameterRanges[index]
      let inputCotangent = index > 0 ? tangentScratch[index - 1][rows: 0..<rows] : nil
      layer.vjp(
        activations[index], parameters[range], outputCotangent: outputCotangent, parameterCotangent: gradient[range],
        inputCotangent: inputCotangent)
      if let inputCotangent { outputCotangent = inputCotangent }
    }
  }

  /// The logits at other parameters on the same batch (#b × C), in `outputScratch`. Keeps the linearization.
  package func logits(at parameters: Vector<Scalar>) -> Matrix<Scalar> {
    var input = activations[0]
    for (index, layer) in network.layers.enumerated() {
      let output = tangentScratch[index][rows: 0..<rows]
      layer.forward(input, parameters[network.parameterRanges[index]], output: output)
      input = output
    }
    return input
  }
}
