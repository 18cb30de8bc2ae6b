import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

/// A search: trains the settings of a space, compares their models on the validation set, and trains the best setting.
///
/// Everything but times follows from the configuration, the data and the space, so that a search that is stopped or killed
/// goes on to the same choice. All ranks train a setting together, or groups of them several settings at the same time.
package final class Tuner {
  package enum Outcome: Sendable {
    case completed
    /// A signal asked for a stop; the trials until then are recorded, and those in work have checkpoints.
    case interrupted
  }

  package struct Options: Sendable {
    /// Chooses the strongest weight decay whose loss is within a standard error of the best loss.
    package var appliesOneStandardError = false
    /// How many settings are trained at the same time, at most: a divisor of the number of ranks.
    package var groups = 1
    /// Whether the chosen setting is trained on all rows.
    package var refits = true
    /// Where the probabilities go that models predict for the rows of the folds that they are not trained on.
    package var outOfFold: String?

    package init() {}
  }

  let directory: SearchDirectory
  let space: SearchSpace
  let schedule: Schedule
  let options: Options
  let context: SearchContext
  let data: SearchData
  var record: SearchRecord
  let table: SearchTable
  private let console: Console
  /// Those in use until now. Their communicators are freed in one order on all ranks.
  private var groups: [RankGroups] = []

  var communicator: Communicator { context.communicator }
  private let criterion: Configuration.TrainingOptions.Criterion

  package init(
    _ space: SearchSpace, _ data: SearchData, _ record: SearchRecord, in directory: SearchDirectory,
    _ options: Options, _ context: SearchContext
  ) {
    (self.space, self.record, self.directory, self.options, self.context) = (space, record, directory, options, context)
    self.data = data
    schedule = Schedule(rungs: record.request.rungs, extensions: record.request.extensions)
    let base = space.settings[0].configuration
    criterion = base.training.bestBy
    table = SearchTable(space, by: criterion)
    console = Console(
      context.communicator.isRoot ? base.logging.progress : .none, launched: context.communicator.size > 1)
  }

  /// Searches to the end, or until a signal asks any rank to stop. Collective.
  package func run() throws -> Outcome {
    try save(chosen: nil)
    var (settings, rung) = (space.ordered.filter { !$0.joinsLate || schedule.rungs == 1 }, 1)
    while true {
      if let title = schedule.title(of: rung), !settings.allSatisfy(\.reachesOptimum) {
        say("\(title): \(settings.count.counted("setting"))")
      }
      guard try train(settings, rung: rung) else { return .interrupted }
      settings.removeAll(where: \.reachesOptimum)
      var ranked = ranked(settings, rung: rung)
      if rung >= schedule.rungs {
        if rung == schedule.rungs + schedule.extensions { break }
        ranked = space.worthMore(ranked, rung: rung, record, by: criterion)
      }
      let count = schedule.survivors(of: settings.count, rung: rung)
      settings = space.promoted(ranked, count: count, to: schedule.stage(of: rung + 1)) { setting in
        record.results.contains {
          $0.trial.setting == setting.number && $0.trial.rung <= rung && $0.hasDiverged
        }
      }
      if settings.isEmpty { break }
      rung += 1
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
    let figure = SearchFigure(space, record, chosen: chosen.trial, by: criterion)
    try communicator.onRoot {
      if let svg = figure.svg { try AtomicFile.write(directory.figure) { try $0.write(svg) } }
    }
    let setting = space.settings[chosen.trial.setting - 1]
    say("chosen: \(setting.number)  \(table.text(setting))  \(table.text(chosen)), with \(chosen.stepsInAll) steps")
    let hasGoneOn = record.results.contains { $0.trial.setting == setting.number && $0.trial.rung > chosen.trial.rung }
    let sampler = setting.configuration.sampler(of: data.first.train)
    if !setting.reachesOptimum, setting.configuration.training.keep == .best, chosen.bestStep == chosen.steps,
      chosen.trial.rung >= schedule.rungs, !hasGoneOn, setting.configuration.training.evaluations(of: sampler) > 1
    {
      say(
        "note: its model is that of its last step, so that more steps may be better: raise training.epochs or --longer")
    }
    if let path = options.outOfFold {
      guard try writeOutOfFold(chosen.trial, to: path) else { return .interrupted }
    }
    return try finish(setting, chosen)
  }

  /// Whether an optimum is not asked for any more: with the weight decay before, it was worse than with the one before that.
  func isSkipped(_ setting: SearchSpace.Setting) -> Bool {
    guard setting.reachesOptimum, schedule.rungs > 1, data.folds == nil, let before = setting.warmStart,
      let start = space.settings[before - 1].warmStart
    else { return false }
    func cost(_ number: Int) -> Double? { record.result(of: Trial(setting: number, rung: 1))?.cost(by: criterion) }
    guard let first = cost(start), let last = cost(before) else { return true }
    return last > first
  }

  /// The trial of a setting in a rung, or in an earlier one that trains it for as many steps.
  func trial(of setting: SearchSpace.Setting, rung: Int) -> Trial {
    if setting.reachesOptimum { return Trial(setting: setting.number, rung: 1) }
    let first = schedule.firstRung(like: rung, of: steps(setting))
    return Trial(setting: setting.number, rung: setting.joinsLate ? max(first, schedule.rungs) : first)
  }

  /// The steps of a whole run of a setting, the same for all folds.
  func steps(_ setting: SearchSpace.Setting) -> Int {
    setting.configuration.training.steps(of: setting.configuration.sampler(of: data.first.train))
  }

  /// The settings of one rung that have not diverged, from the best to the worst; of equal ones that of the smaller loss first.
  private func ranked(_ settings: [SearchSpace.Setting], rung: Int) -> [SearchSpace.Setting] {
    let results = settings.map { record.result(of: trial(of: $0, rung: rung))! }
    func place(_ index: Int) -> (Double, Double, Int) {
      (results[index].cost(by: criterion), results[index].loss, settings[index].number)
    }
    return settings.indices.filter { !results[$0].hasDiverged }.sorted { place($0) < place($1) }.map { settings[$0] }
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

  /// Writes what is known. Collective.
  func save(chosen: Trial?) throws {
    try communicator.onRoot {
      try record.save(to: directory.record)
      let text = table.csv(record.results, chosen: chosen)
      try AtomicFile.write(directory.table) { try $0.write(text) }
    }
  }

  /// The ranks as so many groups. Collective.
  func groups(_ count: Int) throws -> RankGroups {
    if let known = groups.first(where: { $0.count == count }) { return known }
    groups.append(try RankGroups(count, of: communicator))
    return groups.last!
  }

  func say(_ line: String) {
    if communicator.isRoot { console.say(line) }
  }
}
