import Foundation
import GaussNewton
import Yams

/// The record of a run in its directory: `metrics.jsonl` and `config.yaml`. The run may still be going on.
package struct RunRecord: Sendable {
  /// A point of a curve: the step, the seconds of training until then, including earlier processes, and a value.
  package struct Point: Equatable, Sendable {
    package var step: Int
    package var seconds: Double
    package var value: Double
  }

  package struct Evaluation: Equatable, Sendable {
    package var split: String
    package var step: Int
    package var seconds: Double
    package var loss, accuracy, top5: Double
    /// The step of the model, where it is the best one and not that of `step`.
    package var modelStep: Int?
  }

  package struct PhasePoint: Equatable, Sendable {
    package var step: Int
    package var seconds: Double
    /// Seconds by phase, in the order of `Phases.Phase.allCases`, followed by the seconds of the step outside all
    /// phases.
    package var parts: [Double]
  }

  package struct Notice: Equatable, Sendable {
    package var kind: String
    package var text: String
    package var firstStep, lastStep, count: Int
  }

  package var path: String
  package var method = ""
  package var ranks = 0
  package var threads = 0
  package var machine = ""
  package var parameters = 0
  package var steps = 0
  /// Seconds of training, over all processes of the run.
  package var seconds = 0.0
  /// The reason for the end of the run; nil if it goes on or was killed.
  package var ending: String?
  package var loss: [Point] = []
  package var damping: [Point] = []
  package var reductionRatio: [Point] = []
  package var iterations: [Point] = []
  package var imbalance: [Point] = []
  package var phases: [PhasePoint] = []
  package var evaluations: [Evaluation] = []
  /// The times of the ranks in the last process, in total.
  package var rankTimes: RankTimes?
  package var notices: [Notice] = []
  /// The complete configuration: its text, and the value of each key.
  package var configurationText = ""
  package var configuration: [(key: String, value: String)] = []

  /// Reads a run directory, or the directory of a `metrics.jsonl`. An incomplete last line does not count.
  ///
  /// Throws `StorageError`: 66 if the directory or file does not exist, 65 if it is not of a run.
  package init(path: String) throws(StorageError) {
    let isMetrics = path.hasSuffix("/metrics.jsonl") || path == "metrics.jsonl"
    var folder = isMetrics ? String(path.dropLast("metrics.jsonl".count)) : path
    while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
    self.path = folder.isEmpty ? "." : folder
    let directory = RunDirectory(path: self.path)
    guard FileManager.default.fileExists(atPath: self.path) else {
      throw StorageError(
        .missing, path: self.path, section: "run directory", problem: "there is none",
        remedy: "name the folder that a training run has written")
    }
    try readMetrics(directory.metrics)
    try readConfiguration(directory.configuration)
  }

  /// The name of the folder.
  package var name: String { URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent }

  /// The evaluation of the final model on `split`: the last one, or on the validation set that of the best step.
  package func final(_ split: String) -> Evaluation? {
    let own = evaluations.filter { $0.split == split }
    guard let step = evaluations.last(where: { $0.modelStep != nil })?.modelStep, split == "validation" else {
      return own.last
    }
    return own.last { $0.step == step }
  }

  /// The values of the evaluations on `split` by the steps of their models.
  func curve(_ split: String, _ value: (Evaluation) -> Double) -> [Point] {
    let points = evaluations.filter { $0.split == split && value($0).isFinite }.map { evaluation in
      // The best model is that of an earlier evaluation.
      let origin = evaluations.first { $0.step == evaluation.modelStep } ?? evaluation
      return Point(step: origin.step, seconds: origin.seconds, value: value(evaluation))
    }
    return points.sorted { $0.step < $1.step }
  }

  static func contents(_ path: String) throws(StorageError) -> Data {
    do {
      return try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    } catch {
      let isMissing = !FileManager.default.fileExists(atPath: path)
      throw StorageError(
        isMissing ? .missing : .inputOutput, path: path, section: "open for reading",
        problem: isMissing ? "there is no such file" : error.localizedDescription,
        remedy: "name the run directory of a training run")
    }
  }

  private mutating func readMetrics(_ path: String) throws(StorageError) {
    let data = try Self.contents(path)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .useDefaultKeys
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    func foreign(_ line: Int, _ problem: String) -> StorageError {
      StorageError(
        .contents, path: path, section: "line \(line)", problem: problem,
        remedy: "name the run directory of a training run, whose metrics.jsonl nothing else has changed")
    }

    var (start, number) = (data.startIndex, 0)
    /// Seconds of the processes before this one.
    var earlier = 0.0
    while start < data.endIndex {
      let end = data[start...].firstIndex(of: UInt8(ascii: "\n")) ?? data.endIndex
      defer { start = end + 1 }
      let line = data[start..<end]
      number += 1
      let isLast = end >= data.index(before: data.endIndex)
      guard let event = try? decoder.decode(MetricsLine.self, from: line) else {
        if isLast, number > 1 { break }
        throw foreign(number, "is no event of a run")
      }
      guard number > 1 || event.event == "run" else { throw foreign(1, "does not begin a run") }
      if event.event == "run" { earlier = seconds }
      guard take(event, after: earlier) else { throw foreign(number, "lacks what an event \(event.event) has") }
    }
    if number == 0 { throw foreign(1, "is missing: the file is empty") }
  }

  /// Adds an event; returns false if it is incomplete.
  private mutating func take(_ event: MetricsLine, after earlier: Double) -> Bool {
    switch event.event {
    case "run":
      guard let method = event.method, let ranks = event.ranks?.count, let threads = event.threads else { return false }
      (self.method, self.ranks, self.threads) = (method, ranks, threads)
      machine = [event.mpi, event.kernel.map { "\($0) kernels" }].compactMap { $0 }.joined(separator: ", ")
      parameters = event.parameters ?? 0
      (ending, rankTimes) = (nil, nil)
    case "step", "full_step":
      guard let loss = event.loss, let elapsed = event.elapsed, let phases = event.phases, let duration = event.seconds
      else { return false }
      steps = event.step
      seconds = earlier + elapsed
      func add(_ value: Double?, to points: inout [Point]) {
        guard let value, value.isFinite else { return }
        points.append(Point(step: event.step, seconds: seconds, value: value))
      }
      add(loss, to: &self.loss)
      add(event.damping, to: &damping)
      add(event.reduction_ratio, to: &reductionRatio)
      add(event.solver_iterations, to: &iterations)
      var parts = Phases.Phase.allCases.map { phases[$0.rawValue] ?? 0 }
      parts.append(max(0, duration - parts.reduce(0, +)))
      self.phases.append(PhasePoint(step: event.step, seconds: seconds, parts: parts))
    case "evaluation":
      guard let split = event.split, let loss = event.loss, let accuracy = event.accuracy,
        let top5 = event.top5_accuracy, let elapsed = event.elapsed
      else { return false }
      seconds = max(seconds, earlier + elapsed)
      // A run that resumes at its end evaluates there once more.
      evaluations.removeAll {
        $0.split == split && $0.step == event.step && ($0.modelStep == nil) == (event.model_step == nil)
      }
      evaluations.append(
        Evaluation(
          split: split, step: event.step, seconds: earlier + elapsed, loss: loss, accuracy: accuracy, top5: top5,
          modelStep: event.model_step))
    case "ranks":
      guard let list = event.ranks?.list, let steps = event.steps, let imbalance = event.imbalance, !list.isEmpty else {
        return false
      }
      self.imbalance.append(Point(step: event.step, seconds: seconds, value: imbalance))
      let times = RankTimes(
        ranks: list.map { rank in
          RankTimes.Rank(host: rank.host, seconds: Phases.Phase.allCases.map { rank.seconds[$0.rawValue] ?? 0 })
        }, steps: steps)
      rankTimes = rankTimes.map { $0 + times } ?? times
    case "warning":
      guard let kind = event.kind, let text = event.text else { return false }
      if let index = notices.firstIndex(where: { $0.kind == kind }) {
        notices[index].count += 1
        notices[index].lastStep = event.step
        notices[index].text = text
      } else {
        notices.append(Notice(kind: kind, text: text, firstStep: event.step, lastStep: event.step, count: 1))
      }
    case "end":
      guard let reason = event.reason, let duration = event.seconds else { return false }
      seconds = max(seconds, earlier + duration)
      ending = reason
    default: break
    }
    return true
  }

  private mutating func readConfiguration(_ path: String) throws(StorageError) {
    let data = try Self.contents(path)
    guard let text = String(bytes: data, encoding: .utf8), let tree = try? Yams.compose(yaml: text), tree.mapping != nil
    else {
      throw StorageError(
        .contents, path: path, section: "document", problem: "is no configuration in YAML",
        remedy: "name the run directory of a training run")
    }
    configurationText = text
    configuration = tree.leaves()
  }
}

