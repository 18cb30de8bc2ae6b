import Datasets
import MPI

/// The sets of files that a run reads.
extension TrainingData {
  /// The data sets, without a fraction that is to be held out. Collective on a node. Errors are local to this rank.
  static func open(
    _ configuration: Configuration, by reader: inout NodeReader
  ) throws -> (train: Dataset, validation: Dataset?, test: Dataset?) {
    let options = configuration.data
    guard options.train.features != nil else {
      let digits = Dataset.digits()
      func kept(_ set: Dataset) throws(DataError) -> Dataset {
        try Dataset(features: set.features, labels: set.labels.marking(options.ignoreLabel))
          .leavingOutIgnored("the embedded digits")
      }
      return (try kept(digits.train), nil, try kept(digits.test))
    }
    let sets = try reader.open([
      { _ in try open(options.train, configuration)?.leavingOutIgnored("\(options.train.features!)") },
      {
        try open(options.validation.source, configuration, like: $0[0])?
          .leavingOutIgnored("\(options.validation.features!)")
      },
      { try open(options.test, configuration, like: $0[0])?.leavingOutIgnored("\(options.test.features!)") },
    ])
    return (sets[0]!, sets[1], sets[2])
  }

  /// The data set of arrays or of text files; nil if none is named.
  ///
  /// - Parameter other: a set whose classes and features apply, since a text file does not define them by itself.
  private static func open(
    _ source: Configuration.DataOptions.Source, _ configuration: Configuration, like other: Dataset? = nil
  ) throws -> Dataset? {
    guard let features = source.features else { return nil }
    let storage: FeatureStorage =
      if let other {
        other.features.isSparse ? .sparse : .dense
      } else if configuration.data.storage == .auto, !configuration.model.takesSparseInputs {
        .dense
      } else {
        configuration.data.storage
      }
    var table = CSV.Options(header: configuration.data.header)
    (table.known, table.isLabelGiven) = (other?.tableColumns, source.labelColumn != "last")
    table.numbersAreFeatures = other.map { $0.tableColumns?.hasNames != true } ?? false
    let options = TextOptions(
      table: table, columns: other?.featureCount, indexBase: other?.indices?.base ?? configuration.data.indexBase)
    if let examples = try source.textExamples(options, storage, configuration.training.precision) {
      return try Dataset(
        examples, path: "\(features)", classes: other?.classes, ignoring: configuration.data.ignoreLabel)
    }
    return try source.labels.map {
      let set = try Dataset(
        features: features, labels: $0, source.arrayOptions(storage, configuration.training.precision),
        classCount: configuration.data.classes ?? other?.classCount, like: other,
        ignoring: configuration.data.ignoreLabel)
      if configuration.data.storage == .sparse, !set.features.isSparse {
        throw ConfigurationError(
          key: "data.storage",
          "is sparse, and \(features) has arrays with their zeros; set it to auto, or save scipy.sparse.csr_array(array) with "
            + "scipy.sparse.save_npz")
      }
      return set
    }
  }

  /// Checks a set beside the training set, and returns its checksum. Throws for features or axes that are not those of
  /// the training set `train`, which errors call `trainName`, and what `check` of one set throws. Collective.
  @discardableResult
  static func check(
    _ set: Dataset, _ source: Configuration.DataOptions.Source, beside train: (set: Dataset, name: String),
    _ classCount: Int, _ configuration: Configuration, over communicator: Communicator
  ) throws -> UInt64 {
    let name = source.features?.description ?? train.name
    guard set.featureCount == train.set.featureCount else {
      throw CollectiveFailure(
        DataError.badContents(
          name,
          "has \(set.featureCount) features, and \(train.name) has \(train.set.featureCount); use sets of one kind"))
    }
    // Flat training examples have the axes that the model gives them.
    let shape = train.set.featureShape
    let trained = shape.count < 2 ? configuration.model.inputShape ?? shape : shape
    do {
      try ExampleAxes(set.featureShape).check(with: ExampleAxes(trained), name)
    } catch {
      throw CollectiveFailure(error)
    }
    return try check(
      set, features: name, labels: source.labels?.description ?? name, classCount, over: communicator)
  }
}
