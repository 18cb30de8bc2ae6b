import ArgumentParser
import Datasets
import Foundation
import LinearAlgebra
import MPI
import Training
import Tuning

struct Tune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train many settings, and choose the best model by a validation set.",
    discussion: """
      fgn-dist tune config.yaml --over optimizer.weight_decay=1e-6:1e-2:9 --over optimizer.damping.initial=0.1,1

      Each --over gives a key and its values: a list, or LOW:HIGH:COUNT for values at equal ratios. All combinations are \
      tried; without --over, Fast Gauss-Newton and Adam with some values each. What the scores come from is \
      data.validation of the configuration, or a tenth of the training set, or with --folds or few examples all of it in turn, and \
      what they are, training.best_by.
      """)

  @Argument(help: "Configuration file (YAML).")
  var config: String

  @Option(help: ArgumentHelp("A key and the values to try. Repeatable.", valueName: "key=values"))
  var over: [String] = []

  @Option(
    name: .customLong("set"), help: "Override a setting of all runs, such as optimizer.batch_size=256. Repeatable.")
  var overrides: [String] = []

  @Option(help: "Folder for the results, the runs and the model. (default: runs/NAME, for a configuration NAME.yaml)")
  var runDirectory: String?

  @Flag(help: "Go on with the search of the run directory.")
  var resume = false

  @Option(
    help: """
      Train all settings for a part of their steps, the best third for three times as many, and so on to all steps; 1: train \
      all settings to the end. Those that go on to an optimum do not count. (default: 1 for up to 3 settings or with --path, 2 \
      for up to 8, else 3)
      """)
  var rungs: Int?

  @Option(
    help: """
      After the last rung, up to so many more that train a setting three times as long, while one promises to become 3 % better than \
      the best one. (default: 2 without --over, --rungs and --path, else 0)
      """)
  var longer: Int?

  @Flag(
    help: """
      For weight decays of a linear head: train the strongest one to the end, and each of the others for a seventh of the steps \
      from the model of the one before. Cheaper, and less far for weak weight decays.
      """)
  var path = false

  @Flag(
    help: "Choose the strongest weight decay whose validation loss is within a standard error of the best one.")
  var oneStandardError = false

  @Option(
    help: """
      Cross-validation: cut the training set into 2 to 20 parts, train each setting once without each of them, and score it on \
      all rows. (default: 5 for fewer than 5000 examples without a validation set)
      """)
  var folds: Int?

  @Option(
    help: "With folds, an NPY file for the probabilities of each row by the model that was not trained on it.")
  var outOfFold: String?

  @Option(
    help: """
      Train up to so many settings at the same time, each by a group of the ranks of mpirun; 1: all ranks train one setting after \
      the other. (default: as many as there are ranks, if they are on one host that has the memory)
      """)
  var groups: Int?

  @Flag(
    inversion: .prefixedNo,
    help: "Train the chosen setting on all rows, those of data.validation.fraction too; else its model is the result.")
  var refit = true

  func validate() throws {
    if let rungs, !(1...5).contains(rungs) { throw ValidationError("--rungs takes 1 to 5, not \(rungs)") }
    if path, let rungs, rungs > 1 {
      throw ValidationError("--rungs \(rungs) does not go with --path; leave one of them out")
    }
    if let longer {
      guard (0...4).contains(longer) else { throw ValidationError("--longer takes 0 to 4, not \(longer)") }
      if path, longer > 0 {
        throw ValidationError("--longer \(longer) does not go with --path; leave one of them out")
      }
    }
    if let groups {
      guard groups > 0 else { throw ValidationError("--groups takes 1 or more, not \(groups)") }
      if path, groups > 1 {
        throw ValidationError("--groups \(groups) does not go with --path; leave one of them out")
      }
    }
    if let folds {
      guard Fold.counts.contains(folds) else { throw ValidationError("--folds takes 2 to 20, not \(folds)") }
      guard refit else {
        throw ValidationError(
          "--no-refit does not go with --folds, which leave no model of their own; leave one of them out")
      }
    }
    if let outOfFold {
      guard PredictionFile.Format(outOfFold) == .npy else {
        throw ValidationError("--out-of-fold \(outOfFold) must end in .npy")
      }
    }
  }

  func run() throws {
    try Job.run { job in
      let communicator = job.communicator
      let axes = try communicator.collectively { try over.map(SearchAxis.init) }
      var (base, overrides, hasOwnValidation) = try communicator.collectively { try loadBase(self.folds) }
      try communicator.agree(Array(over.joined(separator: " ").utf8), about: "--over", exitCode: 64)
      try communicator.collectively { try checkOutOfFold(base) }
      let sets = try job.loadSets(base)
      let folds = self.folds ?? (hasOwnValidation || !refit ? nil : Fold.count(forClasses: sets.classSizes))
      if let outOfFold, folds == nil {
        throw CollectiveFailure(
          ConfigurationError(
            source: "--out-of-fold \(outOfFold)", "goes with --folds; give it, or leave it out"))
      }
      if folds != self.folds {
        (base, overrides, hasOwnValidation) = try communicator.collectively { try loadBase(folds) }
      }
      let examples = try SearchData(base, sets, over: communicator)
      let data = examples.first
      let space = try communicator.collectively { try makeSpace(axes, data, overrides) }
      let rungs = try communicator.collectively { try chooseRungs(space) }
      let groups = try GroupChoice(groups, for: space, data, over: communicator)
      let checksums = [data.checksum, data.validationChecksum].compactMap { $0.map { String($0, radix: 16) } }
      var request = SearchRecord.Request(
        configuration: base.yaml, grids: space.grids, isPath: path, rungs: rungs, data: checksums.joined(separator: " ")
      )
      (request.refits, request.folds, request.extensions) = (refit, folds, extensions)
      try communicator.onRoot { if let outOfFold { try OutOfFoldFile.check(outOfFold) } }
      let begun = try communicator.onRoot { try begin(communicator.hostname) }
      defer { extendLifetime(begun) }
      let directory = SearchDirectory(RunDirectory(path: try communicator.broadcast(begun?.directory.path ?? "")))
      let record = try communicator.collectively {
        let record = try SearchRecord.load(directory.record) ?? SearchRecord(request)
        try record.check(request, in: directory)
        return record
      }
      try communicator.collectively { try checkFolder(directory.run, groups.count) }
      var options = Tuner.Options()
      (options.appliesOneStandardError, options.refits, options.outOfFold) = (oneStandardError, refit, outOfFold)
      options.groups = groups.count
      if communicator.isRoot {
        let console = Console(base.logging.progress, launched: communicator.size > 1)
        console.say("fgn-dist \(FgnDist.version)")
        console.say(
          "search: " + space.settings.count.counted("setting")
            + (space.keys.isEmpty ? "; " : " of \(space.keys.joined(separator: ", ")); ")
            + summary(of: data, folds, hasOwnValidation))
        if space.isPath {
          console.say("path: weight decays from strong to weak, each from the model of the one before")
        }
        if let note = examples.note { console.say(note) }
        if let text = summary(of: groups, ranks: communicator.size) { console.say("groups: \(text)") }
        console.say("run: \(directory.run.path)")
      }
      let tuner = Tuner(
        space, examples, record, in: directory, options,
        SearchContext(communicator, version: FgnDist.version, library: job.library))
      switch try tuner.run() {
      case .completed: return .success
      case .interrupted:
        job.say("stopped by a signal; go on with --resume --run-directory \(directory.run.path)")
        return ExitCode(75)
      }
    }
  }

  /// How many longer rungs may follow.
  private var extensions: Int { longer ?? (over.isEmpty && rungs == nil && !path ? 2 : 0) }

  /// What all settings share, with a validation set, the overrides for that, and whether it is the configuration's own.
  private func loadBase(_ folds: Int?) throws -> (Configuration, overrides: [String], hasOwnValidation: Bool) {
    let own = Result { try Configuration.load(path: config, overrides: overrides) }
    if let mirror = try? own.get().checkpoint.mirror {
      throw ConfigurationError(
        key: "checkpoint.mirror", "\(mirror) is for train alone; add --set checkpoint.mirror=null to a search")
    }
    let added = overrides + [folds.map { "data.validation.fold=1/\($0)" } ?? "data.validation.fraction=0.1"]
    switch own {
    case .success(let base) where base.data.validation.isGiven:
      if let folds {
        throw ConfigurationError(
          source: "--folds \(folds)",
          "does not go with data.validation, since it holds out each row once; leave one of them out")
      }
      return (base, overrides, true)
    case .success:
      return (try Configuration.load(path: config, overrides: added), added, false)
    case .failure(let error):
      // What is wrong may be that there is no validation set, such as for training.patience.
      guard let base = try? Configuration.load(path: config, overrides: added) else { throw error }
      return (base, added, false)
    }
  }

  /// The settings of --over, or those of a search that names none.
  private func makeSpace(_ axes: [SearchAxis], _ data: TrainingData, _ overrides: [String]) throws -> SearchSpace {
    var (grids, common) = ([axes], Int?.none)
    if axes.isEmpty {
      let base = try Configuration.load(path: config, overrides: overrides + ["optimizer.method=fgn"])
        .resolved(for: data.facts)
      grids = try DefaultGrid.keeping(self.overrides, in: DefaultGrid.grids(base, for: data))
      if !DefaultGrid.seekOptima(grids) { common = DefaultGrid.epochs(base, for: data, grows: extensions > 0) }
    }
    return try SearchSpace(grids, isPath: path) { tried in
      var setting = try Configuration.load(path: config, overrides: overrides, tried: tried).resolved(for: data.facts)
      if setting.training.until == .steps, common != nil || setting.model.hasHiddenParameters {
        setting.training.$epochs.choose(common ?? DefaultGrid.epochs(setting, for: data))
      }
      return setting
    }
  }

  /// Throws exit code 64 for a file of --out-of-fold that is an input.
  private func checkOutOfFold(_ base: Configuration) throws {
    guard let outOfFold else { return }
    let sources = [base.data.train, base.data.test]
    let lists = sources.flatMap { [$0.features, $0.labels, $0.weights] }.compactMap { $0 }
    let inputs = [config] + lists.flatMap { (try? $0.paths()) ?? $0.entries }
    do { try checkOutputs([outOfFold], inputs: inputs) } catch {
      throw ConfigurationError(source: "--out-of-fold \(outOfFold)", "is a file that the search reads; name another")
    }
  }

  /// The examples of a search, for people.
  private func summary(of data: TrainingData, _ folds: Int?, _ hasOwnValidation: Bool) -> String {
    let validation = data.validation!.count
    if let folds { return "\(folds) folds of \(data.train.count + validation) examples" }
    return "\(data.train.count) training examples, \(validation) validation examples"
      + (hasOwnValidation ? "" : ", a tenth of the training set")
  }

  /// How the ranks share the settings, for people; nil for one rank.
  private func summary(of groups: GroupChoice, ranks: Int) -> String? {
    if ranks == 1 { return nil }
    if groups.count > 1 {
      return "up to \(groups.count) settings at the same time, each by "
        + "\((ranks / groups.count).counted("rank")) or more"
    }
    return "all \(ranks) ranks train one setting after the other" + (groups.reason.map { ", since \($0)" } ?? "")
  }

  /// Throws exit code 64 where a rank that is to write runs does not see their folder.
  private func checkFolder(_ directory: RunDirectory, _ groups: Int) throws {
    guard groups > 1, !FileManager.default.fileExists(atPath: directory.lock) else { return }
    throw ConfigurationError(
      source: directory.path,
      "is not there on this host, whose ranks are to write runs of their own; give a --run-directory that all hosts share, or "
        + "--groups 1")
  }

  private func chooseRungs(_ space: SearchSpace) throws -> Int {
    if oneStandardError, !space.keys.contains("optimizer.weight_decay") {
      throw ConfigurationError(
        source: "--one-standard-error", "needs --over optimizer.weight_decay=…, of which it takes the strongest")
    }
    if space.isPath { return 1 }
    // Optima need no rungs; with two, those behind the best one are left out.
    let count = space.settings.count { !$0.reachesOptimum && !$0.joinsLate }
    return rungs ?? (count == 0 ? 2 : Schedule.rungs(settings: count))
  }

  /// The folder of the search and its lock. On rank 0.
  private func begin(_ hostname: String) throws -> (directory: RunDirectory, lock: RunLock) {
    let named = runDirectory.map { RunDirectory(path: $0) }
    guard resume else {
      if let named { return (named, try named.begin(resuming: false, hostname: hostname)) }
      return try RunDirectory.begin(for: config, hostname: hostname)
    }
    let directory = named ?? .newest(for: config)
    guard directory.isSearched || !directory.hasTrials else {
      throw ConfigurationError(
        source: directory.path,
        "has the trials of a search, and its record tune.json is missing; restore it, or search anew in another --run-directory"
      )
    }
    guard directory.isSearched || !directory.isUsed else {
      throw ConfigurationError(
        source: directory.path,
        "holds a run of train; go on with fgn-dist train --resume, or choose another --run-directory")
    }
    try directory.create(resuming: true)
    return (directory, try RunLock(directory, hostname: hostname))
  }
}
