import Glibc
import LinearAlgebra

/// The rows of consecutive parts of a table, which may be in several files.
struct CSVRows<Scalar: BLASScalar & DecimalScalar> {
  private let parts: [TextPart]
  private let layout: CSVLayout
  private let values: AlignedBuffer
  private let codes: AlignedBuffer

  var count: Int { parts.rowCount }

  /// Throws exit code 65 for wrong contents, or where there is no memory for them.
  init(_ parts: [TextPart], _ layout: CSVLayout) throws(DataError) {
    var parts = parts
    let (count, overflow) = parts.lineCount.multipliedReportingOverflow(by: layout.featureCount)
    let (byteCount, byteOverflow) = count.multipliedReportingOverflow(by: MemoryLayout<Scalar>.size)
    guard !overflow, !byteOverflow, let values = AlignedBuffer(byteCount: byteCount),
      let codes = AlignedBuffer(byteCount: 4 * parts.lineCount)
    else {
      throw .badContents(
        parts.first?.path ?? "",
        "\(parts.lineCount) lines of \(layout.featureCount) values need more memory than the system has")
    }
    let parser = CSVParser<Scalar>(
      layout: layout, values: values.bytes.baseAddress!.bindMemory(to: Scalar.self, capacity: count),
      codes: codes.bytes.baseAddress!.bindMemory(to: Int32.self, capacity: parts.lineCount))
    try parts.read { part, _ throws(TextFault) in try parser.parse(&part) }
    (self.parts, self.layout, self.values, self.codes) = (parts, layout, values, codes)
    closeGaps()
  }

  var features: FeatureMatrix {
    FeatureMatrix(rows: count, shape: [layout.featureCount], element: layout.element, owner: values)
  }

  /// The label of each row as a code of `table`, which gains new texts; nil for a table without labels.
  func labels(in table: inout LabelTable) -> [Int32]? {
    if layout.label == nil || !layout.readsLabels { return nil }
    defer { extendLifetime(codes) }
    return parts.labels(in: &table, codes: codes.bytes.baseAddress!.assumingMemoryBound(to: Int32.self))
  }

  /// A note for the user where the first feature counts the rows, as an index does; nil otherwise.
  var indexNote: String? {
    let column = layout.label == 0 ? 1 : 0
    guard count >= 10, layout.featureCount > 1, layout.order == nil else { return nil }
    defer { extendLifetime(values) }
    let values = values.bytes.baseAddress!.assumingMemoryBound(to: Scalar.self)
    for row in 1..<count
    where values[row * layout.featureCount] != values[(row - 1) * layout.featureCount] + 1 { return nil }
    return "\(layout.path): \(layout.name(column)) counts the rows; remove it if it is an index, and no feature"
  }

  /// Throws exit code 65 for a file without a row.
  func check() throws(DataError) { try parts.checkRows() }

  /// Moves the rows of each part to the end of the previous part.
  private func closeGaps() {
    let rowSize = layout.featureCount * MemoryLayout<Scalar>.size
    var row = 0
    for part in parts {
      if row != part.firstLine {
        let base = values.bytes.baseAddress!
        memmove(base + row * rowSize, base + part.firstLine * rowSize, part.rowCount * rowSize)
      }
      row += part.rowCount
    }
  }
}
