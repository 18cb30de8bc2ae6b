import LinearAlgebra

/// The text format of LIBSVM, LIBLINEAR and SVMlight, plain or compressed: one example per line, `label index:value
/// index:value … # comment`. Absent values are zero. In files of unlabelled examples no line has a label.
///
/// https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/
package enum SVMLight {
  /// The index of the first column.
  package enum IndexBase: String, Codable, CaseIterable, Sendable {
    /// 0 if any index of the files is 0, otherwise 1.
    case auto
    case zero, one
  }

  /// The facts that the indices of a set's files show.
  package struct Indices: Codable, Equatable, Sendable {
    /// `zero` or `one`.
    package let base: IndexBase
    /// The largest index; -1 where there are no values.
    package let largest: Int
    /// The first place of the largest index: the file, and the line counted from 1.
    package let path: String
    package let line: Int
  }

  /// The result of reading.
  package typealias Examples = (features: SparseFeatures, labels: LabelColumn?, indices: Indices)

  /// Reads the examples of files: values as `element`, `float32` or `float64`, and labels as text if the files have
  /// labels.
  ///
  /// `columns` is the number of columns where it is known, for instance from the training set; otherwise the largest
  /// index determines it. Zeros are not stored, whether the text has them or rounding makes them. Blank lines and
  /// comments are skipped, and so is `qid:N` after a label: it groups examples for ranking, and means nothing to a
  /// classifier. A line without a label begins with an index and a colon; then all lines must, and none may be blank.
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents; its message names the line.
  package static func read(
    paths: [String], indexBase: IndexBase = .auto, columns: Int? = nil, element: FeatureMatrix.Element = .float32
  ) throws(DataError) -> Examples {
    let files = try paths.map { path throws(DataError) in try TextFile(path) }
    return try read(files, indexBase: indexBase, columns: columns, element: element)
  }

  package static func read(
    path: String, indexBase: IndexBase = .auto, columns: Int? = nil, element: FeatureMatrix.Element = .float32
  ) throws(DataError) -> Examples {
    try read(paths: [path], indexBase: indexBase, columns: columns, element: element)
  }

  static func read(
    _ files: [TextFile], indexBase: IndexBase = .auto, columns: Int? = nil, element: FeatureMatrix.Element = .float32,
    chunkSize: Int = TextFile.chunkSize
  ) throws(DataError) -> Examples {
    switch element {
    case .float32: try read(files, indexBase, columns, Float.self, chunkSize)
    case .float64: try read(files, indexBase, columns, Double.self, chunkSize)
    default: preconditionFailure("sparse values are float32 or float64")
    }
  }

  private static func read<Scalar: BLASScalar & DecimalScalar>(
    _ files: [TextFile], _ indexBase: IndexBase, _ columns: Int?, _: Scalar.Type, _ chunkSize: Int
  ) throws(DataError) -> Examples {
    let parts = TextPart.parts(of: files, size: chunkSize, counting: UInt8(ascii: ":"))
    // Columns are counted from 1 unless an index 0 occurs.
    let rows = try SVMLightRows<Scalar>(parts, indexBase: indexBase, columns: indexBase == .auto ? nil : columns)
    try rows.check()
    let base = indexBase.resolved(smallestIndex: rows.smallestIndex)
    let count = base.columnCount(largestIndex: rows.largestIndex)
    if let columns, count > columns {
      // Another pass with the known base finds the line with the index that is too large.
      return try read(files, base, columns, Scalar.self, chunkSize)
    }
    guard columns ?? count > 0 else { throw .badContents(files[0].path, "its examples have no values; check the file") }
    if base == .zero && indexBase == .auto { rows.shift() }
    var labels = LabelTable()
    let codes = rows.labels(in: &labels)
    let place = rows.largestPlace
    return (
      rows.features(columns: columns ?? count, files[0].path),
      try codes.map { codes throws(DataError) in try labels.column(codes: codes) },
      Indices(base: base, largest: rows.largestIndex, path: place?.path ?? files[0].path, line: place?.line ?? 1)
    )
  }
}

extension SVMLight.IndexBase {
  /// The base that `auto` resolves to, given the smallest index.
  func resolved(smallestIndex: Int) -> Self { self == .auto ? (smallestIndex == 0 ? .zero : .one) : self }

  /// The index of the first column. The base must be known.
  package var first: Int {
    precondition(self != .auto, "the first index is not known yet")
    return self == .zero ? 0 : 1
  }

  /// The number of columns of a file with this base; the largest index is -1 for a file without values.
  func columnCount(largestIndex: Int) -> Int { largestIndex + (self == .zero ? 1 : 0) }
}
