import LinearAlgebra

/// The logits of a network without products: keeps no activations of the batch.
public final class ForwardPass<Scalar: BLASScalar> {
  public let network: Network
  private let capacity: Int
  private let scratch: Vector<Scalar>
  private let logits: Matrix<Scalar>

  /// Allocates memory for batches of at most `capacity` rows.
  public init(_ network: Network, capacity: Int) {
    self.network = network
    self.capacity = capacity
    scratch = Vector(zeros: network.body.scratchCount(rows: capacity))
    logits = Matrix(zeros: capacity, network.outputCount)
  }

  /// The logits at `parameters` (P) of `inputs` (b × d): b × C, valid until the next call. The caller may overwrite
  /// them.
  public func callAsFunction(_ parameters: Vector<Scalar>, _ inputs: Matrix<Scalar>) -> Matrix<Scalar> {
    self(parameters, .dense(inputs))
  }

  /// The logits at `parameters` (P) of dense or sparse `inputs` (b × d): b × C, valid until the next call. The caller
  /// may overwrite them.
  public func callAsFunction(_ parameters: Vector<Scalar>, _ inputs: Inputs<Scalar>) -> Matrix<Scalar> {
    precondition(inputs.rows <= capacity, "the batch does not fit")
    network.check(inputs)
    let result = logits[rows: 0..<inputs.rows]
    network.body.forward(inputs, parameters, output: result, cache: nil, scratch: scratch)
    return result
  }
}

extension Network {
  /// Numbers in memory per row of a forward pass: its input if that is dense, the memory of layers, and its logits.
  package var forwardCount: Int {
    // The count is taken over many rows, so that the constant memory of layers does not matter.
    let rows = 4096
    return (takesSparseInputs ? 0 : inputCount) + (body.scratchCount(rows: 2 * rows) - body.scratchCount(rows: rows))
      / rows + outputCount
  }
}
