/// Examples that are read from the first to the last, some at a time.
package protocol FeatureSource {
  var rows: Int { get }
  /// Numbers of one example.
  var columns: Int { get }
  /// Whether the rows come without their zeros.
  var isSparse: Bool { get }

  /// The rows of `range`, counted from 0, which is not empty and begins where the last one ended or behind that. The
  /// result is good until the next call. Throws exit code 65 or 74.
  func read(_ range: Range<Int>) throws(DataError) -> Features

  /// Passes over the rows before `row`; when that is behind the last one, checks the end of the file. Keeps the result of
  /// `read`. Throws exit code 65 or 74.
  func skip(to row: Int) throws(DataError)
}

extension Features: FeatureSource {
  package func read(_ range: Range<Int>) -> Features { self[rows: range] }
  package func skip(to row: Int) {}
}

/// The examples of a file, read as they are asked for: in memory for as many rows as are asked for at a time, whatever
/// the size of the file, also if it is compressed.
package final class FeatureStream: FeatureSource {
  package let rows: Int
  package let columns: Int
  package var isSparse: Bool { false }
  package var path: String { array.path }

  private let array: ArrayStream

  /// Opens a file and checks its header, and for a plain file its size. Throws exit code 65, 66 or 74.
  package init(path: String, format: DataFormat = .auto) throws(DataError) {
    array = try ArrayStream(path, format: format)
    try array.layout.checkFeatures()
    rows = array.layout.shape[0]
    columns = try array.sample().features().columns
  }

  package func read(_ range: Range<Int>) throws(DataError) -> Features {
    .dense(try array.read(range).features())
  }

  package func skip(to row: Int) throws(DataError) { try array.skip(to: row) }
}

/// The class numbers in a file, read in the same way.
final class LabelStream {
  let count: Int
  var path: String { array.path }

  private let array: ArrayStream

  /// Throws exit code 65, 66 or 74.
  init(path: String, format: DataFormat = .auto) throws(DataError) {
    array = try ArrayStream(path, format: format)
    try array.layout.checkLabels()
    count = array.layout.shape[0]
    _ = try array.sample().labels()
  }

  func read(_ range: Range<Int>) throws(DataError) -> [Int32] {
    try array.read(range).labels(firstRow: range.lowerBound)
  }

  func skip(to row: Int) throws(DataError) { try array.skip(to: row) }
}