extension RunRecord {
  /// The keys in which configurations differ, in order, with the value of each run; nil where a run lacks the key.
  package static func differences(_ runs: [RunRecord]) -> [(key: String, values: [String?])] {
    var keys: [String] = []
    let tables = runs.map { run in
      for (key, _) in run.configuration where !keys.contains(key) { keys.append(key) }
      return Dictionary(run.configuration.map { ($0.key, $0.value) }) { $1 }
    }
    return keys.map { key in (key, tables.map { $0[key] }) }.filter { Set($0.1).count > 1 }
  }
}

/// A line of `metrics.jsonl` with the keys that a report needs.
private struct MetricsLine: Decodable {
  struct Rank: Decodable {
    let host: String
    let seconds: [String: Double]
  }

  /// The number of ranks, or the record of each.
  enum Ranks: Decodable {
    case number(Int)
    case times([Rank])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      self = try (try? container.decode(Int.self)).map { .number($0) } ?? .times(container.decode([Rank].self))
    }

    var count: Int? { if case .number(let count) = self { count } else { nil } }
    var list: [Rank]? { if case .times(let list) = self { list } else { nil } }
  }

  let event: String
  let step: Int
  let method, mpi, kernel, split, kind, text, reason: String?
  let ranks: Ranks?
  let threads, parameters, steps, model_step: Int?
  let loss, elapsed, seconds, damping, reduction_ratio, solver_iterations, accuracy, top5_accuracy, imbalance: Double?
  let phases: [String: Double]?
}
