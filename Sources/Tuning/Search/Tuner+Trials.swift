import Foundation
import MPI
import Training

/// The trials of a rung.
extension Tuner {
  /// Trains settings in a rung, fold by fold and wave by wave; false if a signal asked for a stop. Collective.
  func train(_ settings: [SearchSpace.Setting], rung: Int) throws -> Bool {
    // What an earlier rung has trained as long is not trained again.
    let own = settings.filter { trial(of: $0, rung: rung).rung == rung }
    let folds: [Int?] = data.folds.map { Array(1...$0) } ?? [nil]
    for fold in folds {
      // A setting that has diverged on an earlier fold is out. Nothing else that is recorded changes the waves, so that a search
      // that goes on trains each setting by as many ranks.
      func isOut(_ setting: SearchSpace.Setting) -> Bool {
        record.parts(of: trial(of: setting, rung: rung)).contains { $0.hasDiverged && $0.trial.fold! < fold! }
      }
      let out = own.filter(isOut)
      let left = own.filter { !isOut($0) }
      for wave in Wave.waves(
        of: left.filter { !$0.reachesOptimum }, upTo: options.groups, ranks: communicator.size)
      {
        let trials = wave.settings.map { trial(of: $0, rung: rung).holdingOut(fold) }
        guard try train(wave: trials) else { return false }
      }
      // Optima begin with each other's models.
      for setting in left where setting.reachesOptimum && !isSkipped(setting) {
        guard try train(wave: [trial(of: setting, rung: rung).holdingOut(fold)]) else { return false }
      }
      if fold != nil, fold == data.folds { try conclude(out.map { trial(of: $0, rung: rung).holdingOut(fold) }) }
    }
    return true
  }

  /// Trains a wave, except for what is recorded; false if a signal asked for a stop. Collective.
  private func train(wave: [Trial]) throws -> Bool {
    var failure: CollectiveFailure?
    if wave.count == 1 {
      if record.result(of: wave[0]) == nil { try train(wave[0]).map { record.add($0) } }
    } else if wave.contains(where: { record.result(of: $0) == nil }) {
      let outcomes = try trainSideBySide(wave)
      for result in outcomes.results { record.add(result) }
      failure = outcomes.failure
    }
    let known = wave.filter { record.result(of: $0) != nil }
    if !known.isEmpty { try conclude(known) }
    if let failure { throw failure }
    return try known.count == wave.count && !isStopped()
  }

  /// Trains several settings at the same time; those that are recorded not again. Collective.
  ///
  /// - Returns: the results of those that have come to their end, and the first error.
  private func trainSideBySide(_ wave: [Trial]) throws -> (results: [TrialResult], failure: CollectiveFailure?) {
    let groups = try groups(wave.count)
    // What groups have in common is prepared by all ranks.
    let examples = try data.data(holdingOut: wave[0].fold)
    let share = try HostMemory.share(resident: examples.residentSize, over: communicator)
    let outcomes = try groups.workSideBySide(asksToStop: { Preemption.requested != nil }) { shouldStop in
      let trial = wave[groups.number]
      guard record.result(of: trial) == nil else { return [] }
      let context = context.inGroup(groups.own, share: share, wishesToStop: shouldStop)
      let result = try train(trial, from: nil, examples, in: context)
      return try result.map { Array(try SearchRecord.encoder.encode($0)) } ?? []
    }
    let results = try outcomes.values.compactMap(\.self).filter { !$0.isEmpty }
      .map { try SearchRecord.decoder.decode(TrialResult.self, from: Data($0)) }
    return (results, outcomes.failure)
  }

  /// Saves and announces what trials have come to, behind the last fold also what all folds of a setting have. Collective.
  private func conclude(_ trials: [Trial]) throws {
    let classes = data.sets.classSizes.count { $0 > 0 }
    for trial in trials where trial.fold != nil && trial.fold == data.folds {
      let whole = trial.holdingOut(nil)
      if record.result(of: whole) == nil {
        record.add(TrialResult(whole, pooling: record.parts(of: whole), classes: classes))
      }
    }
    try save(chosen: nil)
    try communicator.onRoot { for trial in trials { try directory.trial(trial).checkpoints.removeAll() } }
    for trial in trials { announce(trial) }
  }

