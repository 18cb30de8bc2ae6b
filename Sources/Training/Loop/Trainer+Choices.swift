import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The choices that precede the first step of a run.
extension Trainer {
  /// The memory of such a run on each of `ranks` ranks.
  package static func memory(
    of configuration: Configuration, _ data: TrainingData, _ network: Network, ranks: Int
  ) -> MemoryEstimate {
    let sampler = configuration.sampler(of: data.train)
    let sharesClasses = configuration.sharesClasses && ranks > 1
    // No rank has more rows than the last one, and none more classes than so many.
    let size = configuration.headShard.groupSize(of: ranks)
    let groupPartition = RowPartition(rank: ranks / size - 1, ranks: ranks / size)
    let partition =
      sharesClasses && network.hasSingleLayer
      ? groupPartition : configuration.training.partition(rank: ranks - 1, ranks: ranks)
    var configuration = configuration
    if sharesClasses {
      configuration.optimizer.solver.kind = configuration.optimizer.settledSolver(
        network, batchSize: sampler.batchSize, sharesClasses: true)
    }
    let network = sharesClasses ? network.keeping(0..<(network.outputCount + size - 1) / size) : network
    let valuesPerRow = data.train.features.valuesPerRow
    let estimate = MemoryEstimate(
      network, configuration,
      batch: MemoryEstimate.Batch(
        rows: sampler.batchSize, valuesPerRow: valuesPerRow,
        readAhead: ReadAhead.memorySize(data, sampler, partition), hasProbabilities: data.hasProbabilities), partition,
      Scalar.self)
    if sharesClasses {
      let options = configuration.optimizer
      return estimate.sharingClasses(
        of: network, batch: sampler.batchSize, rows: groupPartition, partition,
        formsMatrix: options.method == .fgn
          && FastGaussNewton<Scalar>.formsGram(network, options.gaussNewton, batchSize: sampler.batchSize),
        Scalar.self)
    }
    if configuration.training.until == .steps { return estimate }
    return estimate.withOptimum(
      network, rows: data.train.count, valuesPerRow: valuesPerRow, partition, Scalar.self)
  }

  /// Notes for the user where different kernels of OpenBLAS prevent equal bits. Collective.
  func compareKernels(resuming progress: RunState.Progress?) throws {
    let own = Kernels.name
    if let kernels = try communicator.gatherStrings(own), let other = kernels.first(where: { $0 != own }) {
      coordinator.say(
        "note: ranks compute with \(own) and \(other) kernels: another number of ranks will not give the same bits")
    }
    if let before = progress?.kernel, before != own {
      coordinator.say(
        "note: the checkpoint is from \(before) kernels, and these are \(own): "
          + "the run does not go on with the same bits")
    }
  }

  /// Chooses how sums travel between ranks: as configured, as before, by rule, or by measurement. Collective.
  func chooseExchange(resuming progress: RunState.Progress?) throws {
    let message = optimizer.message
    guard communicator.size > 1, message.hasBuckets, !partition.isVirtual else { return }
    let reason: String
    switch configuration.optimizer.allreduce {
    case .single: (message.exchange, reason) = (.single, "as configured")
    case .bucketed: (message.exchange, reason) = (.bucketed, "as configured")
    case .auto, .measured:
      if let progress, progress.ranks == communicator.size {
        (message.exchange, reason) = (progress.exchange, "as before")
      } else if configuration.optimizer.allreduce == .auto {
        (message.exchange, reason) = (message.usualExchange, "by rule")
      } else {
        let inputs = try gather(nextBatch, step: nextStep).inputs
        let seconds = try message.measureExchanges(at: parameters, on: inputs)
        message.exchange = Exchange.allCases.min { seconds[$0]! < seconds[$1]! }!
        reason = Exchange.allCases.map { "\($0.rawValue) \((1000 * seconds[$0]!).short) ms" }.joined(separator: ", ")
      }
    }
    coordinator.say("sums", "\(message.exchange.rawValue) (\(reason))")
  }

  /// Lets Fast Gauss-Newton choose its solver with the batch of the next step, if the configuration leaves it the
  /// choice. A resumed run with the same number of ranks keeps its plan. Collective.
  func chooseSolver(resuming progress: RunState.Progress?) throws {
    let kind = configuration.optimizer.solver.kind
    guard let optimizer = optimizer as? FastGaussNewton<Scalar>, kind.isChosen else { return }
    var isOld = true
    if partition.isVirtual, optimizer.solverKind != .cg {
      return coordinator.say(
        "solver", "\(optimizer.solverKind.rawValue) (the rule where a run is reproducible)")
    }
    if share.classes != nil {
      if optimizer.solverKind == .cg, optimizer.options.damping.policy == .sweep { throw Self.noMatrixToSweep }
      return coordinator.say(
        "solver", "\(optimizer.solverKind.rawValue) (the rule where ranks share out classes)")
    }
    let isSuitable = optimizer.plan.map { $0.source == nil || $0.isMeasured == (kind == .measured) } ?? false
    if !partition.isVirtual, !isSuitable || progress?.ranks != communicator.size {
      let batch = try gather(nextBatch, step: nextStep)
      if kind == .measured {
        try optimizer.measurePlan(parameters, on: batch)
      } else {
        try optimizer.makePlan(
          parameters, on: batch, batchSize: sampler.batchSize, valuesPerRow: data.train.features.valuesPerRow)
      }
      isOld = false
    }
    guard let plan = optimizer.plan else {
      if optimizer.options.damping.policy == .sweep { throw Self.noMatrixToSweep }
      return coordinator.say("solver", "cg (the matrix of such a batch is too large)")
    }
    coordinator.say("solver", "\(optimizer.solverKind.rawValue) (\(plan.summary(optimizer.solverKind, isOld: isOld)))")
  }

  private static var noMatrixToSweep: CollectiveFailure {
    CollectiveFailure(
      ConfigurationError(
        key: "optimizer.damping.policy",
        "sweep needs the matrix of a batch, which is too large here; lower optimizer.batch_size or take another policy")
    )
  }

  /// The next step, or the last one if the run is complete.
  private var nextStep: Int { min(step, totalSteps - 1) }

  /// The rows of the next step's batch.
  private var nextBatch: ArraySlice<Int> {
    let (epoch, batch) = sampler.position(ofStep: nextStep)
    return sampler.batch(epoch: epoch, step: batch)
  }
}
