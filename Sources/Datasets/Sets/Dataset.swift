import LinearAlgebra

/// Examples and their classes, complete on all ranks; ranks of one host share the pages of mapped files.
package struct Dataset {
  package internal(set) var features: Features
  /// The class of each row, counted from 0: that of the largest probability, the first of equals, where labels are
  /// probabilities.
  package internal(set) var labels: [Int32]
  /// The probabilities of the classes (#rows × C); nil where each label is one class.
  package internal(set) var probabilities: ClassProbabilities?
  /// The number of classes, as given, or one more than the largest label.
  package internal(set) var classCount: Int
  /// Whether the number of classes does not depend on the labels that occur.
  let isClassCountGiven: Bool
  /// The names of the classes; nil where files have class numbers.
  package let classes: ClassMap?
  /// The files of arrays, for errors.
  package var featureFiles: SetFiles?
  package var labelFiles: SetFiles?
  /// The indices of files in the LIBSVM format; nil for other files.
  package var indices: SVMLight.Indices?
  /// The names of a table's columns; nil for other files.
  package var tableColumns: TableColumns?
  /// A remark for the user on how labels were matched with classes.
  package var labelNote: String?
  /// The rows of the files that form this set; nil for all.
  package var kept: KeptRows?

  package var count: Int { labels.count }
  package var featureCount: Int { features.columns }
  /// The axes of one example, such as [28, 28].
  package var featureShape: [Int] { features.shape }

  /// Rows of `features` with one label per row.
  package init(features: FeatureMatrix, labels: [Int32], classCount: Int? = nil) {
    self.init(features: .dense(features), labels: labels, classCount: classCount)
  }

  /// Rows of `features` with one label per row.
  package init(features: Features, labels: [Int32], classCount: Int? = nil, classes: ClassMap? = nil) {
    precondition(features.rows == labels.count, "\(features.rows) rows have \(labels.count) labels")
    self.features = features
    self.labels = labels
    self.classCount = classCount ?? Int(labels.max() ?? -1) + 1
    isClassCountGiven = classCount != nil
    self.classes = classes
  }

  /// The examples of arrays in files. Labels come in as many files as features, or all in one file.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents or another number of examples.
  /// Values and labels are checked by `firstNonFinite` and `firstLabelOutOfRange`, which ranks can share.
  ///
  /// - Parameters:
  ///   - classCount: the number of classes, if it is known; one-hot labels and probabilities must have as many columns.
  ///   - other: a set whose classes apply, and the number of columns of sparse archives.
  package init(
    features: FileList, labels: FileList, _ options: ArrayOptions = ArrayOptions(), classCount: Int? = nil,
    like other: Dataset? = nil,
    ignoring ignored: IgnoredLabel? = nil
  ) throws(DataError) {
    let (paths, labelPaths) = (try features.paths(), try labels.paths())
    let (features, files) = try options.features(paths, columns: other?.featureCount)
    let (stored, labelFiles) = try Self.labels(labelPaths, format: options.format, for: files, known: other?.classes)
    var classes = other?.classes
    if other == nil, case .names(let column) = stored { classes = ClassMap(column, ignoring: ignored) }
    var count = classes?.count ?? classCount
    let labels = try stored.classes(classes, count: count, ignoring: ignored, labelPaths[0])
    if let columns = stored.columnCount { count = columns }
    self.init(features: features, labels: labels, classCount: count, classes: classes)
    probabilities = stored.probabilities
    labelNote = stored.note(other?.classes, labelPaths[0])
    (featureFiles, self.labelFiles) = (files, labelFiles)
  }

  /// The labels in files, for the examples of other files; numbers are names where the classes `known` have names.
  /// Throws exit code 65 or 66.
  package static func labels(
    _ paths: [String], format: DataFormat = .auto, for examples: SetFiles, known: ClassMap? = nil
  ) throws(DataError) -> (labels: ArrayLabels, files: SetFiles) {
    try examples.checkCount(paths, of: "labels")
    let (labels, counts) = try ArrayLabels.read(paths, format: format, known: known)
    let files = SetFiles(counts)
    try examples.check(files, of: "labels")
    return (labels, files)
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
