import GaussNewton
import LinearAlgebra
import MPI
import Networks

extension Configuration.TrainingOptions {
  /// When the optimum is reached; nil where a run ends with its steps.
  var optimum: OptimumOptions? {
    until == .optimum ? OptimumOptions(tolerance: tolerance, maxPasses: maxPasses) : nil
  }

  /// Keys of settings that differ from their defaults although a run that ends with its steps does not read them.
  package var unreadForOptimum: [String] {
    if until == .optimum { return [] }
    let standard = Self()
    return [
      tolerance != standard.tolerance ? "training.tolerance" : nil,
      maxPasses != standard.maxPasses ? "training.max_passes" : nil,
    ].compactMap { $0 }
  }
}

/// The steps on all rows that follow the steps on batches, where a run goes on to the optimum of its objective.
extension Trainer {
  /// The steps on batches that are done.
  var batchSteps: Int { step - (optimum?.steps ?? 0) }

  /// Takes steps on all rows until the optimum is reached, or cannot be. Returns how that ended; nil where a signal asks
  /// any rank to stop, and the steps until then are done. Collective.
  func reachOptimum(_ options: OptimumOptions) throws -> OptimumProgress.End? {
    if let end = optimum?.end(options) { return end }
    let begin = ContinuousClock.now
    optimizer.phases.reset()
    let newton = try makeNewton(options)
    guard newton.progress.objective.isFinite, newton.progress.gradientNorm.isFinite else {
      throw failure(Divergence(step: step, sign: "the objective of all rows is not finite"))
    }
    if optimum == nil {
      coordinator.say("optimum", "from step \(step) on, all \(data.train.count) rows are taken in each step")
    }
    optimum = newton.progress
    newton.willUpdate = { [lastState] in lastState.beginChange() }
    clock.add(optimizer.phases)
    var start = begin
    while true {
      if let end = optimum!.end(options) { return end }
      if newton.isInterrupted { return nil }
      coordinator.noteCheckpoints()
      optimizer.phases.reset()
      guard let report = try newton.advance() else {
        // Rank 0 may stop because it cannot write its metrics.
        try coordinator.settle()
        return nil
      }
      step += newton.progress.steps - optimum!.steps
      optimum = newton.progress
      // What is known now is saved also where no step was taken.
      savedStep = nil
      lastState.endChange(currentState)
      clock.add(optimizer.phases)
      record(report, since: start)
      start = .now
      if configuration.checkpoint.every > 0 || configuration.checkpoint.everyMinutes.isOn { try beginSave() }
    }
  }

  private func makeNewton(_ options: OptimumOptions) throws -> TruncatedNewton<Scalar> {
    let objective: FullObjective<Scalar> = try makeObjective()
    objective.wishesToStop = { [coordinator] in Preemption.requested != nil || coordinator.failure != nil }
    let rough: FullObjective<Float>? = Scalar.self == Float.self ? nil : try makeObjective()
    rough?.wishesToStop = objective.wishesToStop
    let initial = try communicator.collectively { try optimum == nil ? referenceParameters() : nil }
    return try TruncatedNewton(
      objective, rough: rough, parameters, initial: initial, resuming: optimum, options: options)
  }

  /// The parameters whose gradient is g₀.
  private func referenceParameters() throws -> Vector<Scalar> {
    network.hasSingleLayer
      ? Vector(zeros: parameters.count)
      : try configuration.model.initialParameters(of: network, seed: configuration.training.seed)
  }

  /// The objective of all rows, in any precision. Collective.
  private func makeObjective<Number: DistributedScalar>() throws -> FullObjective<Number> {
    let threads = try communicator.allreduce(Threads.count, .max)
    let blocks = RowBlocks(network, like: partition, rank: communicator.rank, threads: threads)
    let options = configuration.optimizer
    return FullObjective(
      network, trainingRows(capacity: blocks.rowsAtATime(network)), in: blocks,
      weightDecay: (options.weightDecay, options.decayBiases), phases: optimizer.phases, communicator: communicator)
  }

