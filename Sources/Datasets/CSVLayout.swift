/// What the first line of a table tells about all of them, also about those of further files.
struct CSVLayout {
  let separator: UInt8
  let columnCount: Int
  /// The column of the labels.
  let label: Int?
  /// All columns' names; empty without a header.
  let names: [String]
  let element: FeatureMatrix.Element
  /// The file, for errors.
  let path: String

  var featureCount: Int { columnCount - (label == nil ? 0 : 1) }
  var featureNames: [String] { names.indices.filter { $0 != label }.map { names[$0] } }

  /// What the line at `start`, the first one that is not blank, tells; `line` is its number, counted from 0.
  ///
  /// Throws exit code 65 for options that it does not fit.
  init(_ start: UnsafePointer<UInt8>, line: Int, _ options: CSV.Options, _ path: String) throws(DataError) {
    self.path = path
    separator = options.separator?.byte ?? Self.separator(of: start)
    element = options.element
    let fields = try Self.fields(of: start, separator, line: line, path)
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
    let hasHeader = options.hasHeader ?? (isNamed || Self.hasName(among: features.map { fields[$0] }))
    names = hasHeader ? fields.map(\.string) : []
  }

  /// The layout of files of one table, whose parts get to know which of their lines has names.
  ///
  /// Throws exit code 65 for a file without lines, and for one whose columns are others than those of the first one.
  static func ofFiles(_ parts: inout [TextPart], _ options: CSV.Options) throws(DataError) -> CSVLayout {
    var layout: CSVLayout?
    for file in parts.files {
      guard let next = try ofFile(&parts, file, options, after: layout) else {
        throw [TextPart].noRows(parts[file.lowerBound].path)
      }
      layout = layout ?? next
    }
    guard let layout else { preconditionFailure("no files") }
    return layout
  }

  /// What the first line of a file tells, which is in its first parts or in later ones; nil for the latter. It must not
  /// contradict `known`, what the first file's did.
  static func ofFile(
    _ parts: inout [TextPart], _ file: Range<Int>, _ options: CSV.Options, after known: CSVLayout?
  ) throws(DataError) -> CSVLayout? {
    for part in file {
      guard let (start, line) = firstLine(parts[part].text) else { continue }
      let (number, path) = (parts[part].fileLine + line, parts[part].path)
      let (layout, hasNames): (CSVLayout, Bool)
      if let known {
        (layout, hasNames) = (known, try known.isRepeated(at: start, line: number, options, path))
      } else {
        layout = try CSVLayout(start, line: number, options, path)
        hasNames = !layout.names.isEmpty
      }
      if hasNames { parts[part].headerLine = line }
      return layout
    }
    return nil
  }

  /// Whether the first line of a further file has the names again, which may be missing there. Throws exit code 65 if it
  /// has other columns.
  private func isRepeated(
    at start: UnsafePointer<UInt8>, line: Int, _ options: CSV.Options, _ path: String
  ) throws(DataError) -> Bool {
    let fields = try Self.fields(of: start, separator, line: line, path)
    func other(_ reason: String) -> DataError {
      .badContents(path, "line \(line + 1) \(reason); the files of a set are parts of one table")
    }
    guard fields.count == columnCount else {
      throw other("has \(fields.count) columns, and \(self.path) has \(columnCount)")
    }
    let found = fields.map(\.string)
    if !names.isEmpty, found == names { return true }
    guard options.hasHeader ?? Self.hasName(among: fields.indices.filter { $0 != label }.map { fields[$0] }) else {
      return false
    }
    guard !names.isEmpty else { throw other("has names, and \(self.path) has none") }
    let column = fields.indices.first { found[$0] != names[$0] }!
    throw other(
      "has \(TextFault.quoted(fields[column].bytes)) for the name of column \(column + 1), and \(self.path) has "
        + "'\(names[column])'")
  }

  private static func fields(
    of start: UnsafePointer<UInt8>, _ separator: UInt8, line: Int, _ path: String
  ) throws(DataError) -> [CSVField] {
    do {
      return try CSVField.all(of: start, separator: separator)
    } catch {
      throw .badContents(path, "line \(line + 1): \(error.message)")
    }
  }

  private static func hasName(among features: [CSVField]) -> Bool {
    features.contains { $0.number(as: Double.self) == nil && !$0.isMissingNumber }
  }

  /// The column as errors name it.
  func name(_ column: Int) -> String {
    guard !names.isEmpty else { return "column \(column + 1)" }
    let name = Array(names[column].utf8).withUnsafeBufferPointer { TextFault.quoted($0) }
    return "column \(column + 1) \(name)"
  }

  /// The first line of a text that is not blank.
  private static func firstLine(_ text: UnsafeBufferPointer<UInt8>) -> (start: UnsafePointer<UInt8>, line: Int)? {
    var cursor = text.baseAddress!
    var line = 0
    while cursor < text.baseAddress! + text.count {
      let start = cursor
      CSVField.skipSpaces(&cursor)
      if !CSVField.isEnd(cursor) { return (start, line) }
      while cursor.pointee != TextFile.newline { cursor += 1 }
      cursor += 1
      line += 1
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
