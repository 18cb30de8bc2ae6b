import Datasets
import MPI

/// The weights of examples and of their classes.
extension TrainingData {
  /// The weights of the training set, whose labels have been checked. Collective; the same on all ranks.
  static func weights(
    _ options: Configuration.DataOptions, of train: Dataset, _ name: String, _ classCount: Int,
    over communicator: Communicator
  ) throws -> ExampleWeights? {
    if options.classWeights == nil, options.train.weights == nil { return nil }
    if case .given(let weights) = options.classWeights, weights.count != classCount {
      throw CollectiveFailure(
        ConfigurationError(
          key: "data.class_weights",
          "has \(weights.count) numbers, and there are \(classCount) classes in \(name); give each class one"))
    }
    let own = try communicator.collectively {
      try options.train.weights.map { list in
        let all = try ExampleWeights.read(list, for: train.kept?.total ?? train.count, of: name, train.featureFiles)
        return train.kept?.select(all) ?? all
      }
    }
    let weights =
      if let classWeights = options.classWeights, let probabilities = train.probabilities {
        ExampleWeights(
          own, factors: try factors(classWeights, probabilities, rows: train.count, over: communicator),
          count: train.count)
      } else {
        ExampleWeights(own, options.classWeights, labels: train.labels, classCount: classCount)
      }
    guard let weights else {
      throw CollectiveFailure(
        ConfigurationError(
          key: "data.class_weights",
          "leave no example of \(name) a weight above 0; give one to a class that has examples of weight above 0"))
    }
    try communicator.agree(UInt64(weights.checksum), about: "the weights of the training data")
    return weights
  }

  /// The expected class weight of each row under its probabilities, relative to the largest class weight. The class counts
  /// that `balanced` takes are sums of probabilities. The same bits on any number of ranks. Collective.
  private static func factors(
    _ classWeights: ClassWeights, _ probabilities: ClassProbabilities, rows: Int, over communicator: Communicator
  ) throws -> [Double] {
    let shards = (0..<communicator.size).map { BatchSampler.shard(of: 0..<rows, rank: $0, count: communicator.size) }
    let shard = shards[communicator.rank]
    var counts = [Double](repeating: 0, count: probabilities.classCount)
    try counts.withUnsafeMutableBufferPointer { counts in
      try communicator.orderedSum(counts) { probabilities.addCounts(of: $0, in: shard, to: counts) }
    }
    let weights = ExampleWeights.relative(classWeights.values(counts: counts, examples: rows))
    return try communicator.allgather(
      probabilities.means(of: weights, in: shard), counts: shards.map(\.count))
  }
}
