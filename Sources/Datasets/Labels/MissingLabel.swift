/// Texts that programs write for a label that is not there.
enum MissingLabel {
  /// What no class is called.
  private static let always: Set<String> = ["nan", "inf", "infinity"]
  /// What a class of text may be called, but no number.
  private static let amongNumbers: Set<String> = ["na", "n/a", "<na>", "#n/a", "null", "none", "nat", "?"]

  /// The first of the distinct labels that is none.
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
