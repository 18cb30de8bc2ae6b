import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

/// A search: trains the settings of a space, compares their models on the validation set, and trains the best setting.
///
/// Everything but times follows from the configuration, the data and the space, so that a search that is stopped or killed
/// goes on to the same choice. All ranks take part in each run.
package final class Tuner {
  package enum Outcome: Sendable {
    case completed
    /// A signal asked for a stop; the trials until then are recorded, and the one in work has a checkpoint.
    case interrupted
  }

  package struct Options: Sendable {
    /// Chooses the strongest weight decay whose loss is within a standard error of the best loss.
    package var appliesOneStandardError = false
    /// Whether the chosen setting is trained on all rows.
    package var refits = true

    package init() {}
  }

  private let directory: SearchDirectory
  private let space: SearchSpace
  private let schedule: Schedule
  private let options: Options
  private let context: SearchContext
  /// The examples, without a test set: nothing is chosen by it.
  private let data: TrainingData
  private let test: Dataset?
  private var record: SearchRecord
  private let table: SearchTable
  private let console: Console
  private let start = ContinuousClock.now

  private var communicator: Communicator { context.communicator }
  private let criterion: Configuration.TrainingOptions.Criterion

  package init(
    _ space: SearchSpace, _ data: TrainingData, _ record: SearchRecord, in directory: SearchDirectory,
    _ options: Options,
    _ context: SearchContext
  ) {
    (self.space, self.record, self.directory, self.options, self.context) = (space, record, directory, options, context)
    schedule = Schedule(rungs: record.request.rungs)
    test = data.test
    self.data = data.withoutTest
    let base = space.settings[0].configuration
    criterion = base.training.bestBy
    table = SearchTable(space, by: criterion)
    console = Console(
      context.communicator.isRoot ? base.logging.progress : .none, launched: context.communicator.size > 1)
  }

  /// Searches to the end, or until a signal asks any rank to stop. Collective.
  package func run() throws -> Outcome {
    var settings = space.ordered
    for rung in 1...schedule.rungs {
      if schedule.rungs > 1 { say("rung \(rung) of \(schedule.rungs): \(settings.count.counted("setting"))") }
      for setting in settings {
        let trial = Trial(setting: setting.number, rung: rung)
        if record.result(of: trial) == nil {
          guard let result = try train(setting, trial) else { return .interrupted }
          record.add(result)
          try save(chosen: nil)
        }
        try communicator.onRoot { try directory.trial(trial).checkpoints.removeAll() }
        let result = record.result(of: trial)!
        say(
          "\(setting.number)/\(space.settings.count)  \(table.text(setting))  \(table.text(result))  \(result.seconds.short) s"
        )
        if try isStopped() { return .interrupted }
      }
      if rung < schedule.rungs {
        let best = Array(ranked(settings, rung: rung).prefix(schedule.survivors(of: settings.count))).map(\.number)
        settings = settings.filter { best.contains($0.number) }
      }
    }
    for line in table.methods(record) { say(line) }
    // Any trial's model may be the best: more steps are not always better on other rows.
    guard let best = record.best(by: criterion) else {
      throw CollectiveFailure(
        ConfigurationError(
          source: directory.run.path,
          "all settings diverged; try lower values of optimizer.learning_rate or larger ones of optimizer.damping.initial",
          exitCode: 70))
    }
    let chosen = options.appliesOneStandardError ? simplest(within: best) : best
    try save(chosen: chosen.trial)
    let setting = space.settings[chosen.trial.setting - 1]
    say("chosen: \(setting.number)  \(table.text(setting))  \(table.text(chosen)), with \(chosen.stepsInAll) steps")
    return try finish(setting, chosen)
  }

  /// The settings of one rung, from the best to the worst; of equal ones, the first.
  private func ranked(_ settings: [SearchSpace.Setting], rung: Int) -> [SearchSpace.Setting] {
    let costs = settings.map { record.result(of: Trial(setting: $0.number, rung: rung))!.cost(by: criterion) }
    return settings.indices.sorted { (costs[$0], settings[$0].number) < (costs[$1], settings[$1].number) }
      .map { settings[$0] }
  }

  /// The trial with the strongest weight decay whose loss is at most a standard error above the best one (Breiman et al.,
  /// "Classification and regression trees", 1984).
  private func simplest(within best: TrialResult) -> TrialResult {
    func decay(_ result: TrialResult) -> Double {
      space.settings[result.trial.setting - 1].configuration.optimizer.weightDecay
    }
    let near = record.results.filter { !$0.hasDiverged && $0.loss <= best.loss + best.lossError }
    let strongest = near.map(decay).max()!
    return near.filter { decay($0) == strongest }.min { ($0.loss, $0.trial.setting) < ($1.loss, $1.trial.setting) }!
  }

  /// Trains a setting in a rung; nil if a signal asked for a stop. Collective.
  private func train(_ setting: SearchSpace.Setting, _ trial: Trial) throws -> TrialResult? {
    let start = setting.warmStart.flatMap { record.result(of: Trial(setting: $0, rung: trial.rung)) }
    let warm = start.flatMap { $0.hasDiverged ? nil : $0 }
    var configuration = setting.configuration
    let total = configuration.training.steps(of: configuration.sampler(of: data.train))
    let steps = schedule.steps(rung: trial.rung, of: total, isWarm: warm != nil)
    configuration.training.steps = steps
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
    let label = "\(setting.number)/\(space.settings.count)  \(table.text(setting))  "
    let run = TrialRun(
      configuration: configuration, directory: directory.trial(trial), context: context, label: label)
    switch try run.train(data) {
    case .interrupted: return nil
    case .diverged(let seconds): result.seconds = seconds
    case .completed(let score, let bestStep, let seconds):
      let score = score!
      (result.bestStep, result.seconds) = (bestStep, seconds)
      result.stepsInAll += bestStep
      (result.loss, result.lossError) = (score.loss, score.lossError)
      (result.accuracy, result.balancedAccuracy) = (score.accuracy, score.balancedAccuracy)
    }
    // Ranks may differ by their clocks.
    result.seconds = try communicator.allreduce(result.seconds, .max)
    return result
  }

  /// Trains the chosen setting on all rows, or takes its model. Collective.
  private func finish(_ chosen: SearchSpace.Setting, _ result: TrialResult) throws -> Outcome {
    if result.stepsInAll == 0 { say("note: no setting has a better model than the one that all begin with") }
    guard options.refits, chosen.configuration.data.validation.fraction != nil, result.stepsInAll > 0 else {
      try take(result)
      return .completed
    }
    var configuration = chosen.configuration
    configuration.data.validation = .init()
    configuration.training.keep = .last
    configuration.training.patience = nil
    let all = try TrainingData.load(configuration, over: communicator)
    let batches = configuration.sampler(of: all.train).batchesPerEpoch
    let known = configuration.sampler(of: data.train).batchesPerEpoch
    // As many passes over the rows as led to the chosen model.
    let steps = max(1, (result.stepsInAll * batches + known / 2) / known)
    configuration.training.steps = steps
    say("refit: \(steps) steps on all \(all.train.count) rows")
    let run = TrialRun(configuration: configuration, directory: directory.run, context: context)
    if case .interrupted = try run.train(all) { return .interrupted }
    return .completed
  }

  /// Takes the model of a trial as that of the search, and scores it on the test set. Collective.
  private func take(_ result: TrialResult) throws {
    let trial = directory.trial(result.trial)
    let (file, path) = (trial.model, directory.run.model)
    try communicator.onRoot {
      let model = try Safetensors.load(path: file)
      try Safetensors.save(model, to: path)
      try AtomicFile.write(directory.run.configuration) { try $0.write(ModelFile(model).configuration.yaml) }
    }
    if let test {
      let model = try communicator.collectively { try ModelFile(Safetensors.load(path: path)) }
      let score =
        model.configuration.training.precision == .float32
        ? try scored(model, on: test, Float.self) : try scored(model, on: test, Double.self)
      say("test  \(score)")
    }
    say("model saved to \(path)")
  }

  private func scored<Scalar: DistributedScalar>(_ model: ModelFile, on test: Dataset, _: Scalar.Type) throws
    -> Evaluation
  {
    let parameters: Vector<Scalar> = try communicator.collectively {
      try ModelFile.parameters(of: model.network, in: model.contents)
    }
    return try Evaluator(model.network, communicator: communicator)
      .evaluate(parameters, on: test, named: "the test set", normalization: model.normalization)
  }

  /// Writes what is known. Collective.
  private func save(chosen: Trial?) throws {
    try communicator.onRoot {
      try record.save(to: directory.record)
      let text = table.csv(record.results, chosen: chosen)
      try AtomicFile.write(directory.table) { try $0.write(text) }
    }
  }

  /// Whether a signal asks any rank to stop. Collective.
  private func isStopped() throws -> Bool {
    try communicator.allreduce(Preemption.requested == nil ? 0 : 1, .max) > 0
  }

  private func say(_ line: String) {
    if communicator.isRoot { console.say(line) }
  }
}
