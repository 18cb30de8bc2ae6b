/// A decimal number with all its digits: ± 0.d₁d₂…dₙ · 10^exponent, where d₁ and dₙ are not 0; 0 has no digits. Two
/// texts are the same number exactly if these are equal, however many digits the texts have.
struct ExactDecimal: Hashable {
  private let isNegative: Bool
  /// ASCII digits, which compare in numeric order.
  private let digits: [UInt8]
  private let exponent: Int

  private static let largestExponent = 100_000

  /// The number, if the whole text is one: a sign, digits with or without a point, an exponent. nil for any other text,
  /// and for an exponent beyond ±100,000.
  init?(_ text: String) {
    var rest = Array(text.utf8)[...]
    let sign = Self.sign(&rest)
    let whole = Self.digits(&rest)
    var fraction: ArraySlice<UInt8> = []
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      fraction = Self.digits(&rest)
    }
    guard !whole.isEmpty || !fraction.isEmpty else { return nil }
    var exponent = whole.count
    if rest.first.map({ $0 | 0x20 }) == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      let isNegative = Self.sign(&rest)
      let written = Self.digits(&rest)
      guard let power = Int(String(decoding: written, as: UTF8.self)), power <= Self.largestExponent else { return nil }
      exponent += isNegative ? -power : power
    }
    guard rest.isEmpty else { return nil }
    let zero = UInt8(ascii: "0")
    let all = whole + fraction
    guard let first = all.firstIndex(where: { $0 != zero }), let last = all.lastIndex(where: { $0 != zero }) else {
      (isNegative, digits, self.exponent) = (false, [], 0)
      return
    }
    (isNegative, digits, self.exponent) = (sign, Array(all[first...last]), exponent - (first - all.startIndex))
  }

  /// Skips a sign, and returns whether it is a minus.
  private static func sign(_ rest: inout ArraySlice<UInt8>) -> Bool {
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
    return isNegative
  }

  private static func digits(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let digits = rest.prefix { $0 &- UInt8(ascii: "0") <= 9 }
    rest = rest[digits.endIndex...]
    return digits
  }
}

extension ExactDecimal: Comparable {
  static func < (one: ExactDecimal, other: ExactDecimal) -> Bool {
    if one.isNegative != other.isNegative { return one.isNegative }
    return one.isNegative ? other.isSmaller(than: one) : one.isSmaller(than: other)
  }

  /// Compares magnitudes.
  private func isSmaller(than other: ExactDecimal) -> Bool {
    if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
    return exponent == other.exponent
      ? digits.lexicographicallyPrecedes(other.digits) : exponent < other.exponent
  }
}
