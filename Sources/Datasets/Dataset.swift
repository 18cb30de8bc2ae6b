import LinearAlgebra

/// Examples and their classes, complete on every rank; the ranks share the pages of mapped files.
package struct Dataset {
  package let features: Features
  /// The class of each row, counted from 0.
  package let labels: [Int32]
  /// The number of classes, as given or one more than the largest label.
  package let classCount: Int
  /// What the file calls the classes; nil where it has their numbers.
  package let classes: ClassMap?

  package var count: Int { labels.count }
  package var featureCount: Int { features.columns }
  /// The axes of one example, such as [28, 28].
  package var featureShape: [Int] { features.shape }

  /// Rows of `features` with their labels, as many as rows.
  package init(features: FeatureMatrix, labels: [Int32], classCount: Int? = nil) {
    self.init(features: .dense(features), labels: labels, classCount: classCount)
  }

  /// Rows of `features` with their labels, as many as rows.
  package init(features: Features, labels: [Int32], classCount: Int? = nil, classes: ClassMap? = nil) {
    precondition(features.rows == labels.count, "\(features.rows) rows have \(labels.count) labels")
    self.features = features
    self.labels = labels
    self.classCount = classCount ?? Int(labels.max() ?? -1) + 1
    self.classes = classes
  }

  /// The examples of two files.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents or another number of examples.
  /// Values and labels are looked at by `firstNonFinite` and `firstLabelOutOfRange`, whose work ranks can share.
  package init(
    features featuresPath: String, labels labelsPath: String, format: DataFormat = .auto, classCount: Int? = nil
  ) throws(DataError) {
    let features = try FeatureMatrix(path: featuresPath, format: format)
    let labels = try Self.labels(labelsPath, format: format, for: features.rows, of: featuresPath)
    self.init(features: features, labels: labels, classCount: classCount)
  }

  /// The classes in a file, for the `count` examples of `featuresPath`. Throws exit code 65 or 66.
  package static func labels(
    _ path: String, format: DataFormat = .auto, for count: Int, of featuresPath: String
  ) throws(DataError) -> [Int32] {
    let labels = try format.read(path).labels()
    guard labels.count == count else {
      throw .badContents(
        featuresPath,
        "has \(count) examples, and \(path) has \(labels.count) labels; name two files of the same examples")
    }
    return labels
  }

  /// The largest label of the range; nil for an empty one.
  package func maximumLabel(in range: Range<Int>) -> Int32? { labels[range].max() }

  /// The first row of the range whose label is negative or not below `classes`.
  package func firstLabelOutOfRange(classes: Int, in range: Range<Int>) -> Int? {
    labels[range].firstIndex { $0 < 0 || Int($0) >= classes }
  }

  /// The first value of the range's rows that is infinite or not a number.
  package func firstNonFinite(in range: Range<Int>) -> (row: Int, column: Int)? { features.firstNonFinite(in: range) }
}
