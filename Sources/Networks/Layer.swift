import LinearAlgebra

/// A differentiable map of b × inputs to b × outputs, row by row, with parameters of its own.
///
/// A layer is a value without state: activations belong to the `Linearization`, parameters to the flat vector, of which
/// a layer is handed its own part. All calls are local; the rows are this rank's shard (`#b`).
package protocol Layer: Sendable {
  var inputCount: Int { get }
  var outputCount: Int { get }

  /// Names (`weight`, `bias`) and shapes of the parameters, in their order.
  var parameterShapes: [(name: String, shape: [Int])] { get }

  /// Seeded starting values; independent of the number of ranks.
  func initialize<Scalar: BLASScalar>(_ parameters: Vector<Scalar>, using generator: inout SplitMix64)

  /// output ← f(input; parameters).
  func forward<Scalar: BLASScalar>(_ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>)

  /// outputTangent ← ∂f/∂input · inputTangent + ∂f/∂parameters · parameterTangent; a missing input tangent is zero.
  func jvp<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, inputTangent: Matrix<Scalar>?,
    parameterTangent: Vector<Scalar>, outputTangent: Matrix<Scalar>)

  /// parameterCotangent ← (∂f/∂parameters)ᵀ outputCotangent, and the same for the input where it is asked for.
  func vjp<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, outputCotangent: Matrix<Scalar>,
    parameterCotangent: Vector<Scalar>, inputCotangent: Matrix<Scalar>?)
}
