import LinearAlgebra

/// The gradients of single rows of a map, and sums of them with factors.
package protocol RowGradientProducts: ParametricMap {
  /// parameterCotangent ← (∂f/∂parameters)ᵀ diag(`factors`) outputCotangent, with one factor per row.
  ///
  /// - Parameter room: memory for `scaledCount` numbers per row.
  func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, scaledBy factors: Vector<Scalar>,
    parameterCotangent: Vector<Scalar>, room: Vector<Scalar>, scratch: Vector<Scalar>)
  var scaledCount: Int { get }

  /// The fully connected layers on dense inputs, in order. `rowGradients` passes on their gradients as products, in the
  /// opposite order.
  var connections: [Connection] { get }

  /// Numbers of scratch that `rowGradients` needs for `rows` rows.
  func rowGradientScratchCount(rows: Int) -> Int

  /// Multiplications for the inner product of two rows' gradients.
  var rowGradientCount: Int { get }

  /// Numbers per row in the cotangents that `rowGradients` passes to `keep`.
  var keptCotangentCount: Int { get }

  /// The largest count of numbers per row that `rowGradients` passes on at a time: inputs or whole gradients, and
  /// cotangents.
  var rowGradientCounts: (first: Int, second: Int) { get }

  /// Computes the parameter cotangents of all parts of the rows as `vjp` does, but passes them to `visit` row by row
  /// instead of summing them, as `RowGradients`; one layer may call `visit` several times. The data is valid until
  /// `visit` returns. Before that, `keep` gets the cotangent of each single layer that has parameters.
  func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure)
}

/// A fully connected layer within the parameters: weights (outputs × inputs, row by row), then biases (outputs) if it has
/// them.
package struct Connection: Equatable, Sendable {
  package let start, inputs, outputs: Int
  package let hasBias: Bool
  /// Whether the weights are inputs × outputs, as those of a layer on sparse inputs are.
  package var isTransposed = false

  /// The columns of [W | b], and of the rows [h | 1] that it multiplies: the inputs, and the bias's 1 where there is one.
  package var columns: Int { inputs + (hasBias ? 1 : 0) }

  package var range: Range<Int> { start..<start + outputs * columns }

  /// The weights (outputs × inputs) and the biases (outputs) in its part of a vector in the parameter space; nil for the
  /// biases that it does not have.
  ///
  /// - Precondition: it is not transposed.
  package func split<Scalar>(_ part: Vector<Scalar>) -> (weights: Matrix<Scalar>, biases: Vector<Scalar>?) {
    precondition(!isTransposed && part.count == range.count, "the part does not fit")
    let count = outputs * inputs
    return (Matrix(part[0..<count], outputs, inputs), hasBias ? part[count..<part.count] : nil)
  }

  /// The same, where its parameters begin `offset` later.
  package func shifted(by offset: Int) -> Connection {
    Connection(start: start + offset, inputs: inputs, outputs: outputs, hasBias: hasBias, isTransposed: isTransposed)
  }
}

/// The gradients of single rows with respect to parameters of a layer (#b of them, in their parts), in the form with
/// the cheapest inner products.
package enum RowGradients<Scalar: BLASScalar> {
  /// Row i has the gradient cotangents_i ⊗ [inputs_i | 1], of a weight and its bias, or cotangents_i ⊗ inputs_i of a weight
  /// alone.
  case products(inputs: [Matrix<Scalar>], cotangents: [Matrix<Scalar>], hasBias: Bool)
  /// Row i has the gradient [inputs_i | 1] ⊗ cotangents_i, of a weight with shape inputs × outputs and its bias, if there is
  /// one; the inputs are sparse and sorted by columns.
  case sparseProducts(inputs: [CSRMatrix<Scalar>], cotangents: [Matrix<Scalar>], hasBias: Bool)
  /// Row i has the gradient Σ_t cotangents_(iT+t) ⊗ [inputs_(iT+t) | 1], of a convolution with T positions.
  case positionProducts(inputs: [Matrix<Scalar>], cotangents: [Matrix<Scalar>], positions: Int)
  /// The gradients themselves, as rows.
  case rows([Matrix<Scalar>])

  /// Whether they are of a fully connected layer.
  package var areOfConnection: Bool {
    switch self {
    case .products, .sparseProducts: true
    case .positionProducts, .rows: false
    }
  }
}

/// The cotangent at the outputs of a single layer (#b × outputs, in its parts), and the other data that determines its
/// parameter cotangents.
package struct LayerCotangent<Scalar: BLASScalar> {
  let layer: any Layer
  /// The layer's range of the parameters.
  let range: Range<Int>
  let parts: [(point: LayerPoint<Scalar>, cotangent: Matrix<Scalar>)]

  init(_ layer: some Layer, _ parts: Parts<LayerPart<Scalar>>) {
    self.init(layer, 0..<layer.parameterCount, parts.all.map { ($0.point, $0.outputCotangent) })
  }

  private init(
    _ layer: any Layer, _ range: Range<Int>, _ parts: [(point: LayerPoint<Scalar>, cotangent: Matrix<Scalar>)]
  ) {
    (self.layer, self.range, self.parts) = (layer, range, parts)
  }

  /// The number of outputs of the layer.
  var columns: Int { layer.outputCount }

  func shifted(by offset: Int) -> LayerCotangent {
    LayerCotangent(layer, range.lowerBound + offset..<range.upperBound + offset, parts)
  }

  /// Whether its parts are the rows `rows` of `cotangent`, in the same memory.
  func isSame(as cotangent: Matrix<Scalar>, _ rows: [Range<Int>]) -> Bool {
    zip(parts, rows).allSatisfy { $0.cotangent.elements.isSame(as: cotangent[rows: $1].elements) }
  }

  /// This cotangent, copied into `storage`.
  func kept(in storage: Vector<Scalar>) -> LayerCotangent {
    var carver = Carver(storage)
    return LayerCotangent(
      layer, range,
      parts.map { point, cotangent in
        let copy = carver.matrix(cotangent.rows, cotangent.columns)
        copy.elements.assign(cotangent.elements)
        return (point, copy)
      })
  }
}

extension Layer {
  package var connections: [Connection] { [] }
  package var scaledCount: Int { outputCount }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, scaledBy factors: Vector<Scalar>,
    parameterCotangent: Vector<Scalar>, room: Vector<Scalar>, scratch: Vector<Scalar>
  ) {
    let scaled = Matrix(room[0..<outputCotangent.elements.count], outputCotangent.rows, outputCotangent.columns)
    scaled.assignRows(of: outputCotangent, scaledBy: factors)
    vjp(
      at: point, outputCotangent: scaled, parameterCotangent: parameterCotangent, inputCotangent: nil, scratch: scratch)
  }

  package func rowGradientScratchCount(rows: Int) -> Int { scratchCount(rows: rows) }
  package var rowGradientCounts: (first: Int, second: Int) { (0, 0) }
  package var rowGradientCount: Int { parameterCount }
  package var keptCotangentCount: Int { parameterCount == 0 ? 0 : outputCount }

  /// Layers without parameters have no row gradients.
  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(parameterCount == 0, "a layer with parameters has row gradients of its own")
    parts.forEach { _, part in
      guard let inputCotangent = part.inputCotangent else { return }
      vjp(
        at: part.point, outputCotangent: part.outputCotangent, parameterCotangent: part.point.parameters,
        inputCotangent: inputCotangent, scratch: part.scratch)
    }
  }
}
