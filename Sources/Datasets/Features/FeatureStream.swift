/// Examples that are read from the first to the last, some at a time.
package protocol FeatureSource {
  var rows: Int { get }
  /// Numbers of one example.
  var columns: Int { get }
  /// The axes of one example, such as [28, 28].
  var shape: [Int] { get }
  /// Whether the rows come without their zeros.
  var isSparse: Bool { get }
  /// The files that the rows are in, if those are known.
  var files: SetFiles? { get }

  /// The rows of `range`, counted from 0, which is not empty and begins where the last one ended or behind that. The
  /// result is good until the next call. Throws exit code 65 or 74.
  func read(_ range: Range<Int>) throws(DataError) -> Features

  /// Passes over the rows before `row`; when that is behind the last one, checks the end of the file. Keeps the result of
  /// `read`. Throws exit code 65 or 74.
  func skip(to row: Int) throws(DataError)
}

extension Features: FeatureSource {
  package var files: SetFiles? { nil }
  package func read(_ range: Range<Int>) -> Features { self[rows: range] }
  package func skip(to row: Int) {}
}

/// The examples of files, read as they are asked for: in memory for as many rows as are asked for at a time, whatever the
/// size of the files, also if they are compressed.
package final class FeatureStream: FeatureSource {
  package let columns: Int
  package let shape: [Int]
  package var isSparse: Bool { false }
  package var files: SetFiles? { arrays.files }
  package var rows: Int { arrays.files.rows }

  private let arrays: ArraySetStream

  /// Opens the files and checks their headers, and for plain files their sizes. Throws exit code 65, 66 or 74.
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

/// The class numbers in files, or those of the texts in `column`, read in the same way.
final class LabelStream {
  var count: Int { arrays.files.rows }
  var files: SetFiles { arrays.files }

  private let arrays: ArraySetStream
  /// Of labels that are texts, which are all in memory; nil of numbers.
  private(set) var column: LabelColumn?

  /// Throws exit code 65, 66 or 74.
  init(paths: [String], format: DataFormat = .auto) throws(DataError) {
    arrays = try ArraySetStream(paths, format: format, as: .labels)
    if arrays.layouts.contains(where: \.type.isText) {
      guard case .names(let column) = try ArrayLabels.read(paths, format: format).labels else {
        preconditionFailure("texts are names")
      }
      self.column = column
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
