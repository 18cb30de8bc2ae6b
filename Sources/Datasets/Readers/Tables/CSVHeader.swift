extension CSV {
  /// Whether the first line of a table has the names of its columns.
  package enum Header: String, Codable, CaseIterable, Sendable {
    /// The line itself, the lines behind it and known names decide; it is an error where they do not.
    case auto
    case yes, no
  }
}

/// Decides whether the first line of a table has names or is an example, from that line and some of those behind it.
struct CSVHeaderEvidence {
  let cells: [CSVHead.Cell]
  let rows: [[CSVHead.Cell]]
  /// The column of the labels.
  let label: Int?

  /// The cell that makes the line ambiguous.
  struct Doubt: Error {
    let column: Int
    let reason: String
  }

  private var features: [Int] { cells.indices.filter { $0 != label } }

  /// Throws where the line is ambiguous: an example taken for names would be lost, and names that are numbers would
  /// become a wrong example.
  func isHeader() throws(Doubt) -> Bool {
    let named = features.filter { cells[$0].isName }
    let numbers = features.filter { cells[$0].number != nil }
    if isQuotedAlone { return true }
    if named.isEmpty { return try numbers.isEmpty ? false : isHeaderOfNumbers(numbers) }
    // All features are names. A single name may be a mistyped number, which shows where other lines have its label.
    if numbers.isEmpty {
      if let label, features.count == 1, labelIsSeen {
        throw doubt(named[0], "is no number, and label \(cells[label].quoted) is that of other lines, too")
      }
      return true
    }
    if rows.isEmpty || labelIsName { return true }
    // Columns of text, which the reader of numbers refuses as features.
    if named.allSatisfy({ column in rows.contains { $0[column].isName } }) { return false }
    throw doubt(named.first { column in !rows.contains { $0[column].isName } }!, "is no number, and other cells are")
  }

  /// Whether a line whose features are all numbers has names.
  private func isHeaderOfNumbers(_ numbers: [Int]) throws(Doubt) -> Bool {
    // The cell above an index has no name.
    let isWhole = features.allSatisfy { cells[$0].number != nil || ($0 == 0 && cells[0].text.isEmpty) }
    guard isWhole, !rows.isEmpty else { return false }
    let (counts, countsFromOne) = (count(numbers, from: 0), count(numbers, from: 1))
    if labelIsName {
      let label = label!
      if counts || countsFromOne || isOrderedAlone(numbers) { return true }
      if try isNumbering(numbers) { return true }
      let isAlone = rows.allSatisfy { $0[label].number != nil }
      throw doubt(label, isAlone ? "is no number, and the other labels are" : "is what columns of labels are called")
    }
    if let label, cells[label].isName {
      guard !labelIsSeen else { return false }
      guard counts || countsFromOne else { return try isNumbering(numbers) }
      if counts ? numbers.count >= 3 || hasFractions : numbers.count >= (hasFractions ? 3 : 6) { return true }
      // It may as well be the only example of its class, unless most classes have several.
      if countsFromOne, numbers.count < 3, !hasFractions, 2 * Set(rows.map { $0[label].name }).count > rows.count {
        return false
      }
      throw doubt(numbers[0], "counts the columns with those behind it")
    }
    // The line counts all its columns, as for an array whose last column has the labels.
    let all = cells.indices.filter { cells[$0].number != nil }
    guard count(all, from: 0) else {
      if all.count < 6, labelIsSeen {
        try refuseNumbering(all)
      } else if try isNumbering(all) {
        return true
      } else if !labelIsSeen, try isNumbering(numbers) {
        return true
      }
      return try isScale(numbers)
    }
    if all.count >= 6 || (all.count >= 3 && hasFractions && !labelIsSeen), !areRankings(features) { return true }
    if all.count < 2 { return false }
    throw doubt(all[0], "counts the columns with those behind it")
  }

  private func doubt(_ column: Int, _ reason: String) -> Doubt { Doubt(column: column, reason: reason) }

  /// Whether the label of the first line is a word while all others are numbers, or is a usual name for labels that no
  /// other line has.
  private var labelIsName: Bool {
    guard let label, cells[label].isName, !rows.isEmpty else { return false }
    let isUsual = LabelName.isWord(cells[label].text)
    return rows.allSatisfy { $0[label].number != nil } || (isUsual && !labelIsSeen)
  }

  /// Whether another line has the label of the first line.
  private var labelIsSeen: Bool {
    guard let label else { return false }
    let cell = cells[label]
    return rows.contains { $0[label].name == cell.name || (cell.number != nil && $0[label].number == cell.number) }
  }

  /// Whether the first line is quoted and the numbers of the others are not.
  private var isQuotedAlone: Bool {
    !rows.isEmpty && features.allSatisfy { cells[$0].isQuoted }
      && rows.allSatisfy { row in features.allSatisfy { !row[$0].isQuoted } }
  }

