import Datasets

/// Examples to score a model on. Features are read on demand, in memory that does not grow with their number; all
/// classes are in memory, at 4 bytes per example.
package struct EvaluationSet {
  package let features: any FeatureSource
  /// The name of the features in errors.
  package let name: String
  /// The class of each row; `IgnoredLabel.mark` for rows that do not count.
  package let labels: [Int32]
  /// The probabilities of the classes (#rows × C), which stay in their files; nil where each label is one class.
  let probabilities: ClassProbabilities?
  /// A remark for the user on how the examples were read.
  package let note: String?
  /// A remark for the user on how labels were matched with classes.
  package private(set) var labelNote: String?

  package var count: Int { labels.count }

  /// The examples of arrays, or of text files, which are read as a whole; the embedded digits of the test set if no
  /// files are named. All but the values of features is checked. Collective on a node. Throws exit code 64, 65, 66 or
  /// 74.
  ///
  /// - Parameter indexBase: the index base of the LIBSVM format; nil takes the model's.
  package init(
    _ source: Configuration.DataOptions.Source, header: CSV.Header, indexBase: SVMLight.IndexBase? = nil,
    for model: ModelFile,
    by reader: inout NodeReader
  ) throws {
    let labelsName: String
    var labelFiles: SetFiles?
    var probabilities: ClassProbabilities?
    let ignored = model.configuration.data.ignoreLabel
    let text = try reader.open {
      guard
        let text = try source.textExamples(for: model, header: header, readsLabels: true, indexBase: indexBase)
      else { return nil }
      let path = "\(source.features!)"
      // A different number of features is the error to report.
      try model.check(text.features.shape, of: path)
      return try Dataset(text, path: path, classes: model.classes(for: path), ignoring: ignored)
    }
    note = text.flatMap { $0.tableColumns?.summary(model.tableColumns) ?? model.noteOnIndices(of: $0, told: indexBase) }
    if let text {
      (features, labels) = (text.features, text.labels)
      name = "\(source.features!)"
      labelsName = name
    } else if let files = source.features, let labelsList = source.labels {
      let featureFiles: SetFiles
      (features, featureFiles) = try source.arrays(for: model, by: &reader)
      (name, labelsName) = ("\(files)", "\(labelsList)")
      let paths = try labelsList.paths()
      let stored: ArrayLabels
      (stored, labelFiles) = try Dataset.labels(
        paths, format: source.format.array, for: featureFiles, known: model.classes)
      labels = try stored.classes(
        model.classes, count: model.network.outputCount, ignoring: ignored, paths[0])
      probabilities = stored.probabilities
      labelNote = stored.note(model.classes, labelsName)
    } else if model.configuration.data.train.features == nil {
      let digits = Dataset.digits().test
      (features, labels) = (digits.features, digits.labels.marking(ignored))
      name = "the embedded digits"
      labelsName = name
    } else {
      throw ConfigurationError(
        source: model.contents.path, "was trained without a test set; name one with --features and --labels")
    }
    self.probabilities = probabilities
    try model.check(features.shape, of: name)
    let classes = model.network.outputCount
    if let row = labels.firstIndex(where: { ($0 < 0 || $0 >= classes) && $0 != IgnoredLabel.mark }) {
      let place = labelFiles.place(of: row, in: labelsName)
      throw DataError.badContents(
        place.path,
        "example \(place.row) has label \(labels[row]), and classes go from 0 to \(classes - 1); correct the label")
    }
    guard labels.contains(where: { $0 != IgnoredLabel.mark }) else {
      throw DataError.badContents(labelsName, "has no examples but those of data.ignore_label; name others")
    }
  }
}

extension EvaluationSet {
  /// Examples that are in memory or mapped, and checked.
  package init(_ set: Dataset, name: String) {
    (features, labels, probabilities, self.name) = (set.features, set.labels, set.probabilities, name)
    (note, labelNote) = (nil, nil)
  }

  /// The runs of rows in a range that count.
  func countedRows(of range: Range<Int>) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    for row in range where labels[row] != IgnoredLabel.mark {
      if let last = runs.last, last.upperBound == row {
        runs[runs.count - 1] = last.lowerBound..<row + 1
      } else {
        runs.append(row..<row + 1)
      }
    }
    return runs
  }
}

extension ModelFile {
  /// The names of the model's classes, for a file with names. Throws exit code 64 where the model has none.
  fileprivate func classes(for path: String) throws -> ClassMap {
    guard let classes else {
      throw ConfigurationError(
        source: path,
        "names its classes, and \(contents.path) knows only their numbers; use labels in arrays of numbers")
    }
    return classes
  }
}
