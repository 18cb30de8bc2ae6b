/// Consecutive examples.
struct ExampleBlock {
  let features: Features
  /// The class of each row, or the number of its label text; nil where there are no labels.
  let labels: [Int32]?

  var count: Int { features.rows }
}

/// Examples with their labels, read in order with one block in memory at a time.
protocol ExampleStream: AnyObject {
  /// The first file of the features, for errors.
  var path: String { get }
  /// The files of the features and of the labels, where errors can name a row in them.
  var files: SetFiles? { get }
  var labelFiles: SetFiles? { get }
  var rows: Int { get }
  var columns: Int { get }
  var hasLabels: Bool { get }
  /// The distinct label texts that the labels of blocks are numbers of, without codes; nil where labels are class
  /// numbers.
  var labelTexts: LabelColumn? { get }
  /// Whether these texts are those of numbers in arrays.
  var labelsAreValues: Bool { get }
  /// The number of columns of one-hot labels; nil for other labels.
  var oneHotColumns: Int? { get }
  /// The names of a table's columns; nil for other files.
  var tableColumns: TableColumns? { get }
  /// The names of the features and of the labels, in the order in which a table is written; empty without names. Throws
  /// exit code 65 for names that are not UTF-8 text.
  var columnNames: [String] { get throws(DataError) }
  /// The fraction of the files that has been read, from 0 to 1.
  var fractionDone: Double { get }

  /// The next examples, at least one; nil at the end. Valid until the next call. Throws exit code 65 or 74.
  func next() throws(DataError) -> ExampleBlock?
}

/// Examples in files of arrays.
final class ArrayExampleStream: ExampleStream {
  private let features: any FeatureSource
  /// The files of the features.
  private let featureFiles: SetFiles
  private let labels: LabelStream?
  private let rowsAtATime: Int
  private var position = 0

  var path: String { featureFiles.paths[0] }
  var files: SetFiles? { featureFiles }
  var labelFiles: SetFiles? { labels?.files }
  var rows: Int { features.rows }
  var columns: Int { features.columns }
  var hasLabels: Bool { labels != nil }
  var labelTexts: LabelColumn? {
    labels?.column.map { LabelColumn(texts: $0.texts, places: $0.places, codes: []) }
  }
  var labelsAreValues: Bool { labels?.areValues ?? false }
  var oneHotColumns: Int? { labels?.oneHotColumns }
  var tableColumns: TableColumns? { nil }
  var columnNames: [String] { [] }
  var fractionDone: Double { Double(position) / Double(rows) }

  /// - Parameters:
  ///   - names: the names of the classes, if they are known.
  ///   - element: the type of the values of sparse archives, which are in memory.
  ///   - valuesAtATime: the largest number of values in a block of more than one row.
  ///
  /// Throws exit code 65, 66 or 74.
  init(
    features: [String], labels: [String]?, format: DataFormat, names: ClassNames? = nil,
    element: FeatureMatrix.Element = .float64, valuesAtATime: Int = 1 << 20
  ) throws(DataError) {
    if try SparseArchive.isSparse(features[0]) {
      let options = ArrayOptions(format: format, storage: .sparse, element: element)
      (self.features, featureFiles) = try options.features(features)
    } else {
      let stream = try FeatureStream(paths: features, format: format)
      (self.features, featureFiles) = (stream, stream.files!)
    }
    self.labels = try labels.map { paths throws(DataError) in
      try LabelStream(paths: paths, format: format, known: names)
    }
    rowsAtATime = self.features.isSparse ? 4096 : max(1, valuesAtATime / self.features.columns)
    if let labels = self.labels { try featureFiles.check(labels.files, of: "labels") }
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
