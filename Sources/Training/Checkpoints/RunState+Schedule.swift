import Datasets

extension RunState {
  /// Whether no step is left. The model then is that of the checkpoint, whatever is asked for now.
  package func isDone(_ data: TrainingData) -> Bool {
    if let options = configuration.training.optimum { return progress.optimum?.end(options) != nil }
    return isOutOfPatience || progress.step == configuration.training.steps(of: configuration.sampler(of: data.train))
  }

  /// Whether the run has ended for want of better evaluations.
  private var isOutOfPatience: Bool { progress.selection?.exhausts(configuration.training.patience) ?? false }

  /// Throws exit code 64 if the run in `directory`, which ends with this checkpoint now, has gone on behind it.
  package func checkNewest(in directory: RunDirectory) throws {
    guard let newest = try directory.checkpoints.latest(), newest.step > progress.step else { return }
    let end =
      isOutOfPatience
      ? "evaluations ended the run at step \(progress.step), with \(contents.path), and it"
      : "make no step behind the \(progress.step) of \(contents.path), and the run"
    throw ConfigurationError(
      key: lengthKey,
      "\(length) \(end) has gone on to \(newest.path); raise it, or use the checkpoint as a model: it is one")
  }

  /// What a run without a step to take does, for the user.
  package var noteOnDone: String {
    let inForce = [
      "training.peer_timeout", "training.stall_timeout", "training.evaluate_every", "training.evaluate_every_steps",
      isOutOfPatience ? "training.patience" : "",
    ]
    let unused = differences.filter { key, _, _ in
      ["model.", "optimizer.", "training."].contains(where: key.hasPrefix) && !inForce.contains(key)
        && (!key.hasPrefix("optimizer.") || configuration.optimizer.reads(key))
    }
    let list = Self.list(unused)
    let end =
      isOutOfPatience
      ? "the run ended by training.patience after step \(progress.step)"
      : progress.optimum != nil
        ? "the way to the optimum ended with step \(progress.step)" : "all \(progress.step) steps are done"
    let remedy =
      progress.optimum == nil ? "raise \(lengthKey)" : "lower training.tolerance or raise training.max_passes"
    return "note: \(end), so the model and config.yaml stay as they are"
      + (list.isEmpty ? "" : ", without \(list); \(remedy) to go on")
  }

  private var lengthKey: String {
    isOutOfPatience ? "training.patience" : configuration.training.steps == nil ? "training.epochs" : "training.steps"
  }

  private var length: Int {
    let training = configuration.training
    return isOutOfPatience ? training.patience! : training.steps ?? training.epochs
  }

  /// A line for the user if the rate goes on differently than saved; nil otherwise. Throws exit code 64 if the run
  /// would end before the checkpoint.
  func scheduleChange(_ data: TrainingData) throws(ConfigurationError) -> String? {
    let (old, new, step) = (saved, configuration, progress.step)
    let sampler = new.sampler(of: data.train)
    let total = new.training.steps(of: sampler)
    // What comes behind the steps of batches has no rate.
    if new.training.until == .optimum, progress.optimum != nil || step >= total { return nil }
    guard step <= total else {
      throw ConfigurationError(
        key: lengthKey,
        "\(length) make \(total) steps, and \(contents.path) has \(step) done; raise it, "
          + "or use the checkpoint as a model: it is one")
    }
    guard step > 0, step < total else { return nil }
    let oldTotal = old.training.steps(of: sampler)
    let (oldPeak, peak) = (
      old.optimizer.learningRate * savedBackOff.rateFactor, new.optimizer.learningRate * backOff.rateFactor
    )
    let before = old.optimizer.schedule.rate(step: step - 1, of: oldTotal, peak: oldPeak)
    let meant = old.optimizer.schedule.rate(step: step, of: oldTotal, peak: oldPeak)
    let now = new.optimizer.schedule.rate(step: step, of: total, peak: peak)
    guard abs(now - meant) > 1e-9 * max(now, meant) else { return nil }
    var changes: [String] = []
    func compare(_ key: String, _ old: String, _ new: String) {
      if old != new { changes.append("\(key) is \(new) and was \(old)") }
    }
    compare("training.epochs", "\(old.training.epochs)", "\(new.training.epochs)")
    func text(_ steps: Int?) -> String { steps.map(String.init) ?? "null" }
    compare("training.steps", text(old.training.steps), text(new.training.steps))
    compare("optimizer.learning_rate", old.optimizer.learningRate.short, new.optimizer.learningRate.short)
    compare("the number of back-offs", "\(savedBackOff.count)", "\(backOff.count)")
    let (one, other) = (old.optimizer.schedule, new.optimizer.schedule)
    compare("optimizer.schedule.kind", one.kind.rawValue, other.kind.rawValue)
    compare("optimizer.schedule.warmup", "\(one.warmup)", "\(other.warmup)")
    compare("optimizer.schedule.final", one.final.short, other.final.short)
    return
      "note: the rate goes from \(before.short) at step \(step) to \(now.short), for \(changes.joined(separator: ", "))"
  }
}
