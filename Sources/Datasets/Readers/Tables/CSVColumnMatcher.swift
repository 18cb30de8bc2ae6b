/// Finds the columns of a table by their positions, or by names that are known from elsewhere.
struct CSVColumnMatcher {
  let head: CSVHead
  let cells: [CSVHead.Cell]
  let options: CSV.Options

  private var names: [String] { cells.map(\.text) }

  /// Whether the line has the known names, of which an example may have two that are numbers, or one that is no number.
  func isNamed(as known: TableColumns) -> Bool {
    let names = Set(names)
    if known.features.contains(where: { names.contains($0) && ExactDecimal($0) == nil }) { return true }
    return known.features.count >= 3 && known.features.allSatisfy(names.contains)
  }

  /// The column of the labels by `Options.label`; nil where there is none.
  ///
  /// Throws exit code 65 for one that is not there.
  func position() throws(DataError) -> Int? {
    switch options.featureCount == cells.count ? .absent : options.label {
    case .first: return 0
    case .last: return cells.count - 1
    case .absent: return nil
    case .number(let number):
      guard (1...cells.count).contains(number) else {
        throw .badContents(head.path, "has \(cells.count) columns and no column \(number) for the labels")
      }
      return number - 1
    case .name(let name):
      let columns = cells.indices.filter { cells[$0].text == name }
      guard options.header != .no, columns.count == 1 else {
        let what = columns.count > 1 ? "\(columns.count) columns" : "no column"
        throw .badContents(
          head.path,
          "line \(head.lines[0].number + 1) names \(what) '\(name)' for the labels, but \(TableColumns.list(names))")
      }
      return columns[0]
    }
  }

  /// The column of the labels, and which feature each column is, by the names; nil for the latter where all are in order.
  ///
  /// Throws exit code 65 where a feature has no column or two, and where a column is neither a feature nor the labels.
  func match(_ known: TableColumns) throws(DataError) -> (label: Int?, order: [Int]?) {
    let features = Set(known.features)
    let label = try label(known, features)
    let columns = cells.indices.filter { $0 != label }
    if columns.map({ cells[$0].text }) == known.features { return (label, nil) }
    let found = Set(columns.map { cells[$0].text })
    func of(_ names: [String], _ problem: String, _ remedy: String) -> DataError {
      head.fault("\(problem) \(TableColumns.list(names)); \(remedy)")
    }
    let missing = known.features.filter { !found.contains($0) }
    guard missing.isEmpty else {
      throw of(missing, "names no column", "the features are those of the training set, in any order")
    }
    let unknown = columns.map { cells[$0].text }.filter { !features.contains($0) }
    guard unknown.isEmpty else {
      throw of(unknown, "names columns that the training set does not have:", "remove them")
    }
    let twice = Dictionary(grouping: columns) { cells[$0].text }.filter { $0.value.count > 1 }.keys.sorted()
    guard twice.isEmpty, features.count == known.features.count else {
      let names = twice.isEmpty ? known.features.filter { name in known.features.count { $0 == name } > 1 } : twice
      throw of(names, "has another order than the training set, and one name for several columns:", "rename them")
    }
    let numbers = Dictionary(uniqueKeysWithValues: zip(known.features, 0...))
    return (label, cells.indices.map { $0 == label ? -1 : numbers[cells[$0].text]! })
  }

  /// The column of the labels where features are known by their names: that which is asked for by name, or has the known
  /// name, or else the one at the position that is asked for, unless that is a feature.
  private func label(_ known: TableColumns, _ features: Set<String>) throws(DataError) -> Int? {
    if case .absent = options.label { return nil }
    if case .name(let name) = options.label {
      if cells.contains(where: { $0.text == name }) { return try position() }
      if !options.readsLabels || features.isSubset(of: names) { return nil }
      return try position()
    }
    let named = known.label.map { label in cells.indices.filter { cells[$0].text == label } } ?? []
    if named.count == 1, !features.contains(cells[named[0]].text) {
      if options.isLabelGiven, let column = try position(), column != named[0] {
        throw head.fault(
          "names the labels in column \(named[0] + 1), \(cells[named[0]].quoted), and not in column \(column + 1), "
            + "\(cells[column].quoted), which is asked for")
      }
      return named[0]
    }
    // One that is a feature of the training set has a name that is known.
    guard let column = try? position(), cells.count > known.features.count else { return nil }
    let isFeature = features.contains(cells[column].text) && names.count { $0 == cells[column].text } == 1
    return isFeature ? nil : column
  }

  /// Throws exit code 65 for a feature without a name, which is how programs write an index beside the data.
  func refuseIndex(label: Int?) throws(DataError) {
    for (column, cell) in cells.enumerated() where column == 0 || column != label {
      if cell.text.isEmpty {
        throw head.fault(
          "column \(column + 1) has no name, as the row numbers that pandas writes; write the table with index=False, "
            + "remove the column, or give it a name")
      }
      if cell.text.hasPrefix("Unnamed: ") {
        throw head.fault(
          "column \(column + 1) is \(cell.quoted), as pandas calls row numbers that it has read as data; remove it, "
            + "or give it a name")
      }
    }
  }
}
