import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

/// Complete trainings by four methods, each with the best rate of a grid of four, over three seeds.
struct TrainingExperiment: Experiment {
  enum Subject: Sendable {
    /// Linear heads on fixed features.
    case head
    /// A perceptron and a convolutional network.
    case network
  }

  let subject: Subject
  let isQuick: Bool

  init(_ subject: Subject, isQuick: Bool) {
    self.subject = subject
    self.isQuick = isQuick
  }

  var name: String { subject == .head ? "head" : "network" }
  var title: String { subject == .head ? "Training a head on fixed features" : "Training networks" }
  var claim: String {
    switch subject {
    case .head:
      "On a convex problem the steps with FGN reach a loss in fewer epochs than gradient methods, and cost less than those with "
        + "the full matrix, which pays for its iterations."
    case .network:
      "The same holds for networks; while they train, competitors concentrate and curvature weights fall, so that FGN drops less "
        + "and less of the full matrix that matters."
    }
  }
  var setup: String {
    "Batches of \(isQuick ? 128 : 512), \(epochs) epochs, linear decay, the program's defaults but for the rate, which is the one of "
      + "four (a third, once, three and ten times the default) with the lowest final training loss for seed 0; then seeds 0 to 2. "
      + "Times are those of the steps alone. A pass is one run through the network, forwards or backwards, with or without tangents."
  }

  let columns = [
    "task", "method", "factor", "seed", "epoch", "seconds", "passes", "train_loss", "test_loss", "test_accuracy",
    "effective", "weight", "dropped",
  ]

  private static let methods: [Configuration.OptimizerOptions.Method] = [.fgn, .ggn, .sgd, .adam]
  private static let factors = [1.0 / 3, 1, 3, 10]
  private var epochs: Int { isQuick ? 10 : 5 }

