/// Finds the columns of a table by their positions, or by known names.
struct CSVColumnMatcher {
  let head: CSVHead
  let cells: [CSVHead.Cell]
  let options: CSV.Options

  private var names: [ScalarText] { cells.map(\.name) }

  /// Whether the line has the known names: one that is not a number, or all of them where there are at least three. An
  /// example may match two names that are numbers by chance.
  func isNamed(as known: TableColumns) -> Bool {
    let names = Set(names)
    if known.names.contains(where: { names.contains($0) && ExactDecimal($0.text) == nil }) { return true }
    return known.names.count >= 3 && known.names.allSatisfy(names.contains)
  }

  /// The column of the labels according to `Options.label`; nil where there is none.
  ///
  /// Throws exit code 65 for a column that does not exist.
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
      let columns = cells.indices.filter { cells[$0].name == name.scalars }
      guard options.header != .no, columns.count == 1 else {
        let what = columns.count > 1 ? "\(columns.count) columns" : "no column"
        throw .badContents(
          head.path,
          "line \(head.lines[0].number + 1) names \(what) '\(name)' for the labels, but \(TableColumns.list(cells.map(\.text)))"
        )
      }
      return columns[0]
    }
  }

  /// The column of the labels that the names tell of where features are known by their numbers alone, in a table with a
  /// column more than these; nil where they tell nothing, or the user names a column.
  ///
  /// It is the one beside names that number the features, or the only one that is called as labels usually are.
  func labelAmongNames() -> Int? {
    guard options.numbersAreFeatures, options.label == .last, options.header != .no,
      let count = options.featureCount, cells.count == count + 1
    else { return nil }
    let numbers = cells.map(\.wholeNumber)
    let others = [0, 1].compactMap { first -> Int? in
      let isFeature = numbers.map { $0.map { (first..<first + count).contains($0) } ?? false }
      guard isFeature.count(where: { $0 }) == count, Set(zip(numbers, isFeature).filter(\.1).map(\.0)).count == count
      else { return nil }
      return isFeature.firstIndex(of: false).flatMap { cells[$0].number == nil || numbers[$0] != nil ? $0 : nil }
    }
    if !others.isEmpty { return others.count == 1 ? others[0] : nil }
    let names = cells.map(\.text)
    let named = names.indices.filter { LabelName.isUsual(names[$0], among: names) }
    return named.count == 1 ? named[0] : nil
  }

  /// Matches columns to features by name: the column of the labels, and the feature of each column, nil if all are in
  /// order.
  ///
  /// Throws exit code 65 where a feature has no column or two, or where a column is neither a feature nor the labels.
  func match(_ known: TableColumns) throws(DataError) -> (label: Int?, order: [Int]?) {
    let features = Set(known.names)
    let label = try label(known, features)
    let columns = cells.indices.filter { $0 != label }
    if columns.map({ cells[$0].name }) == known.names { return (label, nil) }
    let found = Set(columns.map { cells[$0].name })
    func of(_ names: [ScalarText], _ problem: String, _ remedy: String) -> DataError {
      head.fault("\(problem) \(TableColumns.list(names.map(\.text))); \(remedy)")
    }
    let missing = known.names.filter { !found.contains($0) }
    guard missing.isEmpty else {
      throw of(missing, "names no column", "the features are those of the training set, in any order")
    }
    let unknown = columns.map { cells[$0].name }.filter { !features.contains($0) }
    guard unknown.isEmpty else {
      throw of(unknown, "names columns that the training set does not have:", "remove them")
    }
    let twice = Dictionary(grouping: columns) { cells[$0].name }.filter { $0.value.count > 1 }.keys.sorted()
    guard twice.isEmpty, features.count == known.names.count else {
      let names = twice.isEmpty ? known.names.filter { name in known.names.count { $0 == name } > 1 } : twice
      throw of(names, "has another order than the training set, and one name for several columns:", "rename them")
    }
    let numbers = Dictionary(uniqueKeysWithValues: zip(known.names, 0...))
    return (label, cells.indices.map { $0 == label ? -1 : numbers[cells[$0].name]! })
  }

  /// The column of the labels where features have known names: the column of the requested name or of the known label
  /// name, or else the column at the requested position, unless it is a feature.
  private func label(_ known: TableColumns, _ features: Set<ScalarText>) throws(DataError) -> Int? {
    if case .absent = options.label { return nil }
    if case .name(let name) = options.label {
      if cells.contains(where: { $0.name == name.scalars }) { return try position() }
      if !options.readsLabels || features.isSubset(of: names) { return nil }
      return try position()
    }
    let named = known.label.map { label in cells.indices.filter { cells[$0].name == label.scalars } } ?? []
    if named.count == 1, !features.contains(cells[named[0]].name) {
      if options.isLabelGiven, let column = try position(), column != named[0] {
        throw head.fault(
          "names the labels in column \(named[0] + 1), \(cells[named[0]].quoted), and not in column \(column + 1), "
            + "\(cells[column].quoted), which is asked for")
      }
      return named[0]
    }
    // A column with the name of a feature of the training set is a feature.
    guard let column = try? position(), cells.count > known.features.count else { return nil }
    let isFeature = features.contains(cells[column].name) && names.count { $0 == cells[column].name } == 1
    return isFeature ? nil : column
  }

  /// The feature of each column, and -1 for the labels, where the names number the features from 0 or from 1 in another
  /// order than the columns have; nil where columns are in order or are not numbered.
  ///
  /// Throws exit code 65 for columns out of order whose numbers are not those of the features.
  func numbered(label: Int?) throws(DataError) -> [Int]? {
    let columns = cells.indices.filter { $0 != label }
    let numbers = columns.compactMap { cells[$0].wholeNumber }
    guard numbers.count == columns.count, !zip(numbers, numbers.dropFirst()).allSatisfy(<),
      numbers.allSatisfy({ (0...columns.count).contains($0) })
    else { return nil }
    let distinct = Set(numbers)
    guard distinct.count == numbers.count, let first = distinct.min(), distinct.max()! - first + 1 == numbers.count
    else {
      throw head.fault(
        "numbers the columns out of order, and not from \(distinct.min() == 1 ? 1 : 0) on without gaps, as the features of "
          + "the training set are; put them in their order, or remove what is none")
    }
    var order = [Int](repeating: -1, count: cells.count)
    for (column, number) in zip(columns, numbers) { order[column] = number - first }
    return order
  }

  /// Throws exit code 65 for a feature without a name: programs write an index beside the data in this way.
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
