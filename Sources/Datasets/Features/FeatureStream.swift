/// Examples that are read in order, a range of rows at a time.
package protocol FeatureSource {
  var rows: Int { get }
  /// The number of values of one example.
  var columns: Int { get }
  /// The axes of one example, such as [28, 28].
  var shape: [Int] { get }
  /// Whether rows come without their zeros.
  var isSparse: Bool { get }
  /// The files that contain the rows, if they are known.
  var files: SetFiles? { get }

  /// The rows of `range`, counted from 0. The range is not empty and begins at or behind the end of the previous one.
  /// Valid until the next call. Throws exit code 65 or 74.
  func read(_ range: Range<Int>) throws(DataError) -> Features

  /// Skips the rows before `row`; where that is the number of rows, verifies the end of the file. The last result of
  /// `read` stays valid. Throws exit code 65 or 74.
  func skip(to row: Int) throws(DataError)
}

extension Features: FeatureSource {
  package var files: SetFiles? { nil }
  package func read(_ range: Range<Int>) -> Features { self[rows: range] }
  package func skip(to row: Int) {}
}

/// The examples of files, read on demand. Memory is proportional to the rows of one call, whatever the size of the
/// files, compressed ones included.
package final class FeatureStream: FeatureSource {
  package let columns: Int
  package let shape: [Int]
  package var isSparse: Bool { false }
  package var files: SetFiles? { arrays.files }
  package var rows: Int { arrays.files.rows }

  private let arrays: ArraySetStream

  /// Opens the files and checks their headers, and the sizes of plain files. Throws exit code 65, 66 or 74.
  package init(paths: [String], format: DataFormat = .auto) throws(DataError) {
    arrays = try ArraySetStream(paths, format: format, as: .features)
    try FeatureMatrix.checkKinds(arrays.layouts.map(FeatureMatrix.Kind.init), paths)
    shape = Array(arrays.layouts[0].shape.dropFirst())
    columns = shape.reduce(1, *)
  }

  package convenience init(path: String, format: DataFormat = .auto) throws(DataError) {
    try self.init(paths: [path], format: format)
  }

  package func read(_ range: Range<Int>) throws(DataError) -> Features {
    var parts: [FeatureMatrix] = []
    try arrays.read(range) { array, _ throws(DataError) in parts.append(try array.features()) }
    return .dense(parts.count == 1 ? parts[0] : FeatureMatrix(joining: parts))
  }

  package func skip(to row: Int) throws(DataError) { try arrays.skip(to: row) }
}

/// The class numbers in files, or the codes of the texts in `column`, read on demand.
///
/// Numbers are texts where classes are known by names that are integers other than their positions.
final class LabelStream {
  var count: Int { arrays.files.rows }
  var files: SetFiles { arrays.files }

  /// The number of columns of one-hot labels in the first file; nil for other labels.
  var oneHotColumns: Int? { arrays.layouts[0].shape.count == 2 ? arrays.layouts[0].shape[1] : nil }

  private let arrays: ArraySetStream
  /// All label texts, in memory; nil where labels are class numbers.
  private(set) var column: LabelColumn?
  /// Whether the texts of `column` are those of numbers.
  private(set) var areValues = false

  /// Throws exit code 65, 66 or 74.
  init(paths: [String], format: DataFormat = .auto, known: ClassNames? = nil) throws(DataError) {
    arrays = try ArraySetStream(paths, format: format, as: .labels)
    let values = oneHotColumns == nil ? known?.values : nil
    guard values != nil || arrays.layouts.contains(where: \.type.isText) else { return }
    switch try ArrayLabels.read(paths, format: format, known: values).labels {
    case .names(let column): self.column = column
    case .values(let column): (self.column, areValues) = (column, true)
    case .numbers, .columns, .probabilities: preconditionFailure("texts and values are names")
    }
  }

  convenience init(path: String, format: DataFormat = .auto) throws(DataError) {
    try self.init(paths: [path], format: format)
  }

  func read(_ range: Range<Int>) throws(DataError) -> [Int32] {
    if let column { return Array(column.codes[range]) }
    var labels: [Int32] = []
    try arrays.read(range) { array, row throws(DataError) in labels += try array.labels(firstRow: row) }
    return labels
  }

  func skip(to row: Int) throws(DataError) {
    if column == nil { try arrays.skip(to: row) }
  }
}
