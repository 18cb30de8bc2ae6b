import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// One run: steps over the epochs, evaluations, checkpoints, and the model at the end.
///
/// Every rank holds all parameters and its shard of each global batch. Batches and starting values follow from the seed,
/// so a run is the same on any number of ranks but for rounding.
package final class Trainer<Scalar: DistributedScalar> {
  package enum Outcome: Equatable, Sendable {
    case completed
    /// A signal asked for a stop; a checkpoint is saved.
    case interrupted
  }

  private let configuration: Configuration
  private let data: TrainingData
  private let communicator: Communicator
  private let coordinator: Coordinator
  private let network: Network
  private let optimizer: any Optimizer<Scalar>
  private let evaluator: Evaluator<Scalar>
  private var sampler: BatchSampler
  private let partition: RowPartition
  private let parameters: Vector<Scalar>
  private let room: InputRoom<Scalar>
  private var readAhead: ReadAhead
  /// This rank's shard of a full batch, which is gathered only once.
  private var fullBatch: Batch<Scalar>?
  private var step = 0
  private var savedStep: Int?
  /// What a signal in the midst of a step saves.
  private let lastState = LastState()
  /// Seconds of the step before; nil before the first one.
  private var lastSeconds: Double?
  private let clock: RankClock
  private var begin = ContinuousClock.now

  /// Prepares a run, from the start or from a checkpoint. Collective.
  package init(
    _ configuration: Configuration, _ data: TrainingData, _ network: Network, _ coordinator: Coordinator,
    resuming state: RunState?, over communicator: Communicator
  ) throws {
    self.configuration = configuration
    self.data = data
    self.communicator = communicator
    self.coordinator = coordinator
    self.network = network
    let training = configuration.training
    sampler = configuration.sampler(of: data.train)
    partition = training.partition(rank: communicator.rank, ranks: communicator.size)
    optimizer = configuration.optimizer.makeOptimizer(
      network, batchSize: sampler.batchSize, partition: partition, over: communicator)
    evaluator = Evaluator(network, communicator: communicator)
    clock = try RankClock(over: communicator)
    room = InputRoom(network, capacity: partition.capacity(of: sampler.batchSize))
    readAhead = ReadAhead(data, sampler, partition, steps: training.steps(of: sampler))
    parameters = try communicator.collectively { [optimizer] in
      if let state {
        try state.restore(optimizer)
        return try ModelFile.parameters(of: network, in: state.contents)
      }
      return try configuration.model.initialParameters(of: network, seed: training.seed)
    }
    if let state {
      step = state.progress.step
      savedStep = step
    }
    if training.reproducible { try compareKernels(resuming: state?.progress) }
    try chooseExchange(resuming: state?.progress)
    try chooseSolver(resuming: state?.progress)
  }

  /// What such a run takes on each of `ranks` ranks.
  package static func memory(
    of configuration: Configuration, _ data: TrainingData, _ network: Network, ranks: Int
  ) -> MemoryEstimate {
    let sampler = configuration.sampler(of: data.train)
    // No rank has more than the last one.
    let partition = configuration.training.partition(rank: ranks - 1, ranks: ranks)
    let window = ReadAhead.windowSize(data, sampler)
    let windowShare = window / sampler.batchSize * partition.capacity(of: sampler.batchSize)
    return MemoryEstimate(
      network, configuration.optimizer, batch: sampler.batchSize, valuesPerRow: data.train.features.valuesPerRow,
      partition, ranks: ranks, readAhead: 2 * windowShare, Scalar.self)
  }

  /// Says where other kernels of OpenBLAS than one kind spoil what bits have in common. Collective.
  private func compareKernels(resuming progress: RunState.Progress?) throws {
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
  private func chooseExchange(resuming progress: RunState.Progress?) throws {
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
  private func chooseSolver(resuming progress: RunState.Progress?) throws {
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

  private var totalSteps: Int { configuration.training.steps(of: sampler) }

  /// Trains to the end, or until a signal asks any rank to stop. Collective.
  package func run() throws -> Outcome {
    begin = .now
    let firstStep = step
    // Whatever ends the run, a checkpoint that is being written is worth its time.
    defer { coordinator.finishCheckpoints() }
    optimizer.willUpdate = { [lastState] in lastState.beginChange() }
    lastState.endChange(savedStep == step ? nil : currentState)
    let watch = coordinator.watchSignals(saving: lastState)
    defer {
      lastState.endChange(nil)
      watch?.stop()
    }
    while step < totalSteps {
      let (epoch, batch) = sampler.position(ofStep: step)
      let report = try advance(epoch: epoch, batch: batch)
      // Rank 0 may want to stop because its metrics cannot be written.
      if report.interrupted { try coordinator.settle() }
      if let divergence = Divergence(report, step: step, rate: rate(ofStep: step - 1), Scalar.self) {
        coordinator.flush()
        throw CollectiveFailure(divergence)
      }

      coordinator.observe(report, step: step, epoch: epoch)
      let pace = elapsed / Double(step - firstStep)
      let endsEpoch = batch + 1 == sampler.batchesPerEpoch
      coordinator.show(
        progressLine(report, epoch: epoch, secondsPerStep: pace), isMilestone: endsEpoch || step == totalSteps)
      let every = configuration.training.evaluateEvery
      if endsEpoch, every > 0, (epoch + 1) % every == 0, step < totalSteps, let test = data.test {
        try evaluate(test, split: "test", epoch: epoch)
      }
      if report.interrupted {
        try save()
        try end("interrupted", epoch: epoch)
        try coordinator.settle()
        return .interrupted
      }
      if configuration.checkpoint.every > 0, step % configuration.checkpoint.every == 0 { try beginSave() }
    }

    try save()
    let lastEpoch = sampler.position(ofStep: max(0, step - 1)).epoch
    let fit = try evaluate(data.train, split: "train", epoch: lastEpoch)
    guard fit.loss.isFinite else {
      throw CollectiveFailure(Divergence(step: step, sign: "the training loss is not finite"))
    }
    if let test = data.test { try evaluate(test, split: "test", epoch: lastEpoch) }
    let model = coordinator.directory.model
    try coordinator.write {
      try Safetensors.save(modelFile, to: model)
    }
    coordinator.say("model saved to \(model)")
    try end("completed", epoch: lastEpoch)
    try coordinator.settle()
    return .completed
  }

  /// One global step, and its line in the metrics.
  private func advance(epoch: Int, batch number: Int) throws -> StepReport {
    let start = ContinuousClock.now
    coordinator.noteCheckpoints()
    let before = communicator.statistics
    optimizer.phases.reset()
    let rate = rate(ofStep: step)
    let rows = sampler.batch(epoch: epoch, step: number)
    let wasReadingAhead = readAhead.isOn
    let batch = try optimizer.phases.measure(.data) { try gather(rows, step: step) }
    if readAhead.isOn != wasReadingAhead {
      coordinator.say("note: the examples do not stay in memory, so each step reads those of the next one")
    }
    let report = try optimizer.advance(
      parameters, on: batch, rate: rate, interrupt: Preemption.requested != nil || coordinator.failure != nil)
    step += 1
    lastSeconds = (ContinuousClock.now - start) / .seconds(1)
    lastState.endChange(report.loss.isFinite ? currentState : nil)

    if step % configuration.logging.every == 0 || step == totalSteps {
      let traffic = communicator.statistics - before
      coordinator.record(
        step: MetricsEvent.Step(
          step: step, epoch: epoch + 1, report, rate: rate, seconds: (ContinuousClock.now - start) / .seconds(1),
          elapsed: elapsed, phases: optimizer.phases, traffic: traffic))
    }
    clock.add(optimizer.phases)
    let logging = configuration.logging
    if logging.ranksEvery > 0, step % logging.ranksEvery == 0 { try recordRanks(epoch: epoch) }
    if logging.tensorboard, logging.histogramsEvery > 0, step % logging.histogramsEvery == 0, report.loss.isFinite,
      let histograms = try MarginHistograms.gather(optimizer.margin, rows: batch.labels.count, over: communicator)
    {
      coordinator.record(histograms, step: step)
    }
    return report
  }

  /// The learning rate of a step, counted from zero.
  private func rate(ofStep step: Int) -> Double {
    configuration.optimizer.schedule.rate(step: step, of: totalSteps, peak: configuration.optimizer.learningRate)
  }

  /// Seconds since the run began in this process.
  private var elapsed: Double { (ContinuousClock.now - begin) / .seconds(1) }

  /// The times of all ranks since the last such event. Collective.
  private func recordRanks(epoch: Int) throws {
    if let times = try clock.gather() { coordinator.record(times, step: step, epoch: epoch) }
  }

  /// A batch with this rank's rows of it, normalised.
  private func gather(_ rows: ArraySlice<Int>, step: Int) throws -> Batch<Scalar> {
    if let fullBatch { return fullBatch }
    let own = partition.own(of: rows)
    let batch = Batch(
      inputs: try readAhead.read(own, step: step) { room.gather($1, of: $0, data.normalization) },
      labels: own.map { data.train.labels[$0] }[...],
      weights: data.weights.map { weights in Vector(own.map { Scalar(weights.values[$0]) }) }, globalSize: rows.count)
    if sampler.isFull { fullBatch = batch }
    return batch
  }

  @discardableResult
  private func evaluate(_ set: Dataset, split: String, epoch: Int) throws -> Evaluation {
    let result = try evaluator.evaluate(
      parameters, on: set, named: "the \(split) set", normalization: data.normalization)
    coordinator.say("step \(step)  \(split)  \(result)")
    coordinator.record(
      evaluation: MetricsEvent.Evaluation(step: step, epoch: epoch + 1, split: split, result, elapsed: elapsed))
    return result
  }

  /// The model as it is now. Local.
  private var modelFile: TensorFile {
    ModelFile.contents(
      parameters, of: network, configuration, data.normalization, DataDescription(of: data.train))
  }

  /// Begins to save a checkpoint, of finite numbers alone. Collective.
  private func beginSave() throws {
    if savedStep == step { return }
    if let divergence = try findDivergence() {
      coordinator.finishCheckpoints()
      coordinator.flush()
      throw CollectiveFailure(divergence)
    }
    savedStep = step
    lastState.endChange(nil)
    // A run that goes on from here needs the events up to here.
    coordinator.flush()
    coordinator.beginCheckpoint(step: step) { stateFile(step: step, optimizer.counters, optimizer.memory) }
  }

  /// The run as it is, for as long as parameters and memory do not change.
  private var currentState: LastState.State? {
    guard communicator.isRoot else { return nil }
    let (step, counters) = (step, optimizer.counters)
    var memory = optimizer.memory
    for (name, vector) in optimizer.earlyMemory {
      // A copy costs nothing beside a step that takes long, and a short one is waited for.
      if let lastSeconds, lastSeconds < 0.2 { return nil }
      let copy = Vector<Scalar>(zeros: vector.count)
      copy.assign(vector)
      memory[memory.firstIndex { $0.name == name }!].vector = copy
    }
    return LastState.State(step: step) { [unowned self, memory] in stateFile(step: step, counters, memory) }
  }

  /// A checkpoint of this step. On any thread.
  private func stateFile(
    step: Int, _ counters: OptimizerCounters, _ memory: [(name: String, vector: Vector<Scalar>)]
  ) -> TensorFile {
    var file = modelFile
    RunState.add(
      RunState.Progress(
        step: step, optimizer: counters, examples: data.train.count, exchange: optimizer.message.exchange,
        ranks: communicator.size, sparse: network.takesSparseInputs, weights: data.weights?.checksum,
        data: data.checksum.map(RunState.text)),
      memory: memory, to: &file)
    return file
  }

  /// What a checkpoint would keep and is not finite on some rank, if anything is. Collective.
  private func findDivergence() throws -> Divergence? {
    let kept =
      network.layout.entries.map { ($0.name, parameters[$0.range]) }
      + optimizer.memory.map { ("optimizer.\($0.name)", $0.vector) }
    let own = kept.firstIndex { !$0.1.isFinite } ?? kept.count
    let first = try communicator.allreduce(own, .min)
    return first == kept.count ? nil : Divergence(step: step, sign: "\(kept[first].0) is not finite")
  }

  /// Saves a checkpoint, and waits until it is safe. Collective.
  private func save() throws {
    try beginSave()
    coordinator.finishCheckpoints()
    try coordinator.settle()
  }

  /// Collective.
  private func end(_ reason: String, epoch: Int) throws {
    try recordRanks(epoch: epoch)
    if let summary = clock.summary { coordinator.say("ranks", summary) }
    coordinator.warnOfRejectedSteps(step: step)
    let optimizer = optimizer as? FastGaussNewton<Scalar>
    let times = optimizer?.solveTimes
    let plan = optimizer?.plan
    let planned = plan.flatMap { plan in plan.isMeasured ? times?.kind.map(plan.seconds) : nil }
    if plan != nil, let times, let kind = times.kind {
      let took = "took \((1000 * times.seconds).short) ms"
      let text = planned.map { "expected to take \((1000 * $0).short) ms a step, \(took)" } ?? "\(took) a step"
      coordinator.say("solver", "\(kind.rawValue), \(text)")
    }
    coordinator.record(
      MetricsEvent.End(
        step: step, reason: reason, seconds: elapsed, peakMemory: peakMemory(),
        plannedSolve: planned, solve: plan == nil || times?.kind == nil ? nil : times?.seconds))
    coordinator.flush()
  }

  private func progressLine(_ report: StepReport, epoch: Int, secondsPerStep: Double) -> String {
    let epochs = (totalSteps + sampler.batchesPerEpoch - 1) / sampler.batchesPerEpoch
    let left = Duration.seconds(Double(totalSteps - step) * secondsPerStep)
    return "epoch \(epoch + 1)/\(epochs)  step \(step)/\(totalSteps)  loss \(report.loss.short)"
      + (report.damping.map { "  λ \($0.short)" } ?? "") + (report.solver.map { "  solver \($0.iterations)" } ?? "")
      + "  \((1 / secondsPerStep).short) steps/s"
      + (step == totalSteps ? "" : "  \(left.readable) left")
  }
}
