import LinearAlgebra

/// Examples and their classes, complete on all ranks; ranks of one host share the pages of mapped files.
package struct Dataset {
  package internal(set) var features: Features
  /// The class of each row, counted from 0.
  package internal(set) var labels: [Int32]
  /// The number of classes, as given, or one more than the largest label.
  package internal(set) var classCount: Int
  /// The names of the classes; nil where files have class numbers.
  package let classes: ClassMap?
  /// The files of arrays, for errors.
  package var featureFiles: SetFiles?
  package var labelFiles: SetFiles?
  /// The indices of files in the LIBSVM format; nil for other files.
  package var indices: SVMLight.Indices?
  /// The names of a table's columns; nil for other files.
  package var tableColumns: TableColumns?
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
    self.classes = classes
  }

  /// The examples of arrays in files. Labels come in as many files as features, or all in one file.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents or another number of examples.
  /// Values and labels are checked by `firstNonFinite` and `firstLabelOutOfRange`, which ranks can share.
  ///
  /// - Parameter other: a set whose classes apply.
  package init(
    features: FileList, labels: FileList, format: DataFormat = .auto, classCount: Int? = nil,
    like other: Dataset? = nil,
    ignoring ignored: IgnoredLabel? = nil
  ) throws(DataError) {
    let (paths, labelPaths) = (try features.paths(), try labels.paths())
    let parts = try paths.map { path throws(DataError) in try FeatureMatrix(path: path, format: format) }
    try FeatureMatrix.checkKinds(parts.map(\.kind), paths)
    let files = SetFiles(zip(paths, parts).map { ($0, $1.rows) })
    let (stored, labelFiles) = try Self.labels(labelPaths, format: format, for: files)
    let matrix = Features.dense(FeatureMatrix(joining: parts))
    switch stored {
    case .numbers(let numbers):
      let marked = numbers.marking(ignored)
      if let classes = other?.classes {
        let labels = try classes.classes(ofNumbers: marked) { labelFiles.place(of: $0) }
        self.init(features: matrix, labels: labels, classCount: classes.count, classes: classes)
      } else {
        self.init(features: matrix, labels: marked, classCount: classCount)
      }
    case .names(let column):
      if let other, other.classes == nil {
        throw .badContents(
          labelPaths[0], "has names for labels, and the training set has numbers; save the numbers of these classes")
      }
      let classes = other?.classes ?? ClassMap(column, ignoring: ignored)
      self.init(
        features: matrix, labels: try classes.classes(of: column, ignoring: ignored), classCount: classes.count,
        classes: classes)
    }
    (featureFiles, self.labelFiles) = (files, labelFiles)
  }

  /// The labels in files, for the examples of other files. Throws exit code 65 or 66.
  package static func labels(
    _ paths: [String], format: DataFormat = .auto, for examples: SetFiles
  ) throws(DataError) -> (labels: ArrayLabels, files: SetFiles) {
    try examples.checkCount(paths, of: "labels")
    let (labels, counts) = try ArrayLabels.read(paths, format: format)
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
