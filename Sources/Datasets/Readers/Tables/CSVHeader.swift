extension CSV {
  /// Whether the first line of a table has the names of its columns.
  package enum Header: String, Codable, CaseIterable, Sendable {
    /// As the line itself, those behind it and the names that are known tell; an error where they do not.
    case auto
    case yes, no
  }
}

/// Tells a line of names from an example, by the first line of a table and some of those behind it.
struct CSVHeaderEvidence {
  let cells: [CSVHead.Cell]
  let rows: [[CSVHead.Cell]]
  /// The column of the labels.
  let label: Int?

  /// The cell for which the line may be either.
  struct Doubt: Error {
    let column: Int
    let reason: String
  }

  private var features: [Int] { cells.indices.filter { $0 != label } }

  /// Throws where the line may be either: an example that is taken for names is lost, and names that are numbers are a
  /// wrong example.
  func isHeader() throws(Doubt) -> Bool {
    let named = features.filter { cells[$0].isName }
    let numbers = features.filter { cells[$0].number != nil }
    if named.isEmpty { return try numbers.isEmpty ? false : isHeaderOfNumbers(numbers) }
    // Names alone. A single one may be a number with a typo, which its label tells if others have it too.
    if numbers.isEmpty {
      if let label, features.count == 1, labelIsSeen {
        throw doubt(named[0], "is no number, and label \(cells[label].quoted) is that of other lines, too")
      }
      return true
    }
    if rows.isEmpty || labelIsName || isQuotedAlone { return true }
    // Columns of text, which are told to be no features.
    if named.allSatisfy({ column in rows.contains { $0[column].isName } }) { return false }
    throw doubt(named.first { column in !rows.contains { $0[column].isName } }!, "is no number, and other cells are")
  }

  /// The same for a line whose features are all numbers.
  private func isHeaderOfNumbers(_ numbers: [Int]) throws(Doubt) -> Bool {
    // The first cell above an index has no name.
    let isWhole = features.allSatisfy { cells[$0].number != nil || ($0 == 0 && cells[0].text.isEmpty) }
    guard isWhole, !rows.isEmpty else { return false }
    if isQuotedAlone { return true }
    let (counts, countsFromOne) = (count(numbers, from: 0), count(numbers, from: 1))
    if labelIsName {
      let label = label!
      if counts || countsFromOne || isOrderedAlone(numbers) { return true }
      let isAlone = rows.allSatisfy { $0[label].number != nil }
      throw doubt(label, isAlone ? "is no number, and the other labels are" : "is what columns of labels are called")
    }
    if let label, cells[label].isName {
      guard counts || countsFromOne, !labelIsSeen else { return false }
      if counts ? numbers.count >= 3 || hasFractions : numbers.count >= (hasFractions ? 3 : 6) { return true }
      // An example of a class that has no other one is as likely, unless other classes have more.
      if countsFromOne, numbers.count < 3, !hasFractions, 2 * Set(rows.map { $0[label].text }).count > rows.count {
        return false
      }
      throw doubt(numbers[0], "counts the columns with those behind it")
    }
    // As of an array whose last column has the labels.
    let all = cells.indices.filter { cells[$0].number != nil }
    guard count(all, from: 0) else { return false }
    if all.count >= 6 || (all.count >= 3 && hasFractions && !labelIsSeen) { return true }
    if all.count < 2 { return false }
    throw doubt(all[0], "counts the columns with those behind it")
  }

  private func doubt(_ column: Int, _ reason: String) -> Doubt { Doubt(column: column, reason: reason) }

  /// Whether the labels of all other lines are numbers, but that of the first is a word; or what labels are often called,
  /// and no other line has it.
  private var labelIsName: Bool {
    guard let label, cells[label].isName, !rows.isEmpty else { return false }
    let isUsual = Self.usualNames.contains(cells[label].text.lowercased())
    return rows.allSatisfy { $0[label].number != nil } || (isUsual && !labelIsSeen)
  }

  private static let usualNames: Set<String> = [
    "label", "labels", "target", "targets", "class", "classes", "category", "kind", "species",
  ]

  /// Whether another line has the label of the first.
  private var labelIsSeen: Bool {
    guard let label else { return false }
    let cell = cells[label]
    return rows.contains { $0[label].text == cell.text || (cell.number != nil && $0[label].number == cell.number) }
  }

  /// Whether the first line is in quotes, and the numbers of the others are not.
  private var isQuotedAlone: Bool {
    !rows.isEmpty && features.allSatisfy { cells[$0].isQuoted }
      && rows.allSatisfy { row in features.allSatisfy { !row[$0].isQuoted } }
  }

  /// Whether the cells are first, first + 1, …, as a program counts.
  private func count(_ columns: [Int], from first: Int) -> Bool {
    columns.enumerated().allSatisfy { cells[$1].text == "\(first + $0)" }
  }

  /// Whether the numbers of the first line grow, as names such as wavelengths do, and those of another line do not.
  private func isOrderedAlone(_ columns: [Int]) -> Bool {
    func grows(_ row: [CSVHead.Cell]) -> Bool {
      zip(columns, columns.dropFirst()).allSatisfy { (row[$0].number ?? 0) < (row[$1].number ?? 0) }
    }
    return columns.count >= 3 && grows(cells) && !rows.allSatisfy(grows)
  }

  /// Whether features have values that are no integers.
  private var hasFractions: Bool {
    rows.contains { row in features.contains { row[$0].number.map { $0 != $0.rounded() } ?? false } }
  }
}