  /// Says what a setting has come to on a fold, and behind the last one on all of them.
  private func announce(_ trial: Trial) {
    var trials = [trial]
    if trial.fold != nil, trial.fold == data.folds { trials.append(trial.holdingOut(nil)) }
    for trial in trials {
      guard let result = record.result(of: trial) else { continue }
      say("\(heading(trial))\(table.text(result))  \(result.seconds.short) s")
    }
  }

  /// What lines on a trial begin with.
  private func heading(_ trial: Trial) -> String {
    "\(trial.setting)/\(space.settings.count)  \(table.text(space.settings[trial.setting - 1]))  "
      + (trial.fold.map { "fold \($0)/\(data.folds!)  " } ?? "")
  }

  /// Trains a setting in a rung on all ranks; nil if a signal asked for a stop. Collective.
  func train(_ trial: Trial) throws -> TrialResult? {
    let start = space.settings[trial.setting - 1].warmStart.flatMap {
      record.result(of: Trial(setting: $0, rung: trial.rung, fold: trial.fold))
    }
    let warm = start.flatMap { $0.hasDiverged ? nil : $0 }
    if let warm { guard try restoreModel(of: warm.trial) else { return nil } }
    return try train(trial, from: warm, data.data(holdingOut: trial.fold), in: context)
  }

  /// Trains a setting in a rung, from the model of another trial if there is one; nil if a signal asked for a stop. Collective for
  /// the ranks of the context.
  private func train(
    _ trial: Trial, from warm: TrialResult?, _ examples: TrainingData, in context: SearchContext
  ) throws -> TrialResult? {
    let setting = space.settings[trial.setting - 1]
    var configuration = setting.configuration
    if let fold = trial.fold { configuration = data.holdingOut(fold, in: configuration) }
    let total = self.steps(setting)
    var steps = schedule.steps(rung: trial.rung, of: total, isWarm: warm != nil)
    if setting.reachesOptimum {
      steps = warm == nil ? setting.configuration.stepsBeforeOptimum(of: data.first.train) : 1
      configuration.training.keep = .last
    }
    configuration.training.steps = steps
    // A setting that backs off would be judged by another rate than its own.
    configuration.training.onDivergence.kind = .stop
    if let warm {
      configuration.model.initialization = directory.trial(warm.trial).model
      // What is nearly there goes on as a run ends: at the rate of the last steps.
      let optimizer = configuration.optimizer
      configuration.optimizer.learningRate = optimizer.schedule.rate(
        step: total - steps, of: total, peak: optimizer.learningRate)
    }
    var result = TrialResult(
      trial: trial, steps: steps, bestStep: nil, stepsInAll: warm?.stepsInAll ?? 0, loss: .infinity, lossError: 0,
      accuracy: 0, balancedAccuracy: 0, seconds: 0)
    let run = TrialRun(
      configuration: configuration, directory: directory.trial(trial), context: context,
      display: context.share == nil ? .progress(label: heading(trial)) : .nothing,
      endsAfterRises: risesToEnd(trial, configuration))
    switch try run.train(examples) {
    case .interrupted: return nil
    case .diverged(let seconds): result.seconds = seconds
    case .completed(let score, let bestStep, let seconds):
      let (score, classes) = score!
      (result.bestStep, result.seconds) = (bestStep, seconds)
      if setting.reachesOptimum { result.steps = bestStep }
      result.stepsInAll += bestStep
      (result.loss, result.lossError) = (score.loss, score.lossError)
      (result.accuracy, result.balancedAccuracy) = (score.accuracy, score.balancedAccuracy)
      if trial.fold != nil {
        result.share = FoldShare(examples: score.examples, hits: classes[.hits], of: data.sets.classSizes)
      }
    }
    // Ranks may differ by their clocks.
    result.seconds = try context.communicator.allreduce(result.seconds, .max)
    return result
  }

  /// How many evaluations in a row that are worse than the one before each end a trial of a longer rung: the loss of a linear head
  /// that goes on rising has had its minimum. nil for other trials.
  private func risesToEnd(_ trial: Trial, _ configuration: Configuration) -> Int? {
    let training = configuration.training
    guard schedule.stage(of: trial.rung) == .longer, !configuration.model.hasHiddenParameters,
      training.bestBy == .loss, training.keep == .best, training.patience == nil, training.average.kind == .none
    else { return nil }
    return max(3, training.evaluations(of: configuration.sampler(of: data.first.train)) / 6)
  }

  /// Whether a signal asks any rank to stop. Collective.
  private func isStopped() throws -> Bool {
    try communicator.allreduce(Preemption.requested == nil ? 0 : 1, .max) > 0
  }
}
