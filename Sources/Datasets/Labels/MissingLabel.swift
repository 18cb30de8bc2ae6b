/// Texts that programs write in place of a missing label.
enum MissingLabel {
  /// Texts that never name a class.
  private static let always: Set<String> = ["nan", "inf", "infinity"]
  /// Texts that may name a class among other texts, but not among numbers.
  private static let amongNumbers: Set<String> = ["na", "n/a", "<na>", "#n/a", "null", "none", "nat", "?"]

  /// The index of the first of the distinct labels that stands for a missing one.
  static func first(in texts: [String]) -> Int? {
    let words = texts.map { $0.lowercased() }
    if let index = words.firstIndex(where: isAlways) { return index }
    let others = words.filter { !amongNumbers.contains($0) }
    guard !others.isEmpty, others.allSatisfy({ ExactDecimal($0) != nil }) else { return nil }
    return words.firstIndex { amongNumbers.contains($0) }
  }

  private static func isAlways(_ word: String) -> Bool {
    word.isEmpty || always.contains(word.hasPrefix("-") || word.hasPrefix("+") ? String(word.dropFirst()) : word)
  }
}
