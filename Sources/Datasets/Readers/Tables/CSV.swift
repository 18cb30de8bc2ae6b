import Glibc
import LinearAlgebra

/// Tables in text, as RFC 4180 has them, plain or compressed: a line for each example, a label among its
/// numbers.
///
/// Fields may be in quotes, in which two quotes stand for one; newlines within quotes and comment lines are refused. Spaces
/// around a field do not belong to it. Blank lines are passed over.
package enum CSV {
  package enum Separator: String, Codable, CaseIterable, Sendable {
    case comma = ","
    case semicolon = ";"
    case tab = "\t"

    var byte: UInt8 { rawValue.utf8.first! }
  }

  /// Which column has the labels.
  package enum LabelPosition: Equatable, Sendable {
    case first, last
    /// Counted from 1.
    case number(Int)
    /// As the header line has it.
    case name(String)
    /// All columns are features.
    case absent
  }

  package struct Options: Equatable, Sendable {
    /// nil: a tab, a semicolon or a comma, the first of them that cuts the first two lines into as many fields.
    package var separator: Separator?
    /// `auto`: also a line in which the label is asked for by name.
    package var header: Header
    package var label: LabelPosition
    /// Whether `label` was asked for, and a name that is known must not contradict it.
    package var isLabelGiven = false
    /// Whether labels are read, or passed over whatever they are.
    package var readsLabels = true
    /// What the columns are called where a model or another set has names: they are matched by these, in any order.
    package var known: TableColumns?
    /// The number of features where it is known: a file that has just so many columns has no labels.
    package var featureCount: Int?
    /// `float32` or `float64`.
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
    /// nil where `Options.label` is absent, or not read.
    package let labels: LabelColumn?
    package let columns: TableColumns
  }

  /// The examples of files, which have the same columns; names may be missing in all but the first.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents, such as an empty field or one
  /// that is no finite number; its message names the line and the column.
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