  /// The rows of the training set, normalised, at most `capacity` at a time.
  private func trainingRows<Number: DistributedScalar>(capacity: Int) -> TrainingRows<Number> {
    let room = InputRoom<Number>(network, capacity: capacity)
    let probabilities = data.train.probabilities
    let targetRoom = probabilities.map { Matrix<Number>(zeros: capacity, $0.classCount) }
    return TrainingRows(count: data.train.count) { [self] rows, globalSize in
      if data.exceedsMemory, let last = rows.last {
        data.train.features.matrix?.prefetch(last + 1..<min(last + 1 + capacity, data.train.count))
      }
      let distributions = targetRoom?[rows: 0..<rows.count]
      if let distributions { probabilities!.gather(rows: rows, into: distributions) }
      return batch(
        of: rows, inputs: room.gather(rows, of: data.train.features, data.normalization), distributions: distributions,
        globalSize: globalSize)
    }
  }

  /// The progress with f and ‖∇f‖ of the parameters in float64, whose digits a person may rely on. Collective.
  private func exactProgress() throws -> OptimumProgress {
    var progress = optimum!
    if Scalar.self == Double.self { return progress }
    let objective: FullObjective<Double> = try makeObjective()
    let wide = Vector<Double>(zeros: parameters.count)
    wide.assign(widening: parameters)
    let gradient = Vector<Double>(zeros: parameters.count)
    progress.objective = try objective.evaluate(at: wide, gradient: gradient).objective
    progress.gradientNorm = gradient.norm
    return progress
  }

  private func record(_ report: TruncatedNewton<Scalar>.Report, since start: ContinuousClock.Instant) {
    let progress = optimum!
    coordinator.record(
      fullStep: MetricsEvent.FullStep(
        step: step, objective: progress.objective, loss: progress.loss, gradientNorm: progress.gradientNorm,
        gradientRatio: progress.gradientRatio, stepNorm: report.stepNorm, stepLength: report.stepLength,
        expectedDecrease: report.expectedDecrease, remainingDecrease: progress.remainingDecrease ?? 0,
        decrease: report.decrease,
        solverIterations: report.solver.iterations, residual: report.solver.residual,
        termination: report.solver.termination.rawValue, passes: progress.passes,
        seconds: (ContinuousClock.now - start) / .seconds(1), elapsed: elapsed,
        phases: Dictionary(
          uniqueKeysWithValues: optimizer.phases.summary.map { ($0.phase.rawValue, $0.seconds) })))
    coordinator.show(
      "optimum  step \(step)  objective \(progress.objective.short)  ‖g‖/‖g₀‖ \(progress.gradientRatio.short)"
        + "  solver \(report.solver.iterations)  passes \(progress.passes)")
  }

  /// Says how the way to the optimum ended. Collective.
  func report(_ end: OptimumProgress.End) throws {
    let progress = try exactProgress()
    let figures =
      "objective \(progress.objective.nineDigits), ‖g‖/‖g₀‖ \(progress.gradientRatio.short), "
      + "\(progress.passes) full \(progress.passes == 1 ? "pass" : "passes")"
    let training = configuration.training
    switch end {
    case .converged: coordinator.say("converged: \(figures)")
    case .rounded:
      coordinator.say(
        "converged: \(figures); the gradient is as small as rounding in \(training.precision.rawValue) lets it become, "
          + "though not \(training.tolerance.short)")
    case .stalled:
      coordinator.say(
        "not converged: \(figures); rounding in \(training.precision.rawValue) hides the way"
          + (training.precision == .float32 ? ": set training.precision to float64" : ""))
    case .vanished:
      coordinator.say(
        "not converged: \(figures); the loss has no minimum but goes to zero: set optimizer.weight_decay")
    case .exhausted:
      coordinator.say(
        "not converged: \(figures), as training.max_passes allows; raise it and go on with --resume"
          + (configuration.optimizer.weightDecay == 0
            ? ", or set optimizer.weight_decay: without it there may be no optimum" : ""))
    }
  }
}

extension OptimumProgress.End {
  /// The reason for the end of a run in `metrics.jsonl`.
  var reason: String {
    switch self {
    case .converged, .rounded: "converged"
    case .stalled, .vanished, .exhausted: "unconverged"
    }
  }
}
