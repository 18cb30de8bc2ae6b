/// A sum of products such as `2B · (B + Q) + n · P`, of numbers, symbols of one letter and sums in brackets.
struct Formula {
  private var rest: Substring
  private let symbols: [Character: Int]

  /// Its value for these symbols; nil for text that is no formula of them.
  static func value(_ text: String, _ symbols: [Character: Int]) -> Int? {
    var formula = Formula(rest: text.filter { $0 != " " }[...], symbols: symbols)
    let value = formula.sum()
    return formula.rest.isEmpty ? value : nil
  }

  private mutating func takes(_ sign: Character) -> Bool {
    guard rest.first == sign else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func sum() -> Int? {
    guard var total = product() else { return nil }
    while takes("+") {
      guard let next = product() else { return nil }
      total += next
    }
    return total
  }

  private mutating func product() -> Int? {
    guard var result = factor() else { return nil }
    // Two factors may stand side by side.
    while takes("·") || rest.first?.isLetter == true {
      guard let next = factor() else { return nil }
      result *= next
    }
    return result
  }

  private mutating func factor() -> Int? {
    if takes("(") {
      let value = sum()
      return takes(")") ? value : nil
    }
    let digits = rest.prefix { $0.isNumber }
    rest.removeFirst(digits.count)
    return digits.isEmpty ? rest.popFirst().flatMap { symbols[$0] } : Int(digits)
  }
}
