/// The layout of all lines of a table, and of further files, as its first lines show it.
struct CSVLayout {
  let separator: UInt8
  let columnCount: Int
  /// The column of the labels.
  let label: Int?
  /// Whether labels are read; otherwise their column is skipped.
  let readsLabels: Bool
  /// The names of all columns; empty without a header.
  let names: [String]
  /// The feature of each column, in the order of known names, and -1 for the labels; nil where features are in the
  /// order of the columns.
  let order: [Int]?
  let element: FeatureMatrix.Element
  /// The file, for errors.
  let path: String
  private let note: String?

  var featureCount: Int { columnCount - (label == nil ? 0 : 1) }

  /// The names of the features, in the order in which they are read, and the name of the labels.
  var columns: TableColumns {
    if names.isEmpty { return TableColumns(features: [], labelColumn: label.map { $0 + 1 }, note: note) }
    var features = names.indices.filter { $0 != label }
    if let order { features.sort { order[$0] < order[$1] } }
    return TableColumns(
      features: features.map { names[$0] }, label: label.map { names[$0] }, labelColumn: label.map { $0 + 1 },
      note: note)
  }

  /// The layout that the head of the first file shows.
  ///
  /// Throws exit code 65 for options that do not fit the file, for a first line that may be names or an example, and
  /// for names other than the known ones.
  init(_ head: CSVHead, _ options: CSV.Options) throws(DataError) {
    path = head.path
    separator = options.separator?.byte ?? SeparatorChoice(head, options.label).separator
    element = options.element
    readsLabels = options.readsLabels
    let cells = try head.firstCells(separator)
    columnCount = cells.count
    try Self.refuseComment(head, cells, options)
    let hasHeader: Bool
    let matcher = CSVColumnMatcher(head: head, cells: cells, options: options)
    let known = options.header == .no ? nil : options.known
    if let known, matcher.isNamed(as: known) {
      // The labels are in the column that has their name, whatever the position.
      hasHeader = true
      (label, order) = try matcher.match(known)
      try Self.refuseRanking(head, cells, separator, label: label, known, options)
    } else {
      let position = try matcher.position()
      let named = matcher.labelAmongNames() ?? position
      hasHeader = try Self.hasHeader(head, cells, separator, label: named, options, position: position)
      (label, order) =
        if hasHeader, let known, known.hasNames {
          try matcher.match(known)
        } else if hasHeader, options.numbersAreFeatures {
          (named, try matcher.numbered(label: named))
        } else {
          (position, nil)
        }
    }
    guard columnCount > (label == nil ? 0 : 1) else {
      throw .badContents(
        path,
        "line \(head.lines[0].number + 1) has one column, that of the labels; check the separator, which is "
          + Self.name(separator))
    }
    names = hasHeader ? cells.map(\.text) : []
    if hasHeader { try matcher.refuseIndex(label: label) }
    note =
      if !hasHeader, options.known?.hasNames == true {
        "\(path) has no names for its columns, which are taken in the order of the model's"
      } else if options.numbersAreFeatures, order != nil {
        "\(path) has the numbers of the features for names, by which its columns are taken"
      } else {
        nil
      }
  }

  /// The layout of the files of one table with these heads, and the line of names of each file that has one.
  ///
  /// Throws exit code 65 for a file with other columns than the first one.
  static func ofFiles(
    _ heads: [CSVHead], _ options: CSV.Options
  ) throws(DataError) -> (layout: CSVLayout, headerLines: [Int?]) {
    let layout = try CSVLayout(heads[0], options)
    var headerLines = [layout.names.isEmpty ? nil : heads[0].lines[0].number]
    for head in heads.dropFirst() {
      headerLines.append(try layout.isRepeated(in: head, options) ? head.lines[0].number : nil)
    }
    return (layout, headerLines)
  }

