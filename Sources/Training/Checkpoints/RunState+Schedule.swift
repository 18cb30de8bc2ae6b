import Datasets

extension RunState {
  /// A line for the user if the rate goes on differently than saved; nil otherwise. Throws exit code 64 if the run
  /// would end before the checkpoint.
  package func scheduleChange(_ data: TrainingData) throws(ConfigurationError) -> String? {
    let (old, new, step) = (saved, configuration, progress.step)
    let sampler = new.sampler(of: data.train)
    let total = new.training.steps(of: sampler)
    guard step <= total else {
      let key = new.training.steps == nil ? "training.epochs" : "training.steps"
      throw ConfigurationError(
        key: key,
        "\(new.training.steps ?? new.training.epochs) make \(total) steps, and \(contents.path) has \(step) done; raise it, "
          + "or use the checkpoint as a model: it is one")
    }
    guard step > 0, step < total else { return nil }
    let oldTotal = old.training.steps(of: sampler)
    let before = old.optimizer.schedule.rate(step: step - 1, of: oldTotal, peak: old.optimizer.learningRate)
    let meant = old.optimizer.schedule.rate(step: step, of: oldTotal, peak: old.optimizer.learningRate)
    let now = new.optimizer.schedule.rate(step: step, of: total, peak: new.optimizer.learningRate)
    guard abs(now - meant) > 1e-9 * max(now, meant) else { return nil }
    var changes: [String] = []
    func compare(_ key: String, _ old: String, _ new: String) {
      if old != new { changes.append("\(key) is \(new) and was \(old)") }
    }
    compare("training.epochs", "\(old.training.epochs)", "\(new.training.epochs)")
    func text(_ steps: Int?) -> String { steps.map(String.init) ?? "null" }
    compare("training.steps", text(old.training.steps), text(new.training.steps))
    compare("optimizer.learning_rate", old.optimizer.learningRate.short, new.optimizer.learningRate.short)
    let (one, other) = (old.optimizer.schedule, new.optimizer.schedule)
    compare("optimizer.schedule.kind", one.kind.rawValue, other.kind.rawValue)
    compare("optimizer.schedule.warmup", "\(one.warmup)", "\(other.warmup)")
    compare("optimizer.schedule.final", one.final.short, other.final.short)
    return
      "note: the rate goes from \(before.short) at step \(step) to \(now.short), for \(changes.joined(separator: ", "))"
  }
}
