/// The place of each named tensor in the flat parameter vector.
package struct ParameterLayout: Equatable, Sendable {
  package struct Entry: Equatable, Sendable {
    /// The name in an exported file, such as `model.0.weight`.
    package let name: String
    package let shape: [Int]
    package let range: Range<Int>
    /// Whether this matrix is stored column by column, unlike in a file.
    package let isTransposed: Bool
  }

  package private(set) var entries: [Entry] = []

  /// P, the number of parameters.
  package private(set) var count = 0

  package init() {}

  /// Appends a tensor and returns its range.
  @discardableResult
  package mutating func append(_ name: String, shape: [Int], isTransposed: Bool = false) -> Range<Int> {
    let range = count..<count + shape.reduce(1, *)
    entries.append(Entry(name: name, shape: shape, range: range, isTransposed: isTransposed))
    count = range.upperBound
    return range
  }
}
