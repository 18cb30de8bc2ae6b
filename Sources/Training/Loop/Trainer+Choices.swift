import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a run chooses before its first step.
extension Trainer {
  /// What such a run takes on each of `ranks` ranks.
  package static func memory(
    of configuration: Configuration, _ data: TrainingData, _ network: Network, ranks: Int
  ) -> MemoryEstimate {
    let sampler = configuration.sampler(of: data.train)
    // No rank has more than the last one.
    let partition = configuration.training.partition(rank: ranks - 1, ranks: ranks)
    return MemoryEstimate(
      network, configuration.optimizer, batch: sampler.batchSize, valuesPerRow: data.train.features.valuesPerRow,
      partition, readAhead: ReadAhead.memorySize(data, sampler, partition), Scalar.self)
  }

  /// Says where other kernels of OpenBLAS than one kind spoil what bits have in common. Collective.
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

  /// How sums over the ranks travel: as asked for, as before, by a rule, or as is faster here. Collective.
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

  /// Lets Fast Gauss-Newton plan with the batch of the next step, if the choice of a solver is its own; a run that goes on
  /// between as many ranks goes on with its plan. Collective.
  func chooseSolver(resuming progress: RunState.Progress?) throws {
    let kind = configuration.optimizer.solver.kind
    guard let optimizer = optimizer as? FastGaussNewton<Scalar>, kind.isChosen else { return }
    var isOld = true
    if partition.isVirtual, optimizer.solverKind != .cg {
      return coordinator.say(
        "solver", "\(optimizer.solverKind.rawValue) (the rule where a run is reproducible)")
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
      if optimizer.options.damping.policy == .sweep {
        throw CollectiveFailure(
          ConfigurationError(
            key: "optimizer.damping.policy",
            "sweep needs the matrix of a batch, which is too large here; lower optimizer.batch_size or take another policy"
          ))
      }
      return coordinator.say("solver", "cg (the matrix of such a batch is too large)")
    }
    coordinator.say("solver", "\(optimizer.solverKind.rawValue) (\(plan.summary(optimizer.solverKind, isOld: isOld)))")
  }

  /// The next step, or the last one.
  private var nextStep: Int { min(step, totalSteps - 1) }

  /// The rows of its batch.
  private var nextBatch: ArraySlice<Int> {
    let (epoch, batch) = sampler.position(ofStep: nextStep)
    return sampler.batch(epoch: epoch, step: batch)
  }
}
