/// What the first line of a table tells about all of them.
struct CSVLayout {
  let separator: UInt8
  let columnCount: Int
  /// The column of the labels.
  let label: Int?
  /// The line of the names, counted from 0; nil if the first line that is not blank is an example.
  var headerLine: Int?
  /// All columns' names; empty without a header.
  let names: [String]
  let element: FeatureMatrix.Element

  var featureCount: Int { columnCount - (label == nil ? 0 : 1) }
  var featureNames: [String] { names.indices.filter { $0 != label }.map { names[$0] } }

  /// What the line at `start`, the first one that is not blank, tells; `line` is its number, counted from 0.
  ///
  /// Throws exit code 65 for options that it does not fit.
  init(_ start: UnsafePointer<UInt8>, line: Int, _ options: CSV.Options, _ path: String) throws(DataError) {
    separator = options.separator?.byte ?? Self.separator(of: start)
    element = options.element
    let fields: [CSVField]
    do {
      fields = try CSVField.all(of: start, separator: separator)
    } catch {
      throw .badContents(path, "line \(line + 1): \(error.message)")
    }
    columnCount = fields.count
    switch options.featureCount == columnCount ? .absent : options.label {
    case .first: label = 0
    case .last: label = columnCount - 1
    case .absent: label = nil
    case .number(let number):
      guard (1...columnCount).contains(number) else {
        throw .badContents(path, "has \(columnCount) columns and no column \(number) for the labels")
      }
      label = number - 1
    case .name(let name):
      let columns = fields.indices.filter { fields[$0].string == name }
      guard options.hasHeader ?? true, columns.count == 1 else {
        let what = columns.count > 1 ? "\(columns.count) columns" : "no column"
        let known = fields.prefix(8).map { TextFault.quoted($0.bytes) }.joined(separator: ", ")
        throw .badContents(
          path, "line \(line + 1) names \(what) '\(name)' for the labels, but \(known)\(columnCount > 8 ? ", …" : "")")
      }
      label = columns[0]
    }
    let features = fields.indices.filter { [label] in $0 != label }
    guard !features.isEmpty else {
      throw .badContents(
        path, "has one column, that of the labels; check the separator, which is \(Self.name(separator))")
    }
    let isNamed = if case .name = options.label { label != nil } else { false }
    let hasHeader =
      options.hasHeader
      ?? (isNamed || features.contains { fields[$0].number(as: Double.self) == nil && !fields[$0].isMissingNumber })
    headerLine = hasHeader ? line : nil
    names = hasHeader ? fields.map(\.string) : []
  }

  /// The column as errors name it.
  func name(_ column: Int) -> String {
    guard !names.isEmpty else { return "column \(column + 1)" }
    let name = Array(names[column].utf8).withUnsafeBufferPointer { TextFault.quoted($0) }
    return "column \(column + 1) \(name)"
  }

  /// The first line that is not blank.
  static func firstLine(_ parts: [TextPart]) -> (start: UnsafePointer<UInt8>, line: Int)? {
    for part in parts {
      var cursor = part.text.baseAddress!
      var line = part.firstLine
      while cursor < part.text.baseAddress! + part.text.count {
        let start = cursor
        CSVField.skipSpaces(&cursor)
        if !CSVField.isEnd(cursor) { return (start, line) }
        while cursor.pointee != TextFile.newline { cursor += 1 }
        cursor += 1
        line += 1
      }
    }
    return nil
  }

  private static func separator(of start: UnsafePointer<UInt8>) -> UInt8 {
    var cursor = start
    var isQuoted = false
    var separator = CSV.Separator.comma.byte
    while cursor.pointee != TextFile.newline {
      if cursor.pointee == CSVField.quote { isQuoted.toggle() }
      if !isQuoted && cursor.pointee == CSV.Separator.tab.byte { return cursor.pointee }
      if !isQuoted && cursor.pointee == CSV.Separator.semicolon.byte { separator = cursor.pointee }
      cursor += 1
    }
    return separator
  }

  private static func name(_ separator: UInt8) -> String {
    separator == UInt8(ascii: "\t") ? "a tab" : "'\(Unicode.Scalar(separator))'"
  }
}
