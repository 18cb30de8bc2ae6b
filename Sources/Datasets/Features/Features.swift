import LinearAlgebra

/// The values of all examples, #rows × columns, stored with or without their zeros.
package enum Features {
  case dense(FeatureMatrix)
  case sparse(SparseFeatures)

  package var rows: Int {
    switch self {
    case .dense(let matrix): matrix.rows
    case .sparse(let matrix): matrix.rows
    }
  }

  package var columns: Int {
    switch self {
    case .dense(let matrix): matrix.columns
    case .sparse(let matrix): matrix.columns
    }
  }

  /// The axes of one example, such as [28, 28].
  package var shape: [Int] {
    switch self {
    case .dense(let matrix): matrix.shape
    case .sparse(let matrix): [matrix.columns]
    }
  }

  package var element: FeatureMatrix.Element {
    switch self {
    case .dense(let matrix): matrix.element
    case .sparse(let matrix): matrix.element
    }
  }

  package var isSparse: Bool { matrix == nil }

  /// The dense values; nil where zeros are left out.
  package var matrix: FeatureMatrix? {
    if case .dense(let matrix) = self { matrix } else { nil }
  }

  /// An identifier of the storage, equal in all processes of a host that share these values in a file or in memory; nil
  /// for memory that cannot be shared.
  package var place: UInt64? {
    switch self {
    case .dense(let matrix): matrix.place
    case .sparse(let matrix): matrix.place
    }
  }

  /// The mean number of stored values per example.
  package var valuesPerRow: Double {
    switch self {
    case .dense(let matrix): Double(matrix.columns)
    case .sparse(let matrix): Double(matrix.valueCount) / Double(max(1, matrix.rows))
    }
  }

  /// The rows of `range` as features of their own, counted from 0.
  package subscript(rows range: Range<Int>) -> Features {
    switch self {
    case .dense(let matrix): .dense(matrix[rows: range])
    case .sparse(let matrix): .sparse(matrix[rows: range])
    }
  }

  /// The first value of the range's rows that is infinite or not a number.
  package func firstNonFinite(in range: Range<Int>) -> (row: Int, column: Int)? {
    switch self {
    case .dense(let matrix): matrix.firstNonFinite(in: range)
    case .sparse(let matrix): matrix.firstNonFinite(in: range)
    }
  }

  /// The first value of the range's rows that a model cannot use: one that is not finite, or that is not finite in the
  /// model's lower precision once normalised.
  package func firstUnusable<Scalar: BLASScalar>(
    in range: Range<Int>, _ normalization: Normalization, _: Scalar.Type
  ) -> (row: Int, column: Int)? {
    if let found = firstNonFinite(in: range) { return found }
    return Scalar.self == Float.self ? firstOverflow(in: range, normalization) : nil
  }

  /// The first value of the range's rows, which are finite, that exceeds single precision once normalised.
  package func firstOverflow(in range: Range<Int>, _ normalization: Normalization) -> (row: Int, column: Int)? {
    if case .dense(let matrix) = self { matrix.firstOverflow(in: range, normalization) } else { nil }
  }

  /// The CRC-32 of the range's values.
  package func checksum(in range: Range<Int>) -> UInt32 {
    switch self {
    case .dense(let matrix): matrix.checksum(in: range)
    case .sparse(let matrix): matrix.checksum(in: range)
    }
  }
}
