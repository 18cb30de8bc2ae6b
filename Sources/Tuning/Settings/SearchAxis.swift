import Foundation
import Training

/// A setting and the values that a search tries for it, as `KEY=VALUES` gives them: a list such as `0.1,1,10`, or `LOW:HIGH:COUNT`
/// for values at equal ratios, both ends included. The values are YAML of their own.
package struct SearchAxis: Codable, Equatable, Sendable {
  package let key: String
  package let values: [String]
  /// How many of the values, from the first on, are tried from the first rung on; the others join in with the last rung, beside the
  /// best setting. nil: all of them are.
  package private(set) var early: Int?

  package init(_ key: String, _ values: [String], early: Int? = nil) {
    (self.key, self.values, self.early) = (key, values, early)
  }

  /// Throws exit code 64 for a text that is neither form, and for a value that is there twice.
  package init(_ text: String) throws(ConfigurationError) {
    func refused(_ problem: String) -> ConfigurationError { ConfigurationError(source: "--over \(text)", problem) }
    guard let assignment = Assignment(text), !assignment.value.isEmpty else {
      throw refused("is not KEY=VALUES, such as optimizer.weight_decay=1e-6:1e-2:9 or optimizer.method=fgn,adam")
    }
    key = assignment.key
    let range = assignment.value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    if range.count == 3, let low = Double(range[0]), let high = Double(range[1]) {
      guard low > 0, high > low, (high / low).isFinite, let count = Int(range[2]), (2...1000).contains(count) else {
        throw refused("has no range LOW:HIGH:COUNT with 0 < LOW < HIGH and 2 to 1000 values")
      }
      values = Self.range(low, high, count, isWhole: Int(range[0]) != nil && Int(range[1]) != nil)
    } else {
      values = Self.list(assignment.value)
    }
    if values.contains(where: \.isEmpty) {
      throw refused("has an empty value; give numbers or words between its commas")
    }
    if let twice = values.indices.first(where: { values[..<$0].contains(values[$0]) }) {
      throw refused("has \(values[twice]) twice; give each value once")
    }
  }

  /// Values at equal ratios, with three significant digits, or whole ones; once each where rounding makes some equal.
  private static func range(_ low: Double, _ high: Double, _ count: Int, isWhole: Bool) -> [String] {
    let values = (0..<count).map { index in
      let value = low * pow(high / low, Double(index) / Double(count - 1))
      return isWhole ? "\(Int(value.rounded()))" : String(format: "%.3g", value)
    }
    return values.indices.filter { $0 == 0 || values[$0] != values[$0 - 1] }.map { values[$0] }
  }

  /// The parts between the commas outside of brackets.
  private static func list(_ text: String) -> [String] {
    var (values, depth) = ([""], 0)
    for character in text {
      if "[{".contains(character) { depth += 1 }
      if "]}".contains(character) { depth -= 1 }
      if character == ",", depth == 0 { values.append("") } else { values[values.count - 1].append(character) }
    }
    return values.map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
