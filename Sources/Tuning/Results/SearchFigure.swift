import Foundation
import Training

/// A search as a picture: a panel for each axis of numbers, with the validation loss of each setting by its value, and a line
/// for each combination of the other axes.
package struct SearchFigure {
  let panels: [Panel]

  struct Panel {
    let key: String
    /// The values of the axis that occur, from the smallest, as they were given.
    let values: [(number: Double, text: String)]
    let lines: [Line]
  }

  struct Line {
    /// The other values of its settings; empty where there are none.
    let name: String
    /// By value, from the smallest.
    let points: [Point]
  }

  struct Point {
    let value, loss, error: Double
    /// Whether it is of an earlier rung than the last one, and not of an optimum, which has no rungs.
    let isPartial: Bool
    let isChosen: Bool
  }

  /// Each setting has the best of its trials, and the chosen one that which is chosen. Settings that have diverged, and axes
  /// with fewer than two numbers that are left, are not shown.
  package init(
    _ space: SearchSpace, _ record: SearchRecord, chosen: Trial,
    by criterion: Configuration.TrainingOptions.Criterion
  ) {
    let shown = space.settings.compactMap { setting -> (setting: SearchSpace.Setting, result: TrialResult)? in
      let best =
        chosen.setting == setting.number
        ? record.result(of: chosen) : record.best(by: criterion) { $0.trial.setting == setting.number }
      return best.flatMap { $0.loss.isFinite ? (setting, $0) : nil }
    }
    let last = record.results.map(\.trial.rung).max() ?? 1
    panels = space.keys.indices.compactMap { axis in
      var values: [Double: String] = [:]
      var lines: [(name: String, points: [Point])] = []
      for (setting, result) in shown where !setting.values[axis].isEmpty {
        // A word among the values is no place on an axis of numbers.
        guard let value = Double(setting.values[axis]), value.isFinite else { return nil }
        values[value] = setting.values[axis]
        let name = SearchTable.text(space.keys, setting.values, without: axis)
        let point = Point(
          value: value, loss: result.loss, error: result.lossError.isFinite ? result.lossError : 0,
          isPartial: result.trial.rung < last && !setting.reachesOptimum,
          isChosen: result.trial == chosen)
        if let index = lines.firstIndex(where: { $0.name == name }) {
          lines[index].points.append(point)
        } else {
          lines.append((name, [point]))
        }
      }
      guard values.count > 1 else { return nil }
      return Panel(
        key: space.keys[axis], values: values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
        lines: lines.map { Line(name: $0.name, points: $0.points.sorted { $0.value < $1.value }) })
    }
  }
}
