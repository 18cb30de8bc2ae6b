import LinearAlgebra

/// The point at which a layer is linearised: the arguments of its forward pass, and the data that it has left.
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

  /// The inputs of a layer that takes sparse ones, sorted by columns.
  var sparseInput: CSRMatrix<Scalar> { inputs.sparseMatrix }
}

/// A layer in the backward pass of one part of the rows: the cotangent of its output, a place for the cotangent of its
/// input where it is needed, and scratch.
package struct LayerPart<Scalar: BLASScalar> {
  package let point: LayerPoint<Scalar>
  package let outputCotangent: Matrix<Scalar>
  package let inputCotangent: Matrix<Scalar>?
  package let scratch: Vector<Scalar>
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
