/// Where each named tensor lies in the one flat parameter vector.
package struct ParameterLayout: Equatable, Sendable {
  package struct Entry: Equatable, Sendable {
    /// As in an exported file, `model.0.weight`.
    package let name: String
    package let shape: [Int]
    package let range: Range<Int>
    /// Whether the numbers of this matrix are kept column by column, other than in a file.
    package let isTransposed: Bool
  }

  package private(set) var entries: [Entry] = []

  /// P, the number of parameters.
  package private(set) var count = 0

  package init() {}

  /// Appends a tensor and returns where it lies.
  @discardableResult
  package mutating func append(_ name: String, shape: [Int], isTransposed: Bool = false) -> Range<Int> {
    let range = count..<count + shape.reduce(1, *)
    entries.append(Entry(name: name, shape: shape, range: range, isTransposed: isTransposed))
    count = range.upperBound
    return range
  }
}