  /// The name and the configuration of each training problem.
  private func tasks(_ laboratory: Laboratory) -> [(name: String, configuration: String)] {
    let base = "training: {epochs: \(epochs)}\noptimizer: {batch_size: \(isQuick ? 128 : 512)}\n"
    func files(_ folder: String, _ names: [String]) -> String {
      let paths = names.map { "\(folder)/\($0)" }
      return "data: {train: {features: '\(paths[0])', labels: '\(paths[1])'}, "
        + "test: {features: '\(paths[2])', labels: '\(paths[3])'}\(folder == laboratory.wordnet ? ", normalize: none" : "")}\n"
    }
    let fashion = files(
      laboratory.fashion,
      [
        "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
      ])
    let perceptron = isQuick ? "[{linear: 32}, tanh]" : "[{linear: 256}, tanh, {linear: 128}, tanh]"
    let convolutional =
      isQuick
      ? "[{convolution: {channels: 8, kernel: 3, padding: 1}}, {max_pool: 2}, relu, flatten]"
      : "[{convolution: {channels: 8, kernel: 5, stride: 2, padding: 2}}, relu, "
        + "{convolution: {channels: 16, kernel: 5, stride: 2, padding: 2}}, relu, flatten, {linear: 64}, relu]"
    var texts: [(String, String)]
    switch (subject, isQuick) {
    case (.head, true): texts = [("digits", base)]
    case (.head, false):
      texts = [("fashion-mnist", base + fashion)]
      if let wordnet = laboratory.wordnet {
        let names = ["train-features.npy", "train-labels.npy", "test-features.npy", "test-labels.npy"]
        texts.append(("wordnet", base + files(wordnet, names)))
      }
    case (.network, _):
      let data = isQuick ? "" : fashion
      texts = [
        ("perceptron", base + data + "model: {layers: \(perceptron)}\n"),
        ("convolutional", base + data + "model: {layers: \(convolutional)}\n"),
      ]
    }
    return texts
  }

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    let communicator = laboratory.communicator
    for task in tasks(laboratory) {
      func configuration(_ method: Configuration.OptimizerOptions.Method) throws -> Configuration {
        try Configuration.parse(
          task.configuration, source: task.name, overrides: ["optimizer.method=\(method.rawValue)"])
      }
      let data = try TrainingData.load(configuration(.fgn), over: communicator)
      for method in Self.methods {
        /// One training, unless the table contains it.
        func train(_ factor: Double, _ seed: Int) throws {
          let key = ["task": task.name, "method": method.rawValue, "factor": factor.rounded3, "seed": "\(seed)"]
          if table.contains(key) { return }
          var configuration = try configuration(method).resolved(for: data.facts)
          configuration.optimizer.learningRate *= factor
          configuration.training.seed = UInt64(seed)
          let course = try TrainingCourse.run(configuration, data, over: communicator)
          let last = course.last!
          laboratory.say(
            "  \(task.name), \(method.rawValue), rate \(configuration.optimizer.learningRate.short), seed \(seed): training loss "
              + "\(last.trainLoss.short), test accuracy \(last.testAccuracy.percent), \(last.seconds.short) s")
          try table.append(course.map { key.merging($0.fields) { $1 } })
        }
        for factor in Self.factors { try train(factor, 0) }
        let best = bestFactor(table, task.name, method)
        for seed in 1..<3 { try train(best, seed) }
      }
    }
  }

  private func bestFactor(_ table: Table, _ task: String, _ method: Configuration.OptimizerOptions.Method) -> Double {
    Self.factors.min { final(table, task, method, $0) < final(table, task, method, $1) }!
  }

  /// The last training loss of seed 0; infinite if the run diverged.
  private func final(
    _ table: Table, _ task: String, _ method: Configuration.OptimizerOptions.Method, _ factor: Double
  ) -> Double {
    let key = ["task": task, "method": method.rawValue, "factor": factor.rounded3, "seed": "0"]
    let loss = table.rows(where: key).last?["train_loss"] ?? .nan
    return loss.isFinite ? loss : .infinity
  }

  /// The three runs with the best factor.
  private func best(_ table: Table, _ task: String, _ method: Configuration.OptimizerOptions.Method) -> [Table.Row] {
    table.rows(
      where: ["task": task, "method": method.rawValue, "factor": bestFactor(table, task, method).rounded3])
  }

  func figures(_ table: Table) -> [Figure] {
    table.values("task").map { task in
      /// One line per method, as medians over the seeds. Seconds and passes are averaged, so that seeds share them. The
      /// untrained model is left out, since the effect of an epoch is small beside it.
      func series(_ x: String, _ y: String, from epoch: Double = 1) -> [Figure.Series] {
        Self.methods.map { method in
          let rows = best(table, task, method).filter { $0["epoch"] >= epoch }
          let points = Dictionary(grouping: rows) { $0["epoch"] }.sorted { $0.key < $1.key }.flatMap { _, group in
            group.map { (x: group.map { $0[x] }.mean, y: $0[y]) }
          }
          return .init(name: method.rawValue, colour: Figure.colour(method.rawValue), points: points)
        }
      }
      let loss = Figure.Axis("training loss", logarithmic: true)
      var panels: [Figure.Panel] = [
        .init(title: "Loss by epochs", x: .init("epoch"), y: loss, series: series("epoch", "train_loss")),
        .init(
          title: "Loss by time", x: .init("seconds of steps", logarithmic: true), y: loss,
          series: series("seconds", "train_loss")),
        .init(
          title: "Loss by passes", x: .init("passes through the network", logarithmic: true), y: loss,
          series: series("passes", "train_loss")),
        .init(title: "Test", x: .init("epoch"), y: .init("test accuracy"), series: series("epoch", "test_accuracy")),
      ]
      if subject == .network {
        panels.append(
          .init(
            title: "Competitors", x: .init("epoch"), y: .init("effective competitors 1/‖q‖²"),
            series: series("epoch", "effective", from: 0)))
        panels.append(
          .init(
            title: "Dropped curvature", x: .init("epoch"), y: .init("(1−p)(1−‖q‖²), fraction"),
            series: series("epoch", "dropped", from: 0)))
      }
      return Figure(name: "\(name)-\(task)", panels: panels)
    }
  }

  func findings(_ table: Table) -> [Finding] {
    table.values("task").flatMap { task -> [Finding] in
      func last(_ method: Configuration.OptimizerOptions.Method, _ column: String) -> Double {
        let rows = best(table, task, method)
        let end = rows.map { $0["epoch"] }.max() ?? 0
        return rows.filter { $0["epoch"] == end }.map { $0[column] }.median
      }
      let losses = Self.methods.map { "\($0.rawValue) \(last($0, "train_loss").short)" }.joined(separator: ", ")
      let accuracies = Self.methods.map { "\($0.rawValue) \(last($0, "test_accuracy").percent)" }.joined(
        separator: ", ")
      let gradient = min(last(.sgd, "train_loss"), last(.adam, "train_loss"))
      var findings = [
        Finding(
          statement:
            "\(task): after as many epochs FGN's training loss is below that of the gradient methods (\(losses))",
          holds: last(.fgn, "train_loss") < gradient),
        Finding(
          statement:
            "\(task): test accuracies \(accuracies); FGN's is within half a per cent of the best, or it is the best",
          holds: last(.fgn, "test_accuracy") >= Self.methods.map { last($0, "test_accuracy") }.max()! - 0.005),
        Finding(
          statement:
            "\(task): FGN's steps take \((last(.fgn, "seconds") / last(.sgd, "seconds")).rounded3) times those of SGD, the "
            + "full matrix's \((last(.ggn, "seconds") / last(.fgn, "seconds")).rounded3) times FGN's",
          holds: last(.ggn, "seconds") > last(.fgn, "seconds")),
      ]
      if subject == .network {
        let first = best(table, task, .fgn).filter { $0["epoch"] == 0 }
        let (before, after) = (first.map { $0["effective"] }.median, last(.fgn, "effective"))
        findings.append(
          Finding(
            statement:
              "\(task): the effective competitors go from \(before.short) to \(after.short), the mean curvature weight from "
              + "\(first.map { $0["weight"] }.median.short) to \(last(.fgn, "weight").short)",
            holds: after < before))
      }
      return findings
    }
  }
}
