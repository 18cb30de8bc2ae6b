import LinearAlgebra

/// Rows of features that a network is given: this rank's shard of a batch (#b × d).
package enum Inputs<Scalar: BLASScalar> {
  case dense(Matrix<Scalar>)
  /// For a network that `takesSparseInputs`.
  case sparse(CSRMatrix<Scalar>)

  package var rows: Int {
    switch self {
    case .dense(let rows): rows.rows
    case .sparse(let rows): rows.rows
    }
  }

  package var columns: Int {
    switch self {
    case .dense(let rows): rows.columns
    case .sparse(let rows): rows.columns
    }
  }

  /// Σ x² over all values of all rows.
  package var squaredNorm: Double {
    switch self {
    case .dense(let rows): rows.elements.squaredNorm
    case .sparse(let rows): rows.values.squaredNorm
    }
  }

  /// The rows of `range`, sharing storage.
  package subscript(rows range: Range<Int>) -> Inputs {
    switch self {
    case .dense(let rows): .dense(rows[rows: range])
    case .sparse(let rows): .sparse(rows[rows: range])
    }
  }

  /// - Precondition: they are dense.
  var matrix: Matrix<Scalar> {
    guard case .dense(let rows) = self else { preconditionFailure("the inputs are sparse") }
    return rows
  }

  /// - Precondition: they are sparse.
  var sparseMatrix: CSRMatrix<Scalar> {
    guard case .sparse(let rows) = self else { preconditionFailure("the inputs are dense") }
    return rows
  }

  /// The same, ready for products with the transpose.
  func prepared() -> Inputs {
    if case .sparse(let rows) = self { .sparse(rows.sorted()) } else { self }
  }
}

extension Network {
  /// Whether the first layer takes sparse inputs; it takes no others then.
  package var takesSparseInputs: Bool { layers.first is SparseLinear }

  /// Whether damping and momentum may measure steps by second moments of the layers' inputs. Those of sparse inputs would
  /// be a dense matrix of (d + 1)² numbers.
  package var supportsMetric: Bool { !takesSparseInputs }

  /// - Precondition: the inputs are of the kind and of the number of columns that the network takes.
  func check<Scalar>(_ inputs: Inputs<Scalar>) {
    precondition(inputs.columns == inputCount, "the batch does not fit")
    if case .sparse = inputs {
      precondition(takesSparseInputs, "the network takes dense inputs")
    } else {
      precondition(!takesSparseInputs, "the network takes sparse inputs")
    }
  }
}
