import LinearAlgebra

/// Rows of features for a network: this rank's shard of a batch (#b × d).
public enum Inputs<Scalar: BLASScalar> {
  case dense(Matrix<Scalar>)
  /// Sparse rows, for a network that `takesSparseInputs`.
  case sparse(CSRMatrix<Scalar>)

  public var rows: Int {
    switch self {
    case .dense(let rows): rows.rows
    case .sparse(let rows): rows.rows
    }
  }

  public var columns: Int {
    switch self {
    case .dense(let rows): rows.columns
    case .sparse(let rows): rows.columns
    }
  }

  /// The number of values of all rows: of sparse ones, those that are stored.
  package var entryCount: Int {
    switch self {
    case .dense(let rows): rows.rows * rows.columns
    case .sparse(let rows): rows.entryCount
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
  public subscript(rows range: Range<Int>) -> Inputs {
    switch self {
    case .dense(let rows): .dense(rows[rows: range])
    case .sparse(let rows): .sparse(rows[rows: range])
    }
  }

  /// - Precondition: the inputs are dense.
  var matrix: Matrix<Scalar> {
    guard case .dense(let rows) = self else { preconditionFailure("the inputs are sparse") }
    return rows
  }

  /// - Precondition: the inputs are sparse.
  var sparseMatrix: CSRMatrix<Scalar> {
    guard case .sparse(let rows) = self else { preconditionFailure("the inputs are dense") }
    return rows
  }

  /// These inputs, ready for products with the transpose.
  func prepared() -> Inputs {
    if case .sparse(let rows) = self { .sparse(rows.sorted()) } else { self }
  }
}

extension Network {
  /// Whether the first layer takes sparse inputs; it then takes no dense ones.
  package var takesSparseInputs: Bool { layers.first is SparseLinear }

  /// The fully connected layers on inputs of either kind, in order.
  package var connections: [Connection] {
    guard let first = layers.first as? SparseLinear else { return body.connections }
    return [first.connection(isTransposed: true)] + body.connections
  }

  /// Whether damping and momentum may measure steps by second moments of the layers' inputs. For sparse inputs the
  /// moments would be a dense matrix of (d + 1)² numbers.
  package var supportsMetric: Bool { !takesSparseInputs }

  /// - Precondition: the network takes inputs of this kind and this number of columns.
  func check<Scalar>(_ inputs: Inputs<Scalar>) {
    precondition(inputs.columns == inputCount, "the batch does not fit")
    if case .sparse = inputs {
      precondition(takesSparseInputs, "the network takes dense inputs")
    } else {
      precondition(!takesSparseInputs, "the network takes sparse inputs")
    }
  }
}
