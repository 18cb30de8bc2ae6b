import Glibc
import LinearAlgebra

/// Tables in text, as RFC 4180 has them, plain or compressed: a line for each example, a label among its
/// numbers.
///
/// Fields may be in quotes, in which two quotes stand for one; newlines within quotes are not read. Spaces around a field
/// do not belong to it. Blank lines are passed over.
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
    /// nil: a tab if the first line has one outside quotes, else a semicolon if it has one, else a comma.
    package var separator: Separator?
    /// nil: the first line names the columns if one of its features is no number, or if the label is asked for by name.
    package var hasHeader: Bool?
    package var label: LabelPosition
    /// The number of features where it is known: a file that has just so many columns has no labels.
    package var featureCount: Int?
    /// `float32` or `float64`.
    package var element: FeatureMatrix.Element

    package init(
      separator: Separator? = nil, hasHeader: Bool? = nil, label: LabelPosition = .last, featureCount: Int? = nil,
      element: FeatureMatrix.Element = .float32
    ) {
      self.featureCount = featureCount
      self.separator = separator
      self.hasHeader = hasHeader
      self.label = label
      self.element = element
    }
  }

  package struct Table {
    package let features: FeatureMatrix
    /// nil where `Options.label` is absent.
    package let labels: LabelColumn?
    /// The names of the features; none without a header line.
    package let featureNames: [String]
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
    let layout = try CSVLayout.ofFiles(&parts, options)
    let rows = try CSVRows<Scalar>(parts, layout)
    try rows.check()
    var labels = LabelTable()
    let codes = rows.labels(in: &labels)
    return Table(
      features: rows.features,
      labels: try codes.map { codes throws(DataError) in try labels.column(codes: codes) },
      featureNames: layout.featureNames)
  }
}
