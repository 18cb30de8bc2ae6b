import Datasets
import GaussNewton

extension RunState {
  /// What the user is to know of the run that goes on, each on one line. Throws exit code 64 if it would end before the
  /// checkpoint.
  package func notes(_ data: TrainingData) throws -> [String] {
    let scheduleChange = try scheduleChange(data)
    if isDone(data) { return [noteOnDone] }
    let onData = [noteOnChecksum, noteOnColumns(data)].compactMap { $0 }
    return [scheduleChange, noteOnBackOff, selection(data).note, average(data).note].compactMap { $0 }
      + settingChanges + onData
  }

  /// The back-offs of the checkpoint.
  var savedBackOff: BackOff { progress.backOff ?? BackOff() }

  /// The back-offs to go on with: none where another rate is asked for. A run that is to stop judges no steps, and what comes
  /// before its checkpoints counts as sound.
  var backOff: BackOff {
    var result = savedBackOff
    if configuration.training.onDivergence.kind == .stop { result = BackOff(count: result.count) }
    if result.firstLoss == nil { result.soundStep = progress.step - 1 }
    if saved.optimizer.learningRate != configuration.optimizer.learningRate { result.count = 0 }
    return result
  }

  private var noteOnBackOff: String? {
    backOff.count == 0
      ? nil
      : "note: goes on at \(backOff), for the run has backed off "
        + "\(backOff.count) \(backOff.count == 1 ? "time" : "times")"
  }

  /// The settings with which the run goes on differently than saved, and other remarks on that, one line each, for the
  /// user. Changes of the rate are in `scheduleChange`; changes that a run cannot go on with are errors of `init`.
  var settingChanges: [String] {
    var changes = differences.filter {
      $0.key.hasPrefix("optimizer.") && $0.key != "optimizer.learning_rate"
        && !$0.key.hasPrefix("optimizer.schedule.") && configuration.optimizer.reads($0.key)
    }
    if let damping, let before = progress.optimizer.damping, damping != before {
      changes.append((key: "λ", old: before.short, new: damping.short))
    }
    var lines: [String] = []
    if !changes.isEmpty {
      lines.append("note: goes on with " + Self.list(changes))
    }
    if saved.model.initialization != configuration.model.initialization {
      lines.append("note: model.initialization is not read: the parameters are those of the checkpoint")
    }
    return lines
  }

  /// A setting whose value is not as saved.
  typealias Difference = (key: String, old: String, new: String)

  /// Differences on one line, for the user.
  static func list(_ differences: [Difference]) -> String {
    differences.map { "\($0.key) \($0.new) (was \($0.old))" }.joined(separator: ", ")
  }

  /// The settings that are not as saved, with their values.
  var differences: [Difference] {
    let before = Dictionary(uniqueKeysWithValues: saved.leaves.map { ($0.key, $0.value) })
    return configuration.leaves.filter { before[$0.key] != $0.value }
      .map { ($0.key, before[$0.key] ?? "not there", $0.value) }
  }

  /// The optimizer's counters to go on with.
  var counters: OptimizerCounters {
    progress.optimizer.damped(from: saved.optimizer.damping, to: configuration.optimizer.damping)
  }

  /// λ of the next step; nil for a method that does not damp.
  package var damping: Double? { counters.damping }
}

extension OptimizerCounters {
  /// These counters with the λ to go on with: `initial` where it is constant, or where that setting has changed;
  /// otherwise the saved λ, within bounds that have changed.
  fileprivate func damped(from old: Damping.Options, to new: Damping.Options) -> OptimizerCounters {
    guard let damping else { return self }
    var counters = self
    if new.policy == .constant || old.initial != new.initial {
      counters.damping = new.start
    } else if old != new {
      counters.damping = new.bounded(damping)
    }
    return counters
  }
}
