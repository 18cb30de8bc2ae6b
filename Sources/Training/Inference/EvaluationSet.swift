import Datasets
import MPI

/// Examples to score a model on: their features are read as they are needed, in memory that does not grow with their
/// number; all classes are in memory, in 4 bytes an example.
package struct EvaluationSet {
  package let features: any FeatureSource
  /// What errors call the features.
  package let name: String
  /// Of rows that do not count, `IgnoredLabel.mark`.
  package let labels: [Int32]
  /// What a person should know of how they were read.
  package let note: String?

  package var count: Int { labels.count }

  /// The examples of arrays, or of text files, which are read as a whole, or the embedded digits of the test set if none
  /// are named, checked but for the values of features. Collective on a node. Throws exit code 64, 65, 66 or 74.
  ///
  /// - Parameter indexBase: of LIBSVM's format; nil: that of the model.
  package init(
    _ source: Configuration.DataOptions.Source, header: CSV.Header, indexBase: SVMLight.IndexBase? = nil,
    for model: ModelFile,
    by reader: inout NodeReader
  ) throws {
    let labelsName: String
    var labelFiles: SetFiles?
    let ignored = model.configuration.data.ignoreLabel
    let text = try reader.open {
      guard
        let text = try source.textExamples(for: model, header: header, readsLabels: true, indexBase: indexBase)
      else { return nil }
      let path = "\(source.features!)"
      // Of another number of features, which is the mistake to be told.
      try model.check(text.features.shape, of: path)
      return try Dataset(text, path: path, classes: model.classes(for: path), ignoring: ignored)
    }
    note = text.flatMap { $0.tableColumns?.summary(model.tableColumns) ?? model.noteOnIndices(of: $0, told: indexBase) }
    if let text {
      (features, labels) = (text.features, text.labels)
      name = "\(source.features!)"
      labelsName = name
    } else if let files = source.features, let labelsList = source.labels {
      let stream = try FeatureStream(paths: files.paths(), format: source.format.array)
      features = stream
      (name, labelsName) = ("\(files)", "\(labelsList)")
      let stored: ArrayLabels
      (stored, labelFiles) = try Dataset.labels(
        labelsList.paths(), format: source.format.array, for: stream.files!)
      switch stored {
      case .numbers(let numbers):
        let marked = numbers.marking(ignored)
        labels =
          try model.classes?.classes(ofNumbers: marked) { labelFiles.place(of: $0, in: "\(labelsList)") } ?? marked
      case .names(let column): labels = try model.classes(for: labelsName).classes(of: column, ignoring: ignored)
      }
    } else if model.configuration.data.train.features == nil {
      let digits = Dataset.digits().test
      (features, labels) = (digits.features, digits.labels.marking(ignored))
      name = "the embedded digits"
      labelsName = name
    } else {
      throw ConfigurationError(
        source: model.contents.path, "was trained without a test set; name one with --features and --labels")
    }
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
  /// The names of its classes, for a file that has names. Throws exit code 64 where the model has none.
  fileprivate func classes(for path: String) throws -> ClassMap {
    guard let classes else {
      throw ConfigurationError(
        source: path,
        "names its classes, and \(contents.path) knows only their numbers; use labels in arrays of numbers")
    }
    return classes
  }
}

extension Communicator {
  /// Makes sure that all ranks apply the same model to as many examples. Collective.
  package func agree(on parameterNorm: Double, of examples: some FeatureSource) throws {
    try agree(UInt64(parameterNorm.bitPattern), about: "the model")
    try agree(UInt64(examples.rows), about: "the number of examples")
  }
}
