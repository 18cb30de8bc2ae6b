/// The axes of one example as its file stores them, such as [28, 28].
package struct ExampleAxes: Equatable, Sendable {
  package let extents: [Int]

  package init(_ extents: [Int]) { self.extents = extents }

  /// Whether examples with either axes have their values in one order. Axes of extent 1 do not count, and flat examples
  /// agree with any axes.
  package func agree(with other: ExampleAxes) -> Bool {
    proper == other.proper || isFlat || other.isFlat
  }

  /// Whether they say nothing about the order of the values.
  package var isFlat: Bool { proper.count < 2 }

  private var proper: [Int] { extents.filter { $0 != 1 } }

  /// Throws exit code 65 if the examples of `path` have their values in another order than those of the training set.
  package func check(with trained: ExampleAxes, _ path: String) throws(DataError) {
    guard !agree(with: trained) else { return }
    let isTransposed = proper.sorted() == trained.proper.sorted()
    throw .badContents(
      path,
      "has examples of \(self), and those of the training set are \(trained)"
        + (isTransposed
          ? ": their values have another order; transpose the array, or flatten the examples if they are in that order"
          : "; save the array in the shape (n, \(trained.extents.map(String.init).joined(separator: ", "))), or "
            + "flatten the examples if they are in that order"))
  }
}

extension ExampleAxes: CustomStringConvertible {
  package var description: String { extents.map { "\($0)" }.joined(separator: " × ") }
}