  /// Whether the first line of a further file repeats the names, which it may leave out. Throws exit code 65 if the
  /// file has other columns.
  private func isRepeated(in head: CSVHead, _ options: CSV.Options) throws(DataError) -> Bool {
    let cells = try head.firstCells(separator)
    func other(_ reason: String) -> DataError {
      .badContents(
        head.path, "line \(head.lines[0].number + 1) \(reason); the files of a set are parts of one table")
    }
    guard cells.count == columnCount else {
      throw other("has \(cells.count) columns, and \(path) has \(columnCount)")
    }
    if !names.isEmpty, cells.map(\.name) == names.map(\.scalars) { return true }
    try Self.refuseComment(head, cells, options)
    let isNamed = CSVColumnMatcher(head: head, cells: cells, options: options).isNamed(as: columns)
    let hasHeader =
      if isNamed { true } else { try Self.hasHeader(head, cells, separator, label: label, options, position: label) }
    guard hasHeader else { return false }
    guard !names.isEmpty else { throw other("has names, and \(path) has none") }
    let column = cells.indices.first { cells[$0].name != names[$0].scalars }!
    throw other("has \(cells[column].quoted) for the name of column \(column + 1), and \(path) has '\(names[column])'")
  }

  /// Throws where the first line is a comment, whatever its fields look like, unless it consists of a label and
  /// features.
  private static func refuseComment(
    _ head: CSVHead, _ cells: [CSVHead.Cell], _ options: CSV.Options
  ) throws(DataError) {
    let isLabel = [.first, .number(1)].contains(options.label) && cells.count > 1
    if cells[0].text.hasPrefix("#"), !cells[0].isQuoted,
      !isLabel || cells.dropFirst().contains(where: { $0.number == nil })
    {
      throw head.fault(CSVParser<Float>.comment)
    }
  }

  /// Throws where names that are numbers may as well be an example, since other lines have the same numbers.
  private static func refuseRanking(
    _ head: CSVHead, _ cells: [CSVHead.Cell], _ separator: UInt8, label: Int?, _ known: TableColumns,
    _ options: CSV.Options
  ) throws(DataError) {
    guard options.header == .auto, known.features.allSatisfy({ ExactDecimal($0) != nil }) else { return }
    let columns = cells.indices.filter { $0 != label }
    let evidence = CSVHeaderEvidence(cells: cells, rows: head.rows(separator, columns: cells.count), label: label)
    if evidence.areRankings(columns) {
      throw doubt(
        head, cells, .init(column: columns[0], reason: "is a name of the model, and other lines have the same numbers"))
    }
  }

  private static func doubt(_ head: CSVHead, _ cells: [CSVHead.Cell], _ doubt: CSVHeaderEvidence.Doubt) -> DataError {
    head.fault(
      "column \(doubt.column + 1) has \(cells[doubt.column].quoted), which \(doubt.reason): correct it, or say "
        + "whether the line has the names of the columns (data.header or --header: yes or no)")
  }

  /// Whether the first line has names. `label` is the column of the labels if it has, and `position` if it is an
  /// example. Throws exit code 65 where it is ambiguous.
  private static func hasHeader(
    _ head: CSVHead, _ cells: [CSVHead.Cell], _ separator: UInt8, label: Int?, _ options: CSV.Options, position: Int?
  ) throws(DataError) -> Bool {
    switch options.header {
    case .yes: return true
    case .no: return false
    case .auto:
      if case .name(let name) = options.label, let label, cells[label].name == name.scalars { return true }
      let rows = head.rows(separator, columns: cells.count)
      func isHeader(label: Int?) throws(CSVHeaderEvidence.Doubt) -> Bool {
        try CSVHeaderEvidence(cells: cells, rows: rows, label: label).isHeader()
      }
      do throws(CSVHeaderEvidence.Doubt) {
        guard let label, label != position, try isHeader(label: label) else { return try isHeader(label: position) }
        // An example may have the numbers of the features beside another number.
        guard cells[label].number != nil, try !isHeader(label: position) else { return true }
        throw CSVHeaderEvidence.Doubt(column: label, reason: "stands beside numbers that count the features")
      } catch {
        throw doubt(head, cells, error)
      }
    }
  }

  /// The column in the words of an error.
  func name(_ column: Int) -> String {
    guard !names.isEmpty else { return "column \(column + 1)" }
    let name = Array(names[column].utf8).withUnsafeBufferPointer { TextFault.quoted($0) }
    return "column \(column + 1) \(name)"
  }

  private static func name(_ separator: UInt8) -> String {
    separator == UInt8(ascii: "\t") ? "a tab" : "'\(Unicode.Scalar(separator))'"
  }
}
