import Datasets
import Foundation
import Training

/// The results of a search as tables.
package struct SearchTable {
  package let space: SearchSpace
  package let criterion: Configuration.TrainingOptions.Criterion

  package init(_ space: SearchSpace, by criterion: Configuration.TrainingOptions.Criterion) {
    (self.space, self.criterion) = (space, criterion)
  }

  /// `tune.csv`: a line for each trial, by setting and rung. It does not depend on times, so that a search that was stopped
  /// ends with the same file.
  package func csv(_ results: [TrialResult], chosen: Trial?) -> String {
    let head = ["setting", "rung"] + space.keys
    let columns = ["steps", "best_step", "steps_in_all", "loss", "loss_error", "accuracy", "balanced_accuracy"]
    var lines = [(head + columns + ["status"]).map(CSV.field).joined(separator: ",")]
    let sorted = results.sorted { ($0.trial.setting, $0.trial.rung) < ($1.trial.setting, $1.trial.rung) }
    for result in sorted {
      let setting = space.settings[result.trial.setting - 1]
      let status = result.hasDiverged ? "diverged" : chosen == result.trial ? "chosen" : "completed"
      func text(_ value: Double) -> String { result.hasDiverged ? "" : "\(value)" }
      let values = setting.values.map { $0.isEmpty ? "" : CSV.field($0) }
      let steps = ["\(result.steps)", result.bestStep.map { "\($0)" } ?? "", "\(result.stepsInAll)"]
      let scores = [result.loss, result.lossError, result.accuracy, result.balancedAccuracy].map(text)
      let fields = ["\(setting.number)", "\(result.trial.rung)"] + values + steps + scores + [status]
      lines.append(fields.joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A setting by its values, on one line.
  package func text(_ setting: SearchSpace.Setting) -> String {
    Self.text(space.keys, setting.values)
  }

  /// Values with their keys, on one line; `axis` is left out.
  static func text(_ keys: [String], _ values: [String], without axis: Int? = nil) -> String {
    let pairs = keys.indices.filter { $0 != axis && !values[$0].isEmpty }.map { (keys[$0], values[$0]) }
    return pairs.map { "\($0.split(separator: ".").dropFirst().joined(separator: "."))=\($1)" }.joined(separator: " ")
  }

  /// The scores of a trial, on one line.
  package func text(_ result: TrialResult) -> String {
    if result.hasDiverged { return "diverged" }
    return "loss \(result.loss.short) ± \(result.lossError.short)  accuracy \(result.accuracy.percent)"
      + (criterion == .balancedAccuracy ? "  balanced \(result.balancedAccuracy.percent)" : "")
  }

  /// What each method has come to and taken, for people; empty if there is one method only.
  package func methods(_ record: SearchRecord) -> [String] {
    let names = space.settings.map(\.configuration.optimizer.method)
    let methods = Configuration.OptimizerOptions.Method.allCases.filter(names.contains)
    if methods.count < 2 { return [] }
    return methods.map { method in
      let own = space.settings.filter { $0.configuration.optimizer.method == method }
      let results = record.results.filter { result in own.contains { $0.number == result.trial.setting } }
      let best = record.best(by: criterion) { result in own.contains { $0.number == result.trial.setting } }
      let reached = best.map { text($0) + ", with " + $0.stepsInAll.counted("step") } ?? "all settings diverged"
      return "\(method.rawValue): \(reached); \(own.count.counted("setting")), "
        + "\(results.reduce(0) { $0 + $1.seconds }.short) s"
    }
  }
}
