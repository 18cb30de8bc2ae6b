import LinearAlgebra

/// A differentiable map of b × inputs to b × outputs, row by row, with parameters of its own.
///
/// A layer is a value without state. Parameters are its own part of the flat vector; what the forward pass leaves for
/// the products is in a cache, and room to work in is a scratch, both owned by the `Linearization`. All calls are local;
/// the rows are this rank's shard (`#b`), possibly none. Images are channels × height × width.
package protocol Layer: Sendable {
  var inputCount: Int { get }
  var outputCount: Int { get }

  /// Numbers a row that the forward pass leaves for the products.
  var cacheCount: Int { get }

  /// Numbers of scratch for `rows` rows; never fewer for more rows.
  func scratchCount(rows: Int) -> Int

  /// Whether the results of `jvp` and `vjp` may be written where their arguments are.
  var worksInPlace: Bool { get }

  /// Names (`weight`, `bias`) and shapes of the parameters, in their order.
  var parameterShapes: [(name: String, shape: [Int])] { get }

  /// Seeded starting values for weights of variance `gain`²/fan-in; independent of the number of ranks.
  func initialize<Scalar: BLASScalar>(_ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64)

  /// output ← f(input; parameters); fills the cache unless there is none, for an evaluation only.
  func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>)

  /// The same of sparse inputs, for a layer that takes them: `SparseLinear`, or a stack that begins with it.
  func forward<Scalar: BLASScalar>(
    _ input: CSRMatrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>)

  /// outputTangent ← ∂f/∂input · inputTangent + ∂f/∂parameters · parameterTangent; a missing input tangent is zero.
  func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>)

  /// parameterCotangent ← (∂f/∂parameters)ᵀ outputCotangent, and the same for the input where it is asked for.
  func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>)

  /// parameterCotangent ← (∂f/∂parameters)ᵀ diag(`factors`) outputCotangent, with a factor for each row.
  ///
  /// - Parameter room: `scaledCount` numbers a row to work in.
  func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, scaledBy factors: Vector<Scalar>,
    parameterCotangent: Vector<Scalar>, room: Vector<Scalar>, scratch: Vector<Scalar>)
  var scaledCount: Int { get }

  /// Its fully connected layers on dense inputs, in their order. Their gradients are what `rowGradients` hands over as
  /// products, in the opposite order.
  var connections: [Connection] { get }

  /// Numbers of scratch that `rowGradients` takes for `rows` rows.
  func rowGradientScratchCount(rows: Int) -> Int

  /// Multiplications that the inner product of two rows' gradients takes.
  var rowGradientCount: Int { get }

  /// What its products take, one after the other; those of a composite layer are those of its parts.
  var work: [LayerWork] { get }

  /// Numbers a row of the cotangents that `rowGradients` shows to `keep`.
  var keptCotangentCount: Int { get }

  /// Numbers a row that `rowGradients` hands over at a time, at most: inputs or whole gradients, and cotangents.
  var rowGradientCounts: (first: Int, second: Int) { get }

  /// Like `vjp` of all parts of the rows, but hands over the parameter cotangents row by row instead of their sum, as
  /// `RowGradients`; one layer may do so several times. What is handed over lasts until `visit` returns. Before that, `keep`
  /// is shown the cotangent of each single layer that has parameters.
  func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure)
}

/// One part of the rows at a layer on the way back: the cotangent of its output, a place for that of its input where
/// anyone needs it, and room to work in.
package struct LayerPart<Scalar: BLASScalar> {
  package let point: LayerPoint<Scalar>
  package let outputCotangent: Matrix<Scalar>
  package let inputCotangent: Matrix<Scalar>?
  package let scratch: Vector<Scalar>
}

/// A fully connected layer among parameters: weights (outputs × inputs, row by row), then biases (outputs).
package struct Connection: Equatable, Sendable {
  package let start, inputs, outputs: Int

  package var range: Range<Int> { start..<start + outputs * (inputs + 1) }

  func shifted(by offset: Int) -> Connection {
    Connection(start: start + offset, inputs: inputs, outputs: outputs)
  }
}

