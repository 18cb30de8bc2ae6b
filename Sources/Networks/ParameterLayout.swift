/// The place of each named tensor in the flat parameter vector.
public struct ParameterLayout: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    /// The name in an exported file, such as `model.0.weight`.
    public let name: String
    public let shape: [Int]
    public let range: Range<Int>
    /// Whether this matrix is stored column by column, unlike in a file.
    public let isTransposed: Bool
  }

  public private(set) var entries: [Entry] = []

  /// P, the number of parameters.
  public private(set) var count = 0

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
