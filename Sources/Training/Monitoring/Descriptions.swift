import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

extension Double {
  /// The number with four significant digits, for the user.
  package var short: String { String(format: "%.4g", self) }

  /// The number with nine significant digits.
  var nineDigits: String { String(format: "%.9g", self) }

  /// The fraction as a percentage with two decimals.
  package var percent: String { String(format: "%.2f %%", 100 * self) }
}

extension Duration {
  /// The duration for the user: `42 s`, `12 min 34 s`, `5 h 12 min`, `3 d 4 h`.
  package var readable: String {
    let seconds = self / .seconds(1)
    guard seconds < 1e9 else { return "more than 30 years" }
    let whole = Int(max(0, seconds).rounded())
    let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
  }
}

extension Configuration.DataOptions {
  /// What gives the examples their weights, and their range, for people.
  package func summary(of weights: ExampleWeights) -> String {
    let sources = [classWeights.map { "classes \($0)" }, train.weights?.description].compactMap { $0 }
    let (least, most) = (weights.values.min()!, weights.values.max()!)
    return "\(sources.joined(separator: " and ")): from \(least.short) to \(most.short), mean 1; "
      + "evaluations count all examples alike"
  }
}

extension Configuration.DataOptions {
  /// How many examples are left out, for people; nil where none are asked to be.
  package func summaryOfIgnored(_ data: TrainingData) -> String? {
    guard let ignoreLabel else { return nil }
    func count(_ set: Dataset) -> Int { set.kept.map { $0.total - $0.rows.count } ?? 0 }
    // What is held out for validation is not ignored.
    let heldOut = validation.isHeldOut ? data.validation?.count ?? 0 : 0
    return "\(count(data.train) - heldOut) examples with label \(ignoreLabel)"
      + (validation.features == nil ? "" : ", and \(data.validation.map(count) ?? 0) of the validation set")
      + (data.test.map { ", and \(count($0)) of the test set" } ?? "")
  }
}

extension Configuration {
  /// How examples are read if they do not stay in memory, or are read in blocks, for the user; nil otherwise.
  package func summaryOfReading(_ data: TrainingData) -> String? {
    let (block, window) = (training.shuffleBlock, training.shuffleWindow)
    guard block > 1 || data.exceedsMemory, optimizer.batchSize != .full else { return nil }
    let mixing = window == 1 ? "" : ", mixed in windows of \(window) batches"
    let reason = data.exceedsMemory ? ": the examples do not stay in \(data.memory.megabytes) of memory" : ""
    return (block == 1 ? "rows one by one" : "blocks of \(block) rows\(mixing)") + reason
  }
}

extension Configuration {
  /// The normalization, and the reason if it follows from the data, for the user.
  package func summaryOfNormalization(_ data: TrainingData) -> String {
    let kind = self.data.normalize
    guard self.data.$normalize.isAutomatic, let scales = data.scales else { return kind.rawValue }
    let isSuited = (scales == .alike) == (kind == .scale)
    return "\(kind.rawValue) (\(isSuited ? "\(scales)" : "as the run began"))"
  }
}

extension Int {
  /// Bytes as megabytes.
  package var megabytes: String { (Double(self) / 1e6).short + " MB" }

  /// The number with a noun, which takes an s unless there is one.
  package func counted(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}

extension BinaryInteger {
  /// Bytes as gigabytes.
  package var gigabytes: String { Double(self).gigabytes }
}

extension Double {
  /// Bytes as gigabytes.
  package var gigabytes: String { (self / 1e9).short + " GB" }
}

extension Evaluation: CustomStringConvertible {
  package var description: String {
    "loss \(loss.short)  accuracy \(accuracy.percent)  top-5 \(top5Accuracy.percent)  (\(examples) examples)"
  }
}

extension ConversionSummary: CustomStringConvertible {
  package var description: String {
    var lines = tableColumns.map { ["table:     \($0.decision)"] } ?? []
    lines += [
      "examples:  \(examples)",
      "features:  \(features), \(constantColumns) of them constant",
      "values:    \(minimum.short) to \(maximum.short), mean \(mean.short), \(nonzeroShare.percent) not zero",
    ]
    if let labelNote { lines.append("labels:    \(labelNote)") }
    if let smallestClass, let largestClass {
      func text(_ entry: Class) -> String { "\(entry.name) with \(entry.examples)" }
      lines.append(
        "classes:   \(classes), the smallest \(text(smallestClass)), the largest \(text(largestClass)) examples")
    }
    return lines.joined(separator: "\n")
  }
}

extension MetricsEvent.Run {
  package init(_ run: RunPreparation, version: String, mpi: String, ranks: Int) {
    let (configuration, data, memory) = (run.configuration, run.data, run.memory)
    self.init(
      step: run.state?.progress.step ?? 0, version: version, ranks: ranks, threads: Threads.count, mpi: mpi,
      method: configuration.optimizer.method.rawValue, kernel: Kernels.name,
      precision: configuration.training.precision.rawValue, examples: data.train.count,
      features: data.train.featureCount, classes: data.classCount, parameters: run.network.layout.count,
      dataSeconds: data.seconds, stepMemory: memory.step, evaluationMemory: memory.evaluation,
      checkpointMemory: memory.checkpoint)
  }
}

/// What a step took on this rank.
struct StepCost {
  /// Seconds as a whole.
  let seconds: Double
  /// Seconds by kind of work.
  let phases: Phases
  let traffic: Communicator.Statistics
  /// nil where operations are not recorded.
  var operations: [Communicator.Operation]?
}

extension MetricsEvent.Step {
  init(step: Int, epoch: Int, _ report: StepReport, rate: Double, _ cost: StepCost, elapsed: Double) {
    self.init(
      step: step, epoch: epoch, loss: report.loss, gradientNorm: report.gradientNorm, stepNorm: report.stepNorm,
      damping: report.damping, reductionRatio: report.reductionRatio.flatMap { $0.isFinite ? $0 : nil },
      stepLength: report.stepLength,
      learningRate: rate, accepted: report.accepted, solver: report.solver?.method.rawValue,
      solverIterations: report.solver?.iterations, residual: report.solver?.residual,
      termination: report.solver?.termination.rawValue, seconds: cost.seconds, elapsed: elapsed,
      phases: cost.phases.summary.map { ($0.phase.rawValue, $0.seconds) },
      allreduces: cost.traffic.allreduces, allreducedBytes: cost.traffic.allreducedBytes,
      allgathers: cost.traffic.allgathers, allgatheredBytes: cost.traffic.allgatheredBytes,
      operations: cost.operations)
  }
}

extension MetricsEvent.Evaluation {
  init(step: Int, epoch: Int, split: String, _ result: Evaluation, elapsed: Double) {
    self.init(
      step: step, epoch: epoch, split: split, loss: result.loss, accuracy: result.accuracy,
      top5Accuracy: result.top5Accuracy, balancedAccuracy: result.balancedAccuracy, examples: result.examples,
      elapsed: elapsed)
  }
}

extension MetricsEvent.Ranks {
  /// The event with its times rounded to microseconds.
  init(step: Int, _ times: RankTimes) {
    func rounded(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
    self.init(
      step: step, steps: times.steps, imbalance: rounded(times.imbalance), waiting: rounded(times.waiting),
      ranks: times.ranks.enumerated().map { number, rank in
        let phases = zip(Phases.Phase.allCases, rank.seconds).map { ($0.rawValue, rounded($1)) }
        return Rank(rank: number, host: rank.host, seconds: Dictionary(uniqueKeysWithValues: phases))
      })
  }
}
