import Datasets
import LinearAlgebra
import MPI

/// The checked sets of a configuration's files, of which no rows are held out yet. The same on all ranks.
package struct CheckedSets {
  let train: Dataset
  let validation: Dataset?
  let test: Dataset?
  /// C
  let classCount: Int
  let checksum: UInt64
  /// The checksum of a validation set of its own.
  let validationChecksum: UInt64?
  /// A remark for the user on how the examples were read.
  let note: String?
  /// Seconds spent on reading and checking.
  let seconds: Double

  /// The number of rows of the training files, those of `data.ignore_label` as well.
  package var rowCount: Int { train.kept?.total ?? train.count }

  /// How many examples each class has (C).
  package var classSizes: [Int] { train.labels.counts(below: classCount) }

  /// Collective; errors are the same on all ranks.
  package static func load(_ configuration: Configuration, over communicator: Communicator) throws -> CheckedSets {
    let start = ContinuousClock.now
    let options = configuration.data
    var reader = try NodeReader(over: communicator)
    let sets = try communicator.collectively { try TrainingData.open(configuration, by: &reader) }
    let note = try reader.note(over: communicator)
    for (set, subject) in [(sets.train, "training"), (sets.validation, "validation"), (sets.test, "test")] {
      if let set { try agree(on: set, "the \(subject) data", on: reader.node, over: communicator) }
    }
    let (train, validation, test) = (sets.train, sets.validation, sets.test)

    let trainName = options.trainName
    let classCount = options.classes ?? train.classCount
    if let names = train.classes, classCount != names.count {
      throw CollectiveFailure(
        ConfigurationError(
          key: "data.classes",
          "\(classCount) are not the \(names.count) classes of \(trainName); leave it null for a text file"))
    }
    guard classCount >= 2 else {
      throw CollectiveFailure(
        DataError.badContents(
          options.train.labels?.description ?? trainName, "has one class only; a classifier needs two or more"))
    }
    // A stray label would ask for a model of its own size.
    if options.classes == nil, train.classes == nil, train.probabilities == nil, classCount > max(train.count, 1 << 16),
      let row = train.labels.firstIndex(of: Int32(classCount - 1))
    {
      let place = train.labelFiles.place(of: row, in: trainName)
      throw CollectiveFailure(
        DataError.badContents(
          place.path,
          "example \(place.row) has label \(train.labels[row]), and there are only \(train.count) examples; "
            + "correct the label, set data.classes, or data.ignore_label: \(train.labels[row]) to leave such rows out"))
    }
    try TrainingData.checkWidth(train, trainName, classCount, configuration, over: communicator)
    let checksum = try TrainingData.check(
      train, features: trainName, labels: options.train.labels?.description ?? trainName, classCount, over: communicator
    )
    let validationChecksum = try validation.map {
      try TrainingData.check(
        $0, options.validation.source, beside: (train, trainName), classCount, configuration, over: communicator)
    }
    if let test {
      try TrainingData.check(
        test, options.test, beside: (train, trainName), classCount, configuration, over: communicator)
    }
    return CheckedSets(
      train: train, validation: validation, test: test, classCount: classCount, checksum: checksum,
      validationChecksum: validationChecksum, note: note, seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  /// The sets with the rows held out that a configuration asks for, of the files that these are of. Nothing is copied.
  /// Collective; errors are the same on all ranks.
  package func data(_ configuration: Configuration, over communicator: Communicator) throws -> TrainingData {
    let start = ContinuousClock.now
    let options = configuration.data
    let trainName = options.trainName
    var (train, validation) = (train, validation)
    // What is held out takes no part in anything that follows, but for the check of the range.
    let seed = configuration.training.seed
    let parts: (training: Dataset, validation: Dataset)? = try communicator.collectively {
      if let fraction = options.validation.fraction {
        return try train.holdingOut(fraction, classCount: classCount, seed: seed, trainName)
      }
      return try options.validation.fold.map {
        try train.holdingOut($0, classCount: classCount, seed: seed, trainName)
      }
    }
    if let parts { (train, validation) = (parts.training, parts.validation) }

    let (normalization, scales) = try TrainingData.normalization(
      of: train, trainName, configuration, over: communicator)
    if configuration.training.precision == .float32 {
      for (set, source) in [(train, options.train), (validation, options.validation.source), (test, options.test)] {
        guard let set else { continue }
        try TrainingData.checkRange(set, source.features?.description ?? trainName, normalization, over: communicator)
      }
    }
    let weights = try TrainingData.weights(options, of: train, trainName, classCount, over: communicator)
    return TrainingData(
      train: train, validation: validation, test: test, normalization: normalization, scales: scales,
      checksum: checksum, validationChecksum: validationChecksum, classCount: classCount, weights: weights,
      seconds: seconds + (ContinuousClock.now - start) / .seconds(1),
      memory: try communicator.allreduce([HostMemory.limit()], .min)[0], note: note,
      labelWarning: Self.labelWarning(of: train, classCount))
  }

  /// A warning for the user about labels that are one class each.
  private static func labelWarning(of train: Dataset, _ classCount: Int) -> String? {
    if train.probabilities != nil { return nil }
    return train.classes.map { LabelCounts.warning(of: $0, examples: train.count) }
      ?? LabelCounts(train.labels, classCount: classCount).warning
  }

  /// Verifies that all ranks read the same values and labels. Collective.
  private static func agree(
    on set: Dataset, _ subject: String, on node: Communicator, over communicator: Communicator
  ) throws {
    if communicator.size == 1 { return }
    let features = set.features
    var words = [UInt64(set.count), UInt64(set.featureCount), UInt64(features.element.size), features.isSparse ? 1 : 0]
    words += try checksums(of: set.count, at: features.place, on: node) { features.checksum(in: $0) }
    if let values = set.probabilities?.values {
      words += try checksums(of: set.count, at: values.place, on: node) { values.checksum(in: $0) }
    }
    words += set.labels.map { UInt64(bitPattern: Int64($0)) }
    words += set.classes?.names.joined(separator: "\n").utf8.map { UInt64($0) } ?? []
    words += set.tableColumns?.features.joined(separator: "\n").utf8.map { UInt64($0) } ?? []
    try words.withUnsafeBytes { try communicator.agree($0, about: subject) }
  }

  /// The checksums of 64 blocks of `rows` rows. Ranks of a node that share one copy, at one place, also share the work.
  /// Collective on the node.
  private static func checksums(
    of rows: Int, at place: UInt64?, on node: Communicator, _ checksum: (Range<Int>) -> UInt32
  ) throws -> [UInt64] {
    let places = try node.allgather([place ?? UInt64(node.rank)], counts: Array(repeating: 1, count: node.size))
    let isOnePlace = places.allSatisfy { $0 == places[0] }
    let blocks = 0..<64
    let own = (isOnePlace ? blocks.part(node.rank, of: node.size) : blocks)
      .map { UInt64(checksum((0..<rows).part($0, of: blocks.count))) }
    return isOnePlace ? try node.allgather(own) : own
  }
}

extension Configuration.DataOptions {
  /// What errors call the training set.
  fileprivate var trainName: String { train.features?.description ?? "the embedded digits" }
}
