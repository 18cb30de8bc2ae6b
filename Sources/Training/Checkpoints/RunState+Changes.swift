import GaussNewton

extension RunState {
  /// What the run goes on with otherwise than it was saved, for people, a line each; its rate is told by `scheduleChange`, and
  /// what does not go on at all is an error of `init`.
  package var settingChanges: [String] {
    let before = Dictionary(uniqueKeysWithValues: saved.leaves.map { ($0.key, $0.value) })
    let unread = configuration.optimizer.unreadSettings
    let changes = configuration.leaves.filter { key, value in
      key.hasPrefix("optimizer.") && before[key] != value && key != "optimizer.learning_rate"
        && !key.hasPrefix("optimizer.schedule.") && !unread.contains { key == $0 || key.hasPrefix($0 + ".") }
    }
    var lines: [String] = []
    if !changes.isEmpty {
      let list = changes.map { "\($0.key) \($0.value) (was \(before[$0.key] ?? "not there"))" }
      lines.append("note: goes on with " + list.joined(separator: ", "))
    }
    if saved.model.initialization != configuration.model.initialization {
      lines.append("note: model.initialization is not read: the parameters are those of the checkpoint")
    }
    return lines
  }
}

extension OptimizerCounters {
  /// With the λ to go on with where the settings of damping are others: that of the new `initial`, or the one that it had,
  /// between the new bounds.
  func damped(from old: Damping.Options, to new: Damping.Options) -> OptimizerCounters {
    guard let damping, old != new else { return self }
    var counters = self
    counters.damping =
      old.initial != new.initial ? new.start : new.policy == .constant ? damping : new.bounded(damping)
    return counters
  }
}
