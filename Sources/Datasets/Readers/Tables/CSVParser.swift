import LinearAlgebra

/// Reads one part of a table.
///
/// The text ends with a newline, at which every loop over bytes stops, so that no loop tests for the end of the text.
struct CSVParser<Scalar: BLASScalar & DecimalScalar> {
  let layout: CSVLayout
  /// Room for the features of all lines, blank lines and the header included.
  let values: UnsafeMutablePointer<Scalar>
  let codes: UnsafeMutablePointer<Int32>

  private var carriageReturn: UInt8 { UInt8(ascii: "\r") }

  /// Writes the rows of the part, from the place of its first line on.
  func parse(_ part: inout TextPart) throws(TextFault) {
    var cursor = part.text.baseAddress!
    let end = cursor + part.text.count
    var line = 0
    while cursor < end {
      let start = cursor
      CSVField.skipSpaces(&cursor)
      if !CSVField.isEnd(cursor) && line != part.headerLine {
        cursor = start
        do throws(TextFault) {
          try row(&cursor, &part, line)
        } catch {
          throw lineFault(start, line) ?? countFault(start, line) ?? error
        }
        part.rowCount += 1
      }
      while cursor.pointee != TextFile.newline { cursor += 1 }
      cursor += 1
      line += 1
    }
  }

  @inline(__always)
  private func row(_ cursor: inout UnsafePointer<UInt8>, _ part: inout TextPart, _ line: Int) throws(TextFault) {
    let row = part.firstLine + part.rowCount
    var target = values + row * layout.featureCount
    let label = layout.label ?? layout.columnCount
    let order = layout.order
    for column in 0..<layout.columnCount {
      if column == label {
        codes[row] = try self.label(&cursor, &part.labels, line)
      } else if let order {
        values[row * layout.featureCount + order[column]] = try number(&cursor, column, line)
      } else {
        target.pointee = try number(&cursor, column, line)
        target += 1
      }
      if column + 1 < layout.columnCount && cursor.pointee == layout.separator {
        cursor += 1
      } else if column + 1 < layout.columnCount || !CSVField.isEnd(cursor) {
        throw TextFault(line: line, message: "has another number of fields than the first line")
      }
    }
  }

  @inline(__always)
  private func number(_ cursor: inout UnsafePointer<UInt8>, _ column: Int, _ line: Int) throws(TextFault) -> Scalar {
    CSVField.skipBlanks(&cursor, layout.separator)
    let start = cursor
    if let number = DecimalNumber.parse(&cursor, as: Scalar.self), number.isFinite {
      CSVField.skipBlanks(&cursor, layout.separator)
      if cursor.pointee == layout.separator || CSVField.isEnd(cursor) { return number }
    }
    cursor = start
    return try unusualNumber(&cursor, column, line)
  }

  /// A number in quotes, or an error.
  @inline(never)
  private func unusualNumber(
    _ cursor: inout UnsafePointer<UInt8>, _ column: Int, _ line: Int
  ) throws(TextFault) -> Scalar {
    let field = try field(&cursor, line)
    let number = field.number(as: Scalar.self)
    if let number, number.isFinite { return number }
    let text = TextFault.quoted(field.bytes)
    let reason =
      switch number {
      case nil where field.bytes.isEmpty: "is empty; fill it in, or remove the line"
      case nil where field.isMissingNumber: "has no number but \(text); replace it, or remove the line"
      case nil: "has \(text), which is no number; encode it, or say which column has the labels"
      default:
        "has \(text), which is too large for \(layout.element.rawValue)"
          + (field.number(as: Double.self)?.isFinite == true ? "; read the file as float64" : "")
      }
    throw TextFault(line: line, message: "\(layout.name(column)) \(reason)")
  }

  private func label(
    _ cursor: inout UnsafePointer<UInt8>, _ labels: inout LabelTable, _ line: Int
  ) throws(TextFault) -> Int32 {
    let field = try field(&cursor, line)
    if !layout.readsLabels { return 0 }
    if field.bytes.isEmpty {
      throw TextFault(line: line, message: "the label is empty; fill it in, or remove the line")
    }
    if field.bytes.contains(carriageReturn) { throw TextFault(line: line, message: Self.lineEnd) }
    return field.withText { labels.code(for: $0, line: line) }
  }

  private func field(_ cursor: inout UnsafePointer<UInt8>, _ line: Int) throws(TextFault) -> CSVField {
    do {
      return try CSVField(&cursor, separator: layout.separator)
    } catch {
      throw TextFault(line: line, message: error.message)
    }
  }

  /// The fault of a line that no table has, or that holds several lines.
  private func lineFault(_ start: UnsafePointer<UInt8>, _ line: Int) -> TextFault? {
    var cursor = start
    CSVField.skipSpaces(&cursor)
    if cursor.pointee == UInt8(ascii: "#") { return TextFault(line: line, message: Self.comment) }
    while !CSVField.isEnd(cursor) {
      if cursor.pointee == carriageReturn { return TextFault(line: line, message: Self.lineEnd) }
      cursor += 1
    }
    return nil
  }

  private static var lineEnd: String {
    "has a carriage return within it, which ends no line unless it does so from the first line on; remove it"
  }

  static var comment: String {
    "begins with # as a comment does, and tables have none; remove such lines, or the # before names"
  }

  /// The fault of a line with a wrong number of fields.
  private func countFault(_ start: UnsafePointer<UInt8>, _ line: Int) -> TextFault? {
    guard let count = try? CSVField.all(of: start, separator: layout.separator).count, count != layout.columnCount
    else {
      return nil
    }
    return TextFault(
      line: line, message: "has \(count) fields, and the first line has \(layout.columnCount); complete the line")
  }
}
