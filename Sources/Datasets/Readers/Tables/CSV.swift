import Glibc
import LinearAlgebra

/// Tables in text according to RFC 4180, plain or compressed: one example per line, a label among its numbers.
///
/// Fields may be quoted; two quotes within stand for one. Newlines within quotes and comment lines are refused. Spaces
/// around a field do not belong to it. Blank lines are skipped.
package enum CSV {
  package enum Separator: String, Codable, CaseIterable, Sendable {
    case comma = ","
    case semicolon = ";"
    case tab = "\t"

    var byte: UInt8 { rawValue.utf8.first! }
  }

  /// The column of the labels.
  package enum LabelPosition: Equatable, Sendable {
    case first, last
    /// The number of the column, counted from 1.
    case number(Int)
    /// The name of the column in the header line.
    case name(String)
    /// No column: all columns are features.
    case absent
  }

  package struct Options: Equatable, Sendable {
    /// nil: the first of tab, semicolon and comma that splits the first two lines into equally many fields.
    package var separator: Separator?
    /// `auto` also takes a line as names if it has the requested name of the label column.
    package var header: Header
    package var label: LabelPosition
    /// Whether the user gave `label`; then a known name must not contradict it.
    package var isLabelGiven = false
    /// Whether labels are read; otherwise their column is skipped, whatever it holds.
    package var readsLabels = true
    /// The names of the columns in the model or another set; columns are matched by these names, in any order.
    package var known: TableColumns?
    /// Whether the features are known by their numbers alone: names that are numbers in another order stand for these.
    package var numbersAreFeatures = false
    /// The number of features where it is known: a file with exactly this many columns has no labels.
    package var featureCount: Int?
    /// The type of the values: `float32` or `float64`.
    package var element: FeatureMatrix.Element

    package init(
      separator: Separator? = nil, header: Header = .auto, label: LabelPosition = .last, featureCount: Int? = nil,
      element: FeatureMatrix.Element = .float32
    ) {
      self.featureCount = featureCount
      self.separator = separator
      self.header = header
      self.label = label
      self.element = element
    }
  }

  package struct Table {
    package let features: FeatureMatrix
    /// The labels; nil where `Options.label` is absent or labels are not read.
    package let labels: LabelColumn?
    package let columns: TableColumns
  }

  /// The examples of files with the same columns; names may be missing in all files but the first.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents, such as an empty field or one
  /// that is not a finite number. The message names the line and the column.
  package static func read(paths: [String], options: Options = Options()) throws(DataError) -> Table {
    try read(paths.map { path throws(DataError) in try TextFile(path) }, options: options)
  }

  package static func read(path: String, options: Options = Options()) throws(DataError) -> Table {
    try read(paths: [path], options: options)
  }

  static func read(
    _ files: [TextFile], options: Options = Options(), chunkSize: Int = TextFile.chunkSize
  ) throws(DataError) -> Table {
    switch options.element {
    case .float32: try read(files, options, Float.self, chunkSize)
    case .float64: try read(files, options, Double.self, chunkSize)
    default: preconditionFailure("the values of a table are float32 or float64")
    }
  }

  private static func read<Scalar: BLASScalar & DecimalScalar>(
    _ files: [TextFile], _ options: Options, _: Scalar.Type, _ chunkSize: Int
  ) throws(DataError) -> Table {
    var parts = TextPart.parts(of: files, size: chunkSize)
    let heads = try parts.files.map { file throws(DataError) in try CSVHead(parts[file]) }
    let (layout, headerLines) = try CSVLayout.ofFiles(heads, options)
    for (file, line) in zip(parts.files, headerLines) { parts[file].markHeader(line) }
    let rows = try CSVRows<Scalar>(parts, layout)
    try rows.check()
    var labels = LabelTable()
    let codes = rows.labels(in: &labels)
    var columns = layout.columns
    columns.note = columns.note ?? rows.indexNote
    return Table(
      features: rows.features,
      labels: try codes.map { codes throws(DataError) in try labels.column(codes: codes) }, columns: columns)
  }
}
