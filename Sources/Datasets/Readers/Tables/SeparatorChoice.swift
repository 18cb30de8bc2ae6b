/// Chooses the separator of a table by its first two lines.
struct SeparatorChoice {
  /// The first of tab, semicolon and comma that splits both lines into equally many fields; one by which all features of
  /// the last of them are numbers is before others. Otherwise the first that is in the first line. Separators within
  /// quotes do not count.
  let separator: UInt8

  private static let candidates = [CSV.Separator.tab, .semicolon, .comma].map(\.byte)

  init(_ head: CSVHead, _ label: CSV.LabelPosition) {
    let lines = head.lines.prefix(2)
    let counts = lines.map { Self.counts($0.text) }
    let used = Self.candidates.filter { counts[0][$0] != nil }
    let alike = used.filter { candidate in
      zip(lines, counts).allSatisfy { line, count in
        count[candidate] == counts[0][candidate] && head.fieldCount(line, candidate) == count[candidate]! + 1
      }
    }
    separator =
      alike.first { Self.hasNumbers(head, $0, label) } ?? (lines.count == 2 ? alike.first : nil) ?? used.first
      ?? CSV.Separator.comma.byte
  }

  /// How often a line has each candidate outside quotes, where it has any. A quote opens a field behind any candidate.
  private static func counts(_ line: [UInt8]) -> [UInt8: Int] {
    var counts: [UInt8: Int] = [:]
    var isStart = true
    var index = 0
    while index < line.count {
      let byte = line[index]
      if byte == CSVField.quote, isStart, let end = closingQuote(line, from: index + 1) { index = end }
      if candidates.contains(byte) { counts[byte, default: 0] += 1 }
      isStart = candidates.contains(byte) || (isStart && byte == UInt8(ascii: " "))
      index += 1
    }
    return counts
  }

  /// The first quote from `start` on that is not doubled.
  private static func closingQuote(_ line: [UInt8], from start: Int) -> Int? {
    var index = start
    while index < line.count {
      if line[index] == CSVField.quote {
        guard index + 1 < line.count, line[index + 1] == CSVField.quote else { return index }
        index += 1
      }
      index += 1
    }
    return nil
  }

  /// Whether all features of the second line, or of the only one, are numbers, also ones with a decimal comma, which the
  /// reader refuses by name.
  private static func hasNumbers(_ head: CSVHead, _ separator: UInt8, _ label: CSV.LabelPosition) -> Bool {
    guard let names = try? head.firstCells(separator) else { return false }
    let cells = head.lines.count < 2 ? names : head.rows(separator, columns: names.count).first ?? []
    let position: Int? =
      switch label {
      case .first: 0
      case .last: cells.count - 1
      case .number(let number): number - 1
      case .name(let name): names.firstIndex { $0.name == name.scalars }
      case .absent: nil
      }
    let features = cells.indices.filter { $0 != position }
    return !features.isEmpty
      && features.allSatisfy { column in
        let cell = cells[column]
        if cell.number != nil || cell.isMissing { return true }
        return separator != CSV.Separator.comma.byte && ExactDecimal(cell.text.replacing(",", with: ".")) != nil
      }
  }
}
