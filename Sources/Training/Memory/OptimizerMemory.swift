import GaussNewton
import LinearAlgebra
import Networks

/// What the method of a run keeps in memory on each rank, in numbers of its precision.
struct OptimizerMemory {
  /// n, the vectors of P numbers that a run has: θ, the best θ and an average where these are kept, the sums over the
  /// ranks, and what the method works with and remembers.
  let vectors: Int
  /// Of these, θ, the best θ, the average and what the method remembers.
  let savedVectors: Int
  /// Of the moments of a metric, which are saved as well.
  let moments: Double
  let metric: Double
  /// Of each virtual shard, beside the P numbers of its sums.
  let metricPart: Double
  /// Of solves with the matrix of a batch; nil where there are none.
  let gram: Double?

  /// For batches of at most `batchSize` rows, and `rows` on this rank.
  init<Scalar: DistributedScalar>(
    _ configuration: Configuration, _ network: Network, batchSize: Int, _ partition: RowPartition, _: Scalar.Type
  ) {
    let rows = partition.capacity(of: batchSize)
    let optimizer = configuration.optimizer
    vectors = configuration.parameterVectors
    savedVectors = configuration.bestVectors + configuration.savedAverageVectors + optimizer.savedVectors
    guard optimizer.method == .fgn else {
      (moments, metric, metricPart, gram) = (0, 0, 0, nil)
      return
    }
    let options = optimizer.gaussNewton
    moments = Metric<Scalar>.momentCount(network, options.metric)
    metric = Metric<Scalar>.memoryCount(network, options.metric, rows: rows)
    metricPart = Metric<Scalar>.partCount(network, options.metric)
    guard FastGaussNewton<Scalar>.formsGram(network, options, batchSize: batchSize) else {
      gram = nil
      return
    }
    let ranks = partition.ranks
    var count = GramMatrix<Scalar>.memoryCount(
      network, batchSize: batchSize, ranks: ranks, isVirtual: partition.isVirtual)
    if ranks == 1, !partition.isVirtual {
      count += GramMatrix<Scalar>.scaledCount(network, options.metric, batchSize: batchSize)
    }
    if !partition.isVirtual, !options.metric.kind.hasMatrices {
      count += Double(GramMatrix<Scalar>.sharedOutputCount(network, batchSize: batchSize, ranks: ranks))
    }
    gram = count + Linearization<Scalar>.rowGradientCount(network, rows: rows, partition)
  }
}

extension Configuration {
  /// n of `OptimizerMemory`.
  var parameterVectors: Int { bestVectors + averageVectors + optimizer.parameterVectors }

  /// The best parameters until now.
  fileprivate var bestVectors: Int { training.keep == .best ? 1 : 0 }

  /// The average, which has 8 bytes a number, and in float32 a copy with 4 that is evaluated.
  private var averageVectors: Int {
    training.average.kind == .none ? 0 : training.precision == .float32 ? 3 : 1
  }

  /// The average, and the parameters of the step itself beside it.
  fileprivate var savedAverageVectors: Int {
    training.average.kind == .none ? 0 : training.precision == .float32 ? 3 : 2
  }
}

extension Configuration.OptimizerOptions {
  fileprivate var parameterVectors: Int {
    switch method {
    case .fgn: 1 + FastGaussNewton<Float>.vectorCount(gaussNewton)
    case .ggn: 1 + GeneralizedGaussNewton<Float>.vectorCount(gaussNewton)
    case .sgd, .adam: 1 + FirstOrder<Float>.vectorCount(firstOrder)
    }
  }

  fileprivate var savedVectors: Int {
    switch method {
    case .fgn, .ggn: 1 + DampedStep<Float>.savedVectorCount(gaussNewton)
    case .sgd, .adam: 1 + FirstOrder<Float>.savedVectorCount(firstOrder)
    }
  }
}
