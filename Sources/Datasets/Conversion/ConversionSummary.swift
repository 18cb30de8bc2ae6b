import LinearAlgebra

/// The result of a conversion, for the user.
package struct ConversionSummary: Equatable {
  package struct Class: Equatable {
    package let name: String
    package let examples: Int
  }

  /// The names of a table's columns; nil for other files.
  package var tableColumns: TableColumns?
  /// How numbers in arrays were matched with the names of classes; nil where they are positions without more ado.
  package var labelNote: String?
  package let examples: Int
  package let features: Int
  /// The share of values other than zero.
  package let nonzeroShare: Double
  package let minimum, maximum, mean: Double
  /// The number of columns that have one value in all examples.
  package let constantColumns: Int
  /// The number of classes, including known classes without examples; 0 where there are no labels.
  package let classes: Int
  /// The classes with the fewest and the most examples, the first one of equals; nil where there are no labels.
  package let smallestClass, largestClass: Class?

  init<Scalar: BLASScalar>(
    _ values: ValueSummary<Scalar>, _ counts: [Int32: Int], _ classes: ConversionClasses, _ tableColumns: TableColumns?
  ) {
    self.tableColumns = tableColumns
    labelNote = classes.note
    examples = values.rows
    features = values.columns
    nonzeroShare = Double(values.nonzeroCount) / (Double(values.rows) * Double(values.columns))
    (minimum, maximum, mean, constantColumns) = values.result
    self.classes = counts.count
    let order = counts.sorted { $0.key < $1.key }
    func entry(_ count: Dictionary<Int32, Int>.Element) -> Class {
      .init(name: classes.name(count.key), examples: count.value)
    }
    smallestClass = order.min { $0.value < $1.value }.map(entry)
    // `max` would return the last of equals.
    largestClass = order.min { $0.value > $1.value }.map(entry)
  }
}
