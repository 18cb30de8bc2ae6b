import LinearAlgebra

/// Examples in a file of text, which is read twice: once to learn its rows, columns and labels, and once for the values.
final class TextExampleStream<Scalar: BLASScalar & DecimalScalar>: ExampleStream {
  let path: String
  let columns: Int
  private(set) var rows = 0
  private(set) var labelTexts: LabelColumn?

  private enum Layout {
    case sparse(SVMLight.IndexBase)
    case table(CSVLayout)
  }

  private let stream: TextStream
  private let layout: Layout
  private let chunkSize: Int
  private var labels: LabelTable
  private let namesFault: DataError?
  /// Lines of the blocks before the next one.
  private var line = 0
  private var position = 0

  var hasLabels: Bool { labelTexts != nil }
  var fractionDone: Double { stream.fractionDone }

  var columnNames: [String] {
    get throws(DataError) {
      if let namesFault { throw namesFault }
      guard case .table(let layout) = layout, !layout.names.isEmpty else { return [] }
      return layout.featureNames + (layout.label.map { [layout.names[$0]] } ?? [])
    }
  }

  /// Reads the file for the first time, and calls `report` with the share that is done.
  ///
  /// - Parameters:
  ///   - format: `svmlight` or `csv`.
  ///   - label: where a table has its labels.
  ///   - columns: the number of features, where it is known; a table of just so many columns has no labels.
  ///
  /// Throws what `report` does, and exit code 65, 66 or 74.
  init(
    _ path: String, format: ExampleFormat, label: CSV.LabelPosition, columns: Int?, indexBase: SVMLight.IndexBase,
    blockSize: Int = TextStream.blockSize, _ report: (Double) throws -> Void
  ) throws {
    self.path = path
    stream = try TextStream(path, blockSize: blockSize)
    chunkSize = max(1, blockSize / 16)
    let survey: Survey
    switch format {
    case .svmlight: survey = try Self.survey(stream, indexBase, columns, chunkSize, report)
    case .csv:
      survey = try Self.survey(
        stream, CSV.Options(label: label, featureCount: columns, element: SparseStorage<Scalar>.element), chunkSize,
        report)
    case .auto, .idx, .npy: preconditionFailure("\(format) is no text")
    }
    guard survey.rows > 0 else { throw DataError.badContents(path, "holds no examples; name the file that does") }
    (layout, labels, rows, self.columns) = (survey.layout!, survey.labels, survey.rows, survey.columns)
    namesFault = survey.namesFault
    if survey.hasLabels { labelTexts = try labels.column(path: path, codes: []) }
    stream.rewind()
  }

  func next() throws(DataError) -> ExampleBlock? {
    while let text = try stream.next() {
      let block = try block(text)
      position += block.count
      guard position <= rows, labels.count == labelTexts?.texts.count ?? 0 else { throw changed }
      if block.count > 0 { return block }
    }
    guard position == rows else { throw changed }
    return nil
  }

  private func block(_ text: UnsafeBufferPointer<UInt8>) throws(DataError) -> ExampleBlock {
    switch layout {
    case .sparse(let base):
      let parts = Self.sparseParts(text, chunkSize)
      let rows = try SVMLightRows<Scalar>(parts, indexBase: base, columns: columns, firstLine: line, path)
      line += parts.lineCount
      return ExampleBlock(features: .sparse(rows.features(columns: columns, path)), labels: rows.labels(in: &labels))
    case .table(let layout):
      let parts = TextPart.parts(of: text.wholeLines(size: chunkSize))
      let rows = try CSVRows<Scalar>(parts, layout, firstLine: line, path)
      line += parts.lineCount
      return ExampleBlock(features: .dense(rows.features), labels: rows.labels(in: &labels))
    }
  }

  /// After the first reading, so that the file was written to.
  private var changed: DataError {
    .badContents(path, "changed while it was read; use a file that nobody is writing")
  }

  private static func sparseParts(_ text: UnsafeBufferPointer<UInt8>, _ chunkSize: Int) -> [TextPart] {
    TextPart.parts(of: text.wholeLines(size: chunkSize), counting: UInt8(ascii: ":"))
  }

  /// What the first reading learns.
  private struct Survey {
    var layout: Layout?
    var rows = 0
    var columns = 0
    var labels = LabelTable()
    var hasLabels = true
    var namesFault: DataError?
  }

  private static func survey(
    _ stream: TextStream, _ indexBase: SVMLight.IndexBase, _ columns: Int?, _ chunkSize: Int,
    _ report: (Double) throws -> Void
  ) throws -> Survey {
    var survey = Survey()
    var line = 0
    var (smallestIndex, largestIndex) = (Int.max, -1)
    while let text = try stream.next() {
      let parts = sparseParts(text, chunkSize)
      let rows = try SVMLightRows<Scalar>(
        parts, indexBase: indexBase, columns: indexBase == .auto ? nil : columns, firstLine: line, stream.path)
      line += parts.lineCount
      survey.rows += rows.count
      _ = rows.labels(in: &survey.labels)
      (smallestIndex, largestIndex) = (min(smallestIndex, rows.smallestIndex), max(largestIndex, rows.largestIndex))
      try report(stream.fractionDone)
    }
    let base = indexBase.resolved(smallestIndex: smallestIndex)
    let count = base.columnCount(largestIndex: largestIndex)
    if let columns, count > columns {
      // Now that the base is known, the line is found where the index is too large.
      stream.rewind()
      return try Self.survey(stream, base, columns, chunkSize, report)
    }
    guard columns ?? count > 0 || survey.rows == 0 else {
      throw DataError.badContents(stream.path, "its examples have no values; check the file")
    }
    (survey.layout, survey.columns) = (.sparse(base), columns ?? count)
    return survey
  }

  private static func survey(
    _ stream: TextStream, _ options: CSV.Options, _ chunkSize: Int, _ report: (Double) throws -> Void
  ) throws -> Survey {
    var survey = Survey()
    var line = 0
    var known: CSVLayout?
    while let text = try stream.next() {
      let parts = TextPart.parts(of: text.wholeLines(size: chunkSize))
      defer { line += parts.lineCount }
      if known == nil, let first = CSVLayout.firstLine(parts) {
        known = try CSVLayout(first.start, line: line + first.line, options, stream.path)
        if known?.headerLine != nil {
          survey.namesFault = namesFault(first.start, line: line + first.line, stream.path)
        }
      }
      guard let layout = known else { continue }
      let rows = try CSVRows<Scalar>(parts, layout, firstLine: line, stream.path)
      survey.rows += rows.count
      survey.hasLabels = rows.labels(in: &survey.labels) != nil
      try report(stream.fractionDone)
    }
    if let layout = known { (survey.layout, survey.columns) = (.table(layout), layout.featureCount) }
    return survey
  }

  /// What is wrong with names for whoever writes them again; to a reader of the values alone they need not be text.
  private static func namesFault(_ start: UnsafePointer<UInt8>, line: Int, _ path: String) -> DataError? {
    var end = start
    while end.pointee != TextFile.newline { end += 1 }
    if String(validating: start.upTo(end), as: UTF8.self) != nil { return nil }
    return .badContents(path, "line \(line + 1): the names are no UTF-8 text; convert the file with iconv")
  }
}
