import LinearAlgebra

/// Examples in text files, which are read twice: first for rows, columns and labels, then for the values.
final class TextExampleStream<Scalar: BLASScalar & DecimalScalar>: ExampleStream {
  let path: String
  let columns: Int
  let rows: Int
  private(set) var labelTexts: LabelColumn?
  var files: SetFiles? { nil }
  var labelFiles: SetFiles? { nil }

  private enum Layout {
    case sparse(SVMLight.IndexBase, hasLabels: Bool)
    /// A table, with the line of names of each file that has one.
    case table(CSVLayout, headerLines: [Int?])
  }

  private let stream: TextPartStream
  private let layout: Layout
  private var labels: LabelTable
  private let namesFault: DataError?
  private var position = 0

  var hasLabels: Bool { labelTexts != nil }
  var labelsAreValues: Bool { false }
  var oneHotColumns: Int? { nil }
  var fractionDone: Double { stream.fractionDone }

  var tableColumns: TableColumns? {
    if case .table(let layout, _) = layout { layout.columns } else { nil }
  }

  var columnNames: [String] {
    get throws(DataError) {
      guard let tableColumns, tableColumns.hasNames else { return [] }
      if let namesFault { throw namesFault }
      return tableColumns.features + (tableColumns.label.map { [$0] } ?? [])
    }
  }

  /// Reads the files for the first time, and calls `report` with the fraction that is done.
  ///
  /// - Parameter format: `svmlight` or `csv`.
  ///
  /// Throws the errors of `report`, and exit code 65, 66 or 74.
  init(
    _ paths: [String], format: ExampleFormat, options: TextOptions = TextOptions(),
    blockSize: Int = TextStream.blockSize, _ report: (Double) throws -> Void
  ) throws {
    path = paths[0]
    stream = try TextPartStream(paths, blockSize: blockSize)
    let survey: Survey
    switch format {
    case .svmlight: survey = try Self.survey(stream, options.indexBase, options.columns, report)
    case .csv: survey = try Self.survey(stream, options.table(of: SparseStorage<Scalar>.element), report)
    case .auto, .idx, .npy, .npz, .safetensors: preconditionFailure("\(format) is no text")
    }
    (layout, labels, rows, self.columns) = (survey.layout!, survey.labels, survey.rows.reduce(0, +), survey.columns)
    namesFault = survey.namesFault
    if survey.hasLabels { labelTexts = try labels.column(codes: []) }
    stream.rewind()
  }

  func next() throws(DataError) -> ExampleBlock? {
    while let block = try block() {
      position += block.count
      guard position <= rows, labels.count == labelTexts?.texts.count ?? 0 else { throw changed }
      if block.count > 0 { return block }
    }
    guard position == rows else { throw changed }
    return nil
  }

  private func block() throws(DataError) -> ExampleBlock? {
    switch layout {
    case .sparse(let base, let hasLabels):
      guard let parts = try stream.next(counting: Self.colon) else { return nil }
      let rows = try SVMLightRows<Scalar>(parts, indexBase: base, columns: columns, hasLabels: hasLabels)
      return ExampleBlock(features: .sparse(rows.features(columns: columns, path)), labels: rows.labels(in: &labels))
    case .table(let layout, let headerLines):
      guard var parts = try stream.next() else { return nil }
      parts.markHeader(headerLines[stream.file])
      let rows = try CSVRows<Scalar>(parts, layout)
      return ExampleBlock(features: .dense(rows.features), labels: rows.labels(in: &labels))
    }
  }

  /// The error for a second pass that differs from the first: the file was written to in between.
  private var changed: DataError { DataFile.changed(path) }

  private static var colon: UInt8 { UInt8(ascii: ":") }

  /// The facts that the first pass collects.
  private struct Survey {
    var layout: Layout?
    /// The number of rows of each file.
    var rows: [Int]
    var columns = 0
    var labels = LabelTable()
    var hasLabels = true
    var namesFault: DataError?

    init(_ stream: TextPartStream) { rows = stream.paths.map { _ in 0 } }

    /// Throws exit code 65 for a file without a row.
    func checkRows(_ stream: TextPartStream) throws(DataError) {
      guard let file = rows.firstIndex(of: 0) else { return }
      let header: Int? = if case .table(_, let lines) = layout { lines[file] } else { nil }
      throw [TextPart].noRows(stream.paths[file], header: header)
    }
  }

  private static func survey(
    _ stream: TextPartStream, _ indexBase: SVMLight.IndexBase, _ columns: Int?, _ report: (Double) throws -> Void
  ) throws -> Survey {
    var survey = Survey(stream)
    var (smallestIndex, largestIndex) = (Int.max, -1)
    var hasLabels: Bool?
    var blankLine: DataError?
    while let parts = try stream.next(counting: colon) {
      if hasLabels == nil {
        // Before the first example, a blank line means the same as after it.
        hasLabels = SVMLightRows<Scalar>.beginWithLabels(parts)
        if hasLabels == nil { blankLine = blankLine ?? SVMLightRows<Scalar>.blankLine(parts) }
        if hasLabels == false, let blankLine { throw blankLine }
      }
      let rows = try SVMLightRows<Scalar>(
        parts, indexBase: indexBase, columns: indexBase == .auto ? nil : columns, hasLabels: hasLabels)
      survey.rows[stream.file] += rows.count
      _ = rows.labels(in: &survey.labels)
      (smallestIndex, largestIndex) = (min(smallestIndex, rows.smallestIndex), max(largestIndex, rows.largestIndex))
      try report(stream.fractionDone)
    }
    try survey.checkRows(stream)
    let base = indexBase.resolved(smallestIndex: smallestIndex)
    let count = base.columnCount(largestIndex: largestIndex)
    if let columns, count > columns {
      // Another pass with the known base finds the line with the index that is too large.
      stream.rewind()
      return try Self.survey(stream, base, columns, report)
    }
    guard columns ?? count > 0 else {
      throw DataError.badContents(stream.paths[0], "its examples have no values; check the file")
    }
    survey.hasLabels = hasLabels ?? true
    (survey.layout, survey.columns) = (.sparse(base, hasLabels: survey.hasLabels), columns ?? count)
    return survey
  }

  private static func survey(
    _ stream: TextPartStream, _ options: CSV.Options, _ report: (Double) throws -> Void
  ) throws -> Survey {
    var survey = Survey(stream)
    let heads = try stream.paths.map { try CSVHead(path: $0) }
    let (layout, headerLines) = try CSVLayout.ofFiles(heads, options)
    if !layout.names.isEmpty { survey.namesFault = namesFault(heads[0]) }
    while var parts = try stream.next() {
      parts.markHeader(headerLines[stream.file])
      let rows = try CSVRows<Scalar>(parts, layout)
      survey.rows[stream.file] += rows.count
      survey.hasLabels = rows.labels(in: &survey.labels) != nil
      try report(stream.fractionDone)
    }
    (survey.layout, survey.columns) = (.table(layout, headerLines: headerLines), layout.featureCount)
    try survey.checkRows(stream)
    return survey
  }

  /// The error for names that cannot be written as text; for reading values alone, names may have any bytes.
  private static func namesFault(_ head: CSVHead) -> DataError? {
    String(validating: head.lines[0].text, as: UTF8.self) == nil
      ? head.fault("the names are no UTF-8 text; convert the file with iconv") : nil
  }
}
