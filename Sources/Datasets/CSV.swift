import Glibc
import LinearAlgebra

/// Tables in text, as RFC 4180 has them, plain or compressed with gzip: a line for each example, a label among its
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

  /// The examples of a file.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents, such as an empty field or one
  /// that is no finite number; its message names the line and the column.
  package static func read(path: String, options: Options = Options()) throws(DataError) -> Table {
    try read(TextFile(path), options: options)
  }

  static func read(
    _ file: TextFile, options: Options = Options(), chunkSize: Int = TextFile.chunkSize
  ) throws(DataError) -> Table {
    switch options.element {
    case .float32: try read(file, options, Float.self, chunkSize)
    case .float64: try read(file, options, Double.self, chunkSize)
    case .uint8: preconditionFailure("the values of a table are float32 or float64")
    }
  }

  private static func read<Scalar: BLASScalar & DecimalScalar>(
    _ file: TextFile, _ options: Options, _: Scalar.Type, _ chunkSize: Int
  ) throws(DataError) -> Table {
    var parts = TextPart.parts(of: file, size: chunkSize)
    let layout = try CSVLayout(parts, options, file.path)
    let (count, overflow) = parts.lineCount.multipliedReportingOverflow(by: layout.featureCount)
    let (byteCount, byteOverflow) = count.multipliedReportingOverflow(by: MemoryLayout<Scalar>.size)
    guard !overflow, !byteOverflow, let values = AlignedBuffer(byteCount: byteCount),
      let codes = AlignedBuffer(byteCount: 4 * parts.lineCount)
    else {
      throw .badContents(
        file.path, "\(parts.lineCount) lines of \(layout.featureCount) values need more memory than the system has")
    }
    let parser = CSVParser<Scalar>(
      layout: layout, values: values.bytes.baseAddress!.bindMemory(to: Scalar.self, capacity: count),
      codes: codes.bytes.baseAddress!.bindMemory(to: Int32.self, capacity: parts.lineCount))
    try parts.read(file.path) { part, _ throws(TextFault) in try parser.parse(&part) }
    close(gaps: parts, values.bytes.baseAddress!, layout.featureCount * MemoryLayout<Scalar>.size)
    let labels = layout.label == nil ? nil : try parts.labels(path: file.path, codes: parser.codes)
    extendLifetime(codes)
    let features = FeatureMatrix(
      rows: parts.rowCount, shape: [layout.featureCount], element: options.element, owner: values)
    return Table(features: features, labels: labels, featureNames: layout.featureNames)
  }

  /// Moves each part's rows to where those before it end.
  private static func close(gaps parts: [TextPart], _ base: UnsafeMutableRawPointer, _ rowSize: Int) {
    var row = 0
    for part in parts {
      if row != part.firstLine {
        memmove(base + row * rowSize, base + part.firstLine * rowSize, part.rowCount * rowSize)
      }
      row += part.rowCount
    }
  }
}