  /// Whether the cells are first, first + 1, …, as a program numbers columns.
  private func count(_ columns: [Int], from first: Int) -> Bool {
    columns.enumerated().allSatisfy { cells[$1].text == "\(first + $0)" }
  }

  /// Whether the numbers of the first line increase, as names such as wavelengths do, and the numbers of another line
  /// do not.
  private func isOrderedAlone(_ columns: [Int]) -> Bool {
    columns.count >= 3 && grows(cells, columns) && !rows.allSatisfy { grows($0, columns) }
  }

  private func grows(_ row: [CSVHead.Cell], _ columns: [Int]) -> Bool {
    zip(columns, columns.dropFirst()).allSatisfy { (row[$0].number ?? 0) < (row[$1].number ?? 0) }
  }

  /// Whether features have fractional values.
  private var hasFractions: Bool {
    rows.contains(where: hasFraction)
  }

  private func hasFraction(_ row: [CSVHead.Cell]) -> Bool {
    features.contains { row[$0].number.map { $0 != $0.rounded() } ?? false }
  }
}

extension CSVHeaderEvidence {
  /// Whether the numbers of columns are those of 0 … n − 1 or 1 … n in any order, and the other lines are no such
  /// rankings. Throws where it may be either.
  private func isNumbering(_ columns: [Int]) throws(Doubt) -> Bool {
    let countsFromZero = isPermutation(columns, from: 0)
    guard columns.count >= 3, countsFromZero || (hasFractions && isPermutation(columns, from: 1)) else { return false }
    let rankings = rows.count { isRanking($0, columns) || isRanking($0, features) }
    if columns.count >= 6 {
      // A label that only this line has may be the number of its column.
      if 2 * rankings >= rows.count, columns == features || labelIsSeen { return false }
      if rankings == 0 { return true }
    } else {
      if rankings > 0 { return false }
      if rows.allSatisfy(hasFraction) { return true }
      // An example of few small integers may be such a line by chance, and many of them have another one.
      guard countsFromZero, rows.count >= 20 else { return false }
    }
    throw Doubt(column: columns[0], reason: "numbers the columns in some order with those behind it")
  }

  /// Throws where few numbers, a class among them, are 0 … n − 1 in some order, and few other lines have these.
  private func refuseNumbering(_ columns: [Int]) throws(Doubt) {
    guard columns.count >= 4, isPermutation(columns, from: 0),
      4 * rows.count(where: { isRanking($0, columns) }) < rows.count
    else { return }
    throw doubt(columns[0], "numbers the columns in some order with those behind it")
  }

  /// Whether numbers name the columns as wavelengths do without a name of labels: they increase, and those of other lines
  /// do not; they are whole, and other lines have fractions, or they are evenly spaced. Throws where it may be either.
  private func isScale(_ columns: [Int]) throws(Doubt) -> Bool {
    let growing = rows.count { grows($0, columns) }
    guard columns.count >= 3, grows(cells, columns), 2 * growing < rows.count else { return false }
    let isWholeAlone = columns.allSatisfy { Int(cells[$0].text) != nil } && rows.allSatisfy(hasFraction)
    let isEven = isEvenlySpaced(columns)
    guard isWholeAlone || (isEven && columns.count >= 4) else { return false }
    if columns.count >= 6, isWholeAlone || hasFractions, 10 * growing <= rows.count, !labelIsSeen { return true }
    throw doubt(columns[0], "increases with those behind it as the names of measured columns do")
  }

  /// Whether each number of the first line exceeds the one before by as much as all others, up to rounding.
  private func isEvenlySpaced(_ columns: [Int]) -> Bool {
    let numbers = columns.map { cells[$0].number ?? 0 }
    let step = (numbers.last! - numbers[0]) / Double(numbers.count - 1)
    return numbers.enumerated().allSatisfy { abs($1 - numbers[0] - Double($0) * step) <= 1e-9 * abs(numbers.last!) }
  }

  /// Whether most lines are the numbers of these columns in some order: an example among them is no line of names.
  func areRankings(_ columns: [Int]) -> Bool {
    !rows.isEmpty && 2 * rows.count { isRanking($0, columns) } >= rows.count
  }

  private func isPermutation(_ columns: [Int], from first: Int) -> Bool {
    let texts = Set(columns.map { cells[$0].name })
    return texts.count == columns.count
      && (first..<first + columns.count).allSatisfy { texts.contains("\($0)".scalars) }
  }

  /// Whether a line has the numbers of the first line in some order, or means of them for equal ranks.
  private func isRanking(_ row: [CSVHead.Cell], _ columns: [Int]) -> Bool {
    let numbers = columns.compactMap { row[$0].number }
    let own = columns.compactMap { cells[$0].number }
    guard numbers.count == own.count else { return false }
    if numbers.sorted() == own.sorted() { return true }
    return hasFraction(row) && numbers.allSatisfy { 2 * $0 == (2 * $0).rounded() }
      && numbers.reduce(0, +) == own.reduce(0, +)
  }
}
