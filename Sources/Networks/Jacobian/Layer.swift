import LinearAlgebra

/// A differentiable map of b × inputs to b × outputs, row by row, with parameters of its own.
///
/// A layer is a value without state. Its parameters are a part of the flat vector; the forward pass leaves data for the
/// products in a cache, and layers work in a scratch, both owned by the `Linearization`. All calls are local; the rows
/// are this rank's shard (`#b`), possibly none. Images are channels × height × width.
package protocol Layer: JacobianProducts, RowGradientProducts {
  /// The costs of its products, in order; a composite layer gives the costs of its parts.
  var work: [LayerWork] { get }
}

/// A map with its sizes and parameters.
package protocol ParametricMap: Sendable {
  var inputCount: Int { get }
  var outputCount: Int { get }

  /// Names (`weight`, `bias`) and shapes of the parameters, in order.
  var parameterShapes: [(name: String, shape: [Int])] { get }

  /// Fills in seeded starting values, for weights with variance `gain`²/fan-in; independent of the number of ranks.
  func initialize<Scalar: BLASScalar>(_ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64)
}

/// The forward pass of a map, and products with its Jacobian.
package protocol JacobianProducts: ParametricMap {
  /// Numbers per row that the forward pass leaves for the products.
  var cacheCount: Int { get }

  /// Numbers of scratch for `rows` rows; does not decrease with more rows.
  func scratchCount(rows: Int) -> Int

  /// Whether `jvp` and `vjp` may overwrite their arguments with their results.
  var worksInPlace: Bool { get }

  /// output ← f(input; parameters). Fills the cache; without one, the call serves an evaluation only.
  func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>)

  /// output ← f(input; parameters) for sparse inputs. Implemented by `SparseLinear`, and by a stack that begins with
  /// it.
  func forward<Scalar: BLASScalar>(
    _ input: CSRMatrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>)

  /// outputTangent ← ∂f/∂input · inputTangent + ∂f/∂parameters · parameterTangent; a missing input tangent is zero.
  func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>)

  /// parameterCotangent ← (∂f/∂parameters)ᵀ outputCotangent, and inputCotangent ← (∂f/∂input)ᵀ outputCotangent if it is
  /// there.
  func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>)
}

extension Layer {
  package var cacheCount: Int { 0 }
  package var worksInPlace: Bool { false }
  package func scratchCount(rows: Int) -> Int { 0 }
  package var parameterShapes: [(name: String, shape: [Int])] { [] }
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

  /// output ← f(inputs; parameters) for dense or sparse inputs.
  func forward<Scalar: BLASScalar>(
    _ inputs: Inputs<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    switch inputs {
    case .dense(let rows): forward(rows, parameters, output: output, cache: cache, scratch: scratch)
    case .sparse(let rows): forward(rows, parameters, output: output, cache: cache, scratch: scratch)
    }
  }
}

extension Vector where Scalar: BLASScalar {
  /// Fills the vector with numbers from a normal distribution of mean zero.
  func fillNormal(deviation: Double, using generator: inout SplitMix64) {
    for i in 0..<count { self[i] = Scalar(deviation * generator.nextNormal()) }
  }
}
