import LinearAlgebra

/// The network at one point θ and one batch: its logits, and products with its Jacobian J = ∂z/∂θ.
///
/// Owns the activations of the batch: `linearize` once, then any number of `jvp` and `vjp`. Rows are this rank's shard
/// of the global batch (`#b`), possibly none. Every call is local.
package final class Linearization<Scalar: BLASScalar> {
  package let network: Network
  private let capacity: Int
  private var rows = 0

  private let cacheStorage: Vector<Scalar>
  private let scratch: Vector<Scalar>
  /// Scratch of row gradients, from the first time that they are asked for.
  private var gradientScratch = Vector<Scalar>(zeros: 0)
  /// The layers' cotangents of the last row gradients, and where those are that were copied.
  private var kept: [LayerCotangent<Scalar>] = []
  private var copies: [Vector<Scalar>] = []
  /// Room for what a product scales by row.
  private var scaledStorage = Vector<Scalar>(zeros: 0)
  private let logitsStorage: Matrix<Scalar>
  private let tangentStorage: Matrix<Scalar>
  private var inputs: Matrix<Scalar>
  private var parameters: Vector<Scalar>

  /// Allocates for batches of at most `capacity` local rows.
  package init(_ network: Network, capacity: Int) {
    self.network = network
    self.capacity = capacity
    cacheStorage = Vector(zeros: capacity * network.body.cacheCount)
    scratch = Vector(zeros: network.body.scratchCount(rows: capacity))
    logitsStorage = Matrix(zeros: capacity, network.outputCount)
    tangentStorage = Matrix(zeros: capacity, network.outputCount)
    inputs = Matrix(zeros: 0, network.inputCount)
    parameters = Vector(zeros: 0)
  }

  /// The logits of the batch (#b × C), until the next `linearize`. The owner of the step may overwrite them.
  package var logits: Matrix<Scalar> { logitsStorage[rows: 0..<rows] }

  /// A #b × C matrix for cotangents of the logits. It is also where `jvp` leaves its result.
  package var outputScratch: Matrix<Scalar> { tangentStorage[rows: 0..<rows] }

  private var point: LayerPoint<Scalar> {
    LayerPoint(input: inputs, parameters: parameters, cache: cacheStorage[0..<rows * network.body.cacheCount])
  }

  /// Evaluates the network at `parameters` (P) on `inputs` (#b × d) and keeps what the products need.
  ///
  /// Neither is copied: both must keep their values as long as products are asked for.
  package func linearize(at parameters: Vector<Scalar>, on inputs: Matrix<Scalar>) {
    precondition(inputs.rows <= capacity && inputs.columns == network.inputCount, "the batch does not fit")
    rows = inputs.rows
    self.parameters = parameters
    self.inputs = inputs
    network.body.forward(inputs, parameters, output: logits, cache: point.cache, scratch: scratch)
  }

  /// J u: the tangent of the logits (#b × C) along `tangent` (P). Valid until the next call.
  package func jvp(_ tangent: Vector<Scalar>) -> Matrix<Scalar> {
    network.body.jvp(
      at: point, inputTangent: nil, parameterTangent: tangent, outputTangent: outputScratch, scratch: scratch)
    return outputScratch
  }

  /// gradient ← Jᵀ `cotangent` (#b × C → P), summed over the local rows.
  package func vjp(_ cotangent: Matrix<Scalar>, into gradient: Vector<Scalar>) {
    vjp(cotangent, into: gradient, finished: { _ in })
  }

  /// The same; calls `finished` with each part of the gradient that is complete, layer by layer from the last to the
  /// first.
  package func vjp<Failure: Error>(
    _ cotangent: Matrix<Scalar>, into gradient: Vector<Scalar>, finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    try network.body.vjp(
      at: point, outputCotangent: cotangent, parameterCotangent: gradient, inputCotangent: nil, scratch: scratch,
      finished: finished)
  }

  /// Hands over the gradients of the rows with respect to all parameters, J_iᵀ `cotangent`_i, part by part from the last
  /// layer to the first.
  ///
  /// - Parameter keepsCotangents: for `vjp(scaledBy:into:finished:)`; `cotangent` itself is not copied.
  package func rowGradients<Failure: Error>(
    _ cotangent: Matrix<Scalar>, keepsCotangents: Bool = false,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    gradientScratch.grow(to: network.body.rowGradientScratchCount(rows: capacity))
    kept = []
    var copied = 0
    try network.body.rowGradients(
      at: point, outputCotangent: cotangent, inputCotangent: nil, scratch: gradientScratch,
      keep: { part in
        guard keepsCotangents else { return }
        if part.cotangent.elements.isSame(as: cotangent.elements) { return kept.append(part) }
        if copied == copies.count { copies.append(Vector(zeros: capacity * part.cotangent.columns)) }
        kept.append(part.kept(in: copies[copied]))
        copied += 1
      }, visit: visit)
  }

  /// gradient ← Σ_i factors_i J_iᵀ `cotangent`_i over the local rows (#b), of the cotangents that `rowGradients` has kept: no
  /// layer's cotangent is found again. The rest is like `vjp`.
  ///
  /// - Parameter assigns: may fill in the gradient of a single layer itself, given its part of the parameters.
  package func vjp<Failure: Error>(
    scaledBy factors: Vector<Scalar>, into gradient: Vector<Scalar>,
    assigns: (Range<Int>, Vector<Scalar>) -> Bool = { _, _ in false }, finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(!kept.isEmpty, "row gradients come first")
    for part in kept {
      if assigns(part.range, gradient[part.range]) {
        try finished(part.range)
        continue
      }
      scaledStorage.grow(to: capacity * part.layer.scaledCount)
      part.layer.vjp(
        at: part.point, outputCotangent: part.cotangent, scaledBy: factors, parameterCotangent: gradient[part.range],
        room: scaledStorage, scratch: scratch)
      try finished(part.range)
    }
  }

  /// The logits at other parameters on `rows` of the same batch (#rows × C), in `outputScratch`. Keeps the linearization.
  package func logits(at parameters: Vector<Scalar>, rows: Range<Int>) -> Matrix<Scalar> {
    let output = outputScratch[rows: rows]
    network.body.forward(inputs[rows: rows], parameters, output: output, cache: nil, scratch: scratch)
    return output
  }
}
