/// Consecutive examples.
struct ExampleBlock {
  let features: Features
  /// Of each row the class, or the number of its label's text; nil where there are no labels.
  let labels: [Int32]?

  var count: Int { features.rows }
}

/// Examples with their labels, read from the first to the last, a block in memory at a time.
protocol ExampleStream: AnyObject {
  /// The file of the features.
  var path: String { get }
  var rows: Int { get }
  var columns: Int { get }
  var hasLabels: Bool { get }
  /// The texts that the labels of blocks are numbers of, without any rows' codes; nil where they are class numbers.
  var labelTexts: LabelColumn? { get }
  /// The names of the features and of the labels, in the order in which a table is written; none if they have no names.
  /// Throws exit code 65 for names that are no UTF-8 text.
  var columnNames: [String] { get throws(DataError) }
  /// How much of the file has been read, from 0 to 1.
  var fractionDone: Double { get }

  /// The next examples, at least one; nil behind the last ones. Good until the next call. Throws exit code 65 or 74.
  func next() throws(DataError) -> ExampleBlock?
}

/// Examples in one or two files of arrays.
final class ArrayExampleStream: ExampleStream {
  private let features: FeatureStream
  private let labels: LabelStream?
  private let rowsAtATime: Int
  private var position = 0

  var path: String { features.path }
  var rows: Int { features.rows }
  var columns: Int { features.columns }
  var hasLabels: Bool { labels != nil }
  var labelTexts: LabelColumn? { nil }
  var columnNames: [String] { [] }
  var fractionDone: Double { Double(position) / Double(rows) }

  /// - Parameter valuesAtATime: in a block of more than one row.
  ///
  /// Throws exit code 65, 66 or 74.
  init(features: String, labels: String?, format: DataFormat, valuesAtATime: Int = 1 << 20) throws(DataError) {
    self.features = try FeatureStream(path: features, format: format)
    self.labels = try labels.map { path throws(DataError) in try LabelStream(path: path, format: format) }
    rowsAtATime = max(1, valuesAtATime / self.features.columns)
    if let labels = self.labels, labels.count != rows {
      throw .badContents(
        features,
        "has \(rows) examples, and \(labels.path) has \(labels.count) labels; name two files of the same examples")
    }
  }

  func next() throws(DataError) -> ExampleBlock? {
    if position == rows {
      try features.skip(to: rows)
      try labels?.skip(to: rows)
      return nil
    }
    let range = position..<min(position + rowsAtATime, rows)
    position = range.upperBound
    return ExampleBlock(
      features: try features.read(range),
      labels: try labels.map { labels throws(DataError) in try labels.read(range) })
  }
}