/// The gradients of single rows with respect to parameters of a layer (#b of them, in their parts), in the form that their
/// inner products are cheapest in.
package enum RowGradients<Scalar: BLASScalar> {
  /// Row i has the gradient cotangents_i ⊗ [inputs_i | 1]: that of a weight and its bias.
  case products(inputs: [Matrix<Scalar>], cotangents: [Matrix<Scalar>])
  /// The same of sparse inputs, sorted by columns, for a weight that is inputs × outputs.
  case sparseProducts(inputs: [CSRMatrix<Scalar>], cotangents: [Matrix<Scalar>])
  /// Row i has the gradient Σ_t cotangents_(iT+t) ⊗ [inputs_(iT+t) | 1]: that of a convolution with T positions.
  case positionProducts(inputs: [Matrix<Scalar>], cotangents: [Matrix<Scalar>], positions: Int)
  /// The gradients themselves, as rows.
  case rows([Matrix<Scalar>])
}

/// The cotangent at the outputs of a single layer (#b × outputs, in its parts), and what else its parameter cotangents follow
/// from.
package struct LayerCotangent<Scalar: BLASScalar> {
  let layer: any Layer
  /// The layer's part of the parameters.
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

  /// Outputs of the layer.
  var columns: Int { layer.outputCount }

  func shifted(by offset: Int) -> LayerCotangent {
    LayerCotangent(layer, range.lowerBound + offset..<range.upperBound + offset, parts)
  }

  /// Whether its parts are the rows `rows` of `cotangent` in memory.
  func isSame(as cotangent: Matrix<Scalar>, _ rows: [Range<Int>]) -> Bool {
    zip(parts, rows).allSatisfy { $0.cotangent.elements.isSame(as: cotangent[rows: $1].elements) }
  }

  /// The same with a copy of its cotangent.
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

/// Where a layer is linearised: what its forward pass was given and what it left.
package struct LayerPoint<Scalar: BLASScalar> {
  package let inputs: Inputs<Scalar>
  package let parameters: Vector<Scalar>
  package let cache: Vector<Scalar>

  init(inputs: Inputs<Scalar>, parameters: Vector<Scalar>, cache: Vector<Scalar>) {
    self.inputs = inputs
    self.parameters = parameters
    self.cache = cache
  }

  package init(input: Matrix<Scalar>, parameters: Vector<Scalar>, cache: Vector<Scalar>) {
    self.init(inputs: .dense(input), parameters: parameters, cache: cache)
  }

  /// The inputs of a layer that takes dense ones.
  package var input: Matrix<Scalar> { inputs.matrix }

  /// Those of a layer that takes sparse ones, sorted by columns.
  var sparseInput: CSRMatrix<Scalar> { inputs.sparseMatrix }
}

extension Layer {
  package var cacheCount: Int { 0 }
  package var worksInPlace: Bool { false }
  package func scratchCount(rows: Int) -> Int { 0 }
  package var parameterShapes: [(name: String, shape: [Int])] { [] }
  package var connections: [Connection] { [] }
  package var parameterCount: Int { parameterShapes.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {}

  package func forward<Scalar: BLASScalar>(
    _ input: CSRMatrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    preconditionFailure("the layer takes dense inputs")
  }

  /// The same of inputs of either kind.
  func forward<Scalar: BLASScalar>(
    _ inputs: Inputs<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    switch inputs {
    case .dense(let rows): forward(rows, parameters, output: output, cache: cache, scratch: scratch)
    case .sparse(let rows): forward(rows, parameters, output: output, cache: cache, scratch: scratch)
    }
  }

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

  /// For layers without parameters.
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

extension Vector where Scalar: BLASScalar {
  /// Fills with numbers from a normal distribution of mean zero.
  func fillNormal(deviation: Double, using generator: inout SplitMix64) {
    for i in 0..<count { self[i] = Scalar(deviation * generator.nextNormal()) }
  }
}

/// Cuts consecutive pieces off a vector.
struct Carver<Scalar: BLASScalar> {
  private let storage: Vector<Scalar>
  private var offset = 0

  init(_ storage: Vector<Scalar>) { self.storage = storage }

  mutating func vector(_ count: Int) -> Vector<Scalar> {
    defer { offset += count }
    return storage[offset..<offset + count]
  }

  mutating func matrix(_ rows: Int, _ columns: Int) -> Matrix<Scalar> {
    Matrix(vector(rows * columns), rows, columns)
  }
}
