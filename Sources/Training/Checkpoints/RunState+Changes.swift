import GaussNewton

extension RunState {
  /// The settings with which the run goes on differently than saved, one line each, for the user. Changes of the rate
  /// are in `scheduleChange`; changes that a run cannot go on with are errors of `init`.
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
  /// These counters with the λ to go on with when the settings of damping have changed: a changed `initial` sets it,
  /// otherwise the saved λ stays, within the new bounds.
  func damped(from old: Damping.Options, to new: Damping.Options) -> OptimizerCounters {
    guard let damping, old != new else { return self }
    var counters = self
    counters.damping =
      old.initial != new.initial ? new.start : new.policy == .constant ? damping : new.bounded(damping)
    return counters
  }
}
