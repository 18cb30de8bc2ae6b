import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// One run: steps over the epochs, evaluations, checkpoints, and the model at the end.
///
/// Each rank holds all parameters and its shard of each global batch, or where ranks share out the classes of a head all
/// rows and the parameters of its classes. Batches and starting values follow from the seed, so that a run does not depend
/// on the number of ranks except for rounding.
package final class Trainer<Scalar: DistributedScalar> {
  package enum Outcome: Equatable, Sendable {
    case completed
    /// A signal asked for a stop, and a checkpoint is saved.
    case interrupted
    /// The numbers are not finite, and the run goes back.
    case backsOff(Retreat)
  }

  let configuration: Configuration
  /// The configuration that the model was trained with: that of the checkpoint where no step is left.
  let modelConfiguration: Configuration
  let data: TrainingData
  let communicator: Communicator
  package let coordinator: Coordinator
  let network: Network
  /// What this rank holds of the network.
  let share: ParameterShare
  let optimizer: any Optimizer<Scalar>
  let evaluator: Evaluator<Scalar>
  var sampler: BatchSampler
  /// The rows of a batch whose inputs this rank has, and those whose labels.
  let partition, labelPartition: RowPartition
  /// This rank's share.
  let parameters: Vector<Scalar>
  /// What evaluations on the validation set have said; nil without one.
  var selection: ModelSelection?
  /// How far steps on all rows have come; nil before them.
  var optimum: OptimumProgress?
  /// The parameters of the best step; nil where the last ones are the model.
  let best: Vector<Scalar>?
  /// The average of the parameters; nil where there is to be none.
  let average: WeightAverage<Scalar>?
  private let room: InputRoom<Scalar>
  private var readAhead: ReadAhead
  /// nil where labels are one class each.
  private var targetReader: TargetReader<Scalar>?
  /// This rank's shard of a full batch, which is gathered only once.
  private var fullBatch: Batch<Scalar>?
  package internal(set) var step = 0
  var savedStep: Int?
  /// The state that a signal during a step saves.
  let lastState = LastState()
  /// The model that a completed run has ended with.
  package private(set) var model: RunModel<Scalar>?
  /// Whether this rank is asked to stop, and with it all ranks at the end of the step. Local.
  package var wishesToStop: () throws -> Bool = { Preemption.requested != nil }
  /// Whether the model of a completed run is scored on the training set: a pass over it, which trials of a search do without.
  package var scoresTrainingSet = true
  /// How many evaluations in a row that are worse than the one before each end the run, as patience does; nil: none do.
  package var endsAfterRises: Int?
  /// Why the run has ended, where its numbers are not finite.
  var divergence: Divergence?
  /// How often the run has gone back for that.
  var backOff = BackOff()
  /// The checkpoint that the run goes on from.
  let origin: CheckpointFiles.Checkpoint?
  /// Seconds of the last step; nil before the first one.
  var lastSeconds: Double?
  let clock: RankClock
  var saveClock: SaveClock
  private var begin = ContinuousClock.now

  /// Prepares a run, from the start or from a checkpoint. Collective.
  package init(
    _ configuration: Configuration, _ data: TrainingData, _ network: Network, _ coordinator: Coordinator,
    resuming state: RunState?, over communicator: Communicator
  ) throws {
    self.configuration = configuration
    modelConfiguration = state.flatMap { $0.isDone(data) ? $0.saved : nil } ?? configuration
    self.data = data
    self.communicator = communicator
    self.coordinator = coordinator
    self.network = network
    origin = state.map { CheckpointFiles.Checkpoint(step: $0.progress.step, path: $0.contents.path) }
    let training = configuration.training
    sampler = configuration.sampler(of: data.train)
    let share = try configuration.share(of: network, over: communicator)
    self.share = share
    partition = share.inputPartition(training, over: communicator)
    labelPartition = share.labelPartition(training, over: communicator)
    optimizer = configuration.optimizer.makeOptimizer(
      share, batchSize: sampler.batchSize, partition: partition, over: communicator)
    evaluator = Evaluator(
      network, isReproducible: training.reproducible, communicator: communicator, classes: share.classes)
    clock = try RankClock(over: communicator)
    saveClock = coordinator.makeSaveClock()
    room = InputRoom(network, capacity: partition.capacity(of: sampler.batchSize))
    let steps = training.steps(of: sampler)
    readAhead = ReadAhead(data.train.features, of: data, sampler, partition, steps: steps)
    targetReader = TargetReader(data, sampler, labelPartition, steps: steps, classes: share.classes?.own)
    parameters = try communicator.collectively { [optimizer] in
      if let state {
        // Where ranks share out classes, the state is that of this rank's.
        try state.restore(optimizer)
        return try state.parameters(of: share.own)
      }
      let parameters: Vector<Scalar> = try configuration.model.initialParameters(share, seed: training.seed)
      optimizer.begin(at: parameters)
      return parameters
    }
    if let state {
      selection = state.selection(data).selection
      step = state.progress.step
      optimum = training.until == .optimum ? state.progress.optimum : nil
      savedStep = step
      backOff = state.backOff
    } else if data.validation != nil {
      selection = ModelSelection(by: training.bestBy)
    }
    let keepsBest = modelConfiguration.training.keep == .best
    best = try communicator.collectively { [parameters, selection] in
      if !keepsBest { return nil }
      return try state?.bestParameters(of: share.own, selection) ?? parameters.copy()
    }
    let span =
      state.map { $0.average(data).span } ?? AverageSpan(training.average, steps: training.steps(of: sampler))
    average = try communicator.collectively {
      try span.map { try state?.average($0, of: share.own) ?? WeightAverage($0, count: share.own.layout.count) }
    }
    if training.reproducible { try compareKernels(resuming: state?.progress) }
    try chooseExchange(resuming: state?.progress)
    try chooseSolver(resuming: state?.progress)
    describeAverage()
  }

  /// The error of a run whose numbers are not finite.
  func failure(_ divergence: Divergence) -> CollectiveFailure {
    self.divergence = divergence
    return CollectiveFailure(divergence)
  }

  var totalSteps: Int { configuration.training.steps(of: sampler) }

  /// Trains to the end, or until a signal asks any rank to stop. Collective.
  func train() throws -> Outcome {
    begin = .now
    saveClock.restart()
    let firstStep = step
    // Whatever ends the run, a checkpoint that is being written is worth the wait.
    defer { coordinator.finishCheckpoints() }
    optimizer.willUpdate = { [lastState] in lastState.beginChange() }
    lastState.endChange(savedStep == step ? nil : currentState)
    let watch = coordinator.watchSignals(saving: lastState)
    defer {
      lastState.endChange(nil)
      watch?.stop()
    }
    try evaluateAtBegin()
    // A run that is killed goes on as often backed off.
    if backOff.count > 0 { try save() }
    var hasPatience = !isOutOfPatience()
    while step < totalSteps, optimum == nil, hasPatience {
      let (epoch, batch) = sampler.position(ofStep: step)
      let report = try advance(epoch: epoch, batch: batch)
      // Rank 0 may stop because it cannot write its metrics.
      if report.interrupted { try coordinator.settle() }
      try check(report, rate: rate(ofStep: step - 1))
      coordinator.observe(report, step: step, epoch: epoch)
      let pace = elapsed / Double(step - firstStep)
      let endsEpoch = batch + 1 == sampler.batchesPerEpoch
      coordinator.show(
        progressLine(report, epoch: epoch, secondsPerStep: pace), isMilestone: endsEpoch || step == totalSteps)
      // A run that is to stop leaves an evaluation that it chooses by for when it goes on.
      if step < totalSteps, isEvaluated(after: step), !report.interrupted || selection == nil { try evaluateSets() }
      if report.interrupted { return try stop(epoch: epoch) }
      hasPatience = !isOutOfPatience()
      if hasPatience, try isSaveDue() { try saveInTime() }
    }

    let lastEpoch = sampler.position(ofStep: max(0, batchSteps - 1)).epoch
    var way: OptimumProgress.End?
    if let options = configuration.training.optimum {
      way = try reachOptimum(options)
      if way == nil { return try stop(epoch: lastEpoch) }
    }
    if selection?.evaluatedStep != step { try evaluateSets(withTest: false) }
    try save()
    let model = chooseModel()
    self.model = model
    if scoresTrainingSet {
      let fit = try evaluate(model, on: data.train, split: "train")
      if let sign = Divergence.sign("training loss", of: fit.loss, limit: lossLimit) {
        throw failure(Divergence(step: step, sign: sign))
      }
    }
    if let test = data.test { try evaluate(model, on: test, split: "test") }
    try saveModel(model, isNew: step > firstStep)
    try end(way?.reason ?? (hasPatience ? "completed" : "patience"), epoch: lastEpoch)
    if let way { try report(way) }
    try coordinator.settle()
    return .completed
  }

  /// Saves a checkpoint, from which a run that a signal stops goes on. Collective.
  private func stop(epoch: Int) throws -> Outcome {
    try save()
    try end("interrupted", epoch: epoch)
    try coordinator.settle()
    return .interrupted
  }

  /// Takes one global step and logs it. Collective.
  private func advance(epoch: Int, batch number: Int) throws -> StepReport {
    let start = ContinuousClock.now
    coordinator.noteCheckpoints()
    let before = communicator.statistics
    let isLogged = (step + 1) % configuration.logging.every == 0 || step + 1 == totalSteps
    let isRecorded = configuration.logging.traffic && isLogged
    if isRecorded { communicator.beginRecord() }
    optimizer.phases.reset()
    let rate = rate(ofStep: step)
    let rows = sampler.batch(epoch: epoch, step: number)
    let wasReadingAhead = readAhead.isOn
    let batch = try optimizer.phases.measure(.data) { try gather(rows, step: step) }
    if readAhead.isOn != wasReadingAhead {
      coordinator.say("note: the examples do not stay in memory, so each step reads those of the next one")
    }
    let mustStop = try wishesToStop() || coordinator.failure != nil
    let report = try optimizer.advance(parameters, on: batch, rate: rate, interrupt: mustStop)
    let operations = isRecorded ? communicator.endRecord() : nil
    step += 1
    if let average {
      // A signal in between would save the parameters of this step with the average until the one before.
      lastState.beginChange()
      optimizer.phases.measure(.update) { average.include(parameters, after: step) }
    }
    lastSeconds = (ContinuousClock.now - start) / .seconds(1)
    lastState.beginChange()
    observe(report)
    lastState.endChange(report.loss.isFinite ? currentState : nil)

    if isLogged {
      let cost = StepCost(
        seconds: (ContinuousClock.now - start) / .seconds(1), phases: optimizer.phases,
        traffic: communicator.statistics - before, operations: operations)
      coordinator.record(
        step: MetricsEvent.Step(step: step, epoch: epoch + 1, report, rate: rate, cost, elapsed: elapsed))
    }
    clock.add(optimizer.phases)
    let logging = configuration.logging
    if logging.ranksEvery > 0, step % logging.ranksEvery == 0 { try recordRanks(epoch: epoch) }
    if logging.tensorboard, logging.histogramsEvery > 0, step % logging.histogramsEvery == 0, report.loss.isFinite,
      let histograms = try MarginHistograms.gather(
        optimizer.margin, rows: batch.labels.count, over: share.classes?.rows ?? communicator)
    {
      coordinator.record(histograms, step: step)
    }
    return report
  }

  /// The learning rate of a step, counted from zero.
  private func rate(ofStep step: Int) -> Double {
    let optimizer = configuration.optimizer
    return optimizer.schedule.rate(step: step, of: totalSteps, peak: optimizer.learningRate) * backOff.rateFactor
  }

  /// Seconds since the run began in this process.
  package var elapsed: Double { (ContinuousClock.now - begin) / .seconds(1) }

  /// A batch with this rank's rows, normalised.
  func gather(_ rows: ArraySlice<Int>, step: Int) throws -> Batch<Scalar> {
    if let fullBatch { return fullBatch }
    let (own, labeled) = (partition.own(of: rows), labelPartition.own(of: rows))
    let batch = batch(
      of: labeled, inputs: try readAhead.read(own, step: step) { room.gather($1, of: $0, data.normalization) },
      distributions: try targetReader?.gather(labeled, step: step), globalSize: rows.count)
    if sampler.isFull { fullBatch = batch }
    return batch
  }

  /// Training examples with their labels or probabilities, and their weights.
  func batch<Number: DistributedScalar>(
    of rows: some Collection<Int>, inputs: Inputs<Number>, distributions: Matrix<Number>?, globalSize: Int
  ) -> Batch<Number> {
    Batch(
      inputs: inputs,
      targets: Targets(
        rows.map { data.train.labels[$0] }[...], smoothing: configuration.training.labelSmoothing,
        distributions: distributions),
      weights: data.weights.map { weights in Vector(rows.map { Number(weights.values[$0]) }) }, globalSize: globalSize)
  }
}
