import Datasets
import Foundation
import LinearAlgebra
import TestSupport
import Testing
import Training

extension RunTests {
  @Suite("Labels that are probabilities")
  struct SoftLabelRunTests {
    private let workspace = Workspace()
    private static let (rows, features, classes) = (240, 6, 4)
    private static let problem = ToyProblem(
      rows: rows, features: features, classes: classes, largestMargin: 3, seed: 8
    ).softened(deviation: 1.5, smoothing: 0, seed: 9)
    private static var targets: [[Double]] { problem.oracle.targets! }

    /// Writes `x.npy`, the probabilities `t.npy`, and a configuration.
    private func prepare(
      _ optimizer: String, _ training: String = "steps: 12", data: String = "", targets: [[Double]] = Self.targets
    ) throws {
      try NPY.write(Self.problem.inputs(0..<Self.rows, as: Double.self), to: workspace.path("x.npy"))
      try write(targets, "t.npy")
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: x.npy, labels: t.npy}, normalize: none\(data)}
        optimizer: {\(optimizer)}
        training: {precision: float64, \(training)}
        checkpoint: {every: 5}
        """)
    }

    private func write(_ targets: [[Double]], _ name: String) throws {
      try NPY.write(
        Matrix(Vector(targets.flatMap { $0 }), targets.count, targets[0].count), to: workspace.path(name))
    }

    private func train(_ run: String, _ arguments: [String] = [], ranks: Ranks = .plain) throws -> Outcome {
      try Program.run(ranks, ["train", "run.yaml", "--run-directory", run] + arguments, in: workspace)
    }

    private func parameters(_ run: String) throws -> [Double] {
      let file = try Safetensors.load(path: workspace.path("\(run)/model.safetensors"))
      let weight: Vector<Double> = try file.vector(named: "model.0.weight", shape: [Self.classes, Self.features])
      let bias: Vector<Double> = try file.vector(named: "model.0.bias", shape: [Self.classes])
      return weight.array + bias.array
    }

    private func evaluation(_ run: String, _ split: String) throws -> MetricsLine {
      try #require(try workspace.metrics(run).last { $0.split == split })
    }

    @Test(arguments: [("fgn", false), ("ggn", true)], [0, 0.2])
    func `A step is the dense solution`(method: (name: String, isFull: Bool), smoothing ε: Double) throws {
      try prepare(
        """
        method: \(method.name), batch_size: full, learning_rate: 1, schedule: constant, weight_decay: 1e-2,
        damping: {initial: 0.05, policy: constant}, solver: {kind: cg, tolerance: 1e-13, max_iterations: 3000}
        """, "steps: 1, label_smoothing: \(ε)")
      let smoothed = Self.targets.map { $0.map { (1 - ε) * $0 + ε / Double(Self.classes) } }
      let oracle = Self.problem.targeting(smoothed).oracle
      let zeros = [Double](repeating: 0, count: oracle.parameterCount)
      let expected = oracle.step(zeros, damping: 0.05, weightDecay: 1e-2, full: method.isFull)
      for ranks in [Ranks.plain, .mpirun(3)] {
        try train("run-\(ranks)", ranks: ranks).expectSuccess()
        let θ = try parameters("run-\(ranks)")
        #expect(relativeError(θ, expected) < 1e-9)
        #expect(abs(try #require(workspace.steps("run-\(ranks)").first?.loss) - oracle.loss(zeros)) < 1e-12)
        // An evaluation has the cross-entropy with the probabilities themselves, and counts the largest of each row.
        let end = try evaluation("run-\(ranks)", "train")
        #expect(abs(try #require(end.loss) - Self.problem.oracle.loss(θ)) < 1e-12)
        let hits = (0..<Self.rows).count { row in
          let (z, t) = (oracle.logits(θ, row: row), Self.targets[row])
          return z.firstIndex(of: z.max()!) == t.firstIndex(of: t.max()!)
        }
        #expect(end.accuracy == Double(hits) / Double(Self.rows))
      }
    }

    @Test func `A gradient step is the naive gradient, with the rows' weights and the classes'`() throws {
      let ω = (0..<Self.rows).map { [1, 3, 0, 0.5][$0 % 4] }
      let own = [2, 0.5, 1, 4]
      let counts = (0..<Self.classes).map { c in Self.targets.reduce(0) { $0 + $1[c] } }
      let balanced = counts.map { Double(Self.rows) / (Double(Self.classes) * $0) }
      try NPY.write(Vector(ω), to: workspace.path("w.npy"))
      for (setting, classWeights) in [("[2, 0.5, 1, 4]", own), ("balanced", balanced)] {
        try prepare(
          "method: sgd, batch_size: full, learning_rate: 1, momentum: 0, schedule: constant", "steps: 1",
          data: ", class_weights: \(setting)")
        let products = (0..<Self.rows).map { row in
          ω[row] * zip(Self.targets[row], classWeights).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let mean = products.reduce(0, +) / Double(Self.rows)
        let oracle = Self.problem.weighted(products.map { $0 / mean }).oracle
        let g = oracle.gradient([Double](repeating: 0, count: oracle.parameterCount))
        for ranks in [Ranks.plain, .mpirun(3)] {
          try train("run", ["--set", "data.train.weights=w.npy"], ranks: ranks).expectSuccess()
          #expect(relativeError(try parameters("run").map { -$0 }, g) < 1e-12)
          try FileManager.default.removeItem(atPath: workspace.path("run"))
        }
      }
    }

    @Test(arguments: [
      "solver: {kind: cg}, damping: {interval: 1}", "solver: {kind: gram}, step_length: ggn, momentum: 0.5",
      "solver: {kind: gram}, damping: {policy: sweep, interval: 2}, momentum: 0.5",
      "method: ggn, step_length: line-search",
      "method: sgd", "method: adam, learning_rate: 0.01",
    ])
    func `Give one course on any number of ranks, and after a resume`(settings: String) throws {
      try prepare(
        "batch_size: 37, \(settings)", "steps: 12, label_smoothing: 0.05", data: ", validation: {fraction: 0.1}")
      try train("plain").expectSuccess()
      let plain = try workspace.steps("plain")
      #expect(plain.count == 12)
      for ranks in Thoroughness.isFull ? Array(2...4) : [4] {
        try train("ranks-\(ranks)", ranks: .mpirun(ranks)).expectSuccess()
        let difference = lossDifference(try workspace.steps("ranks-\(ranks)"), plain)
        #expect(difference < 1e-9)
        Figures.note("labels that are probabilities on ranks", difference)
        let validation = try evaluation("plain", "validation").loss!
        #expect(abs(try evaluation("ranks-\(ranks)", "validation").loss! - validation) < 1e-9 * validation)
      }
      try train("resumed", ["--resume", "plain/checkpoints/step-00000005.safetensors"]).expectSuccess()
      #expect(try workspace.bytes("resumed/model.safetensors") == workspace.bytes("plain/model.safetensors"))
    }

    @Test func `In reproducible mode every number of ranks gives the same bytes`() throws {
      try prepare("batch_size: 37", "steps: 8, reproducible: true", data: ", class_weights: balanced")
      for (ranks, run) in [(Ranks.plain, "one"), (.mpirun(3), "three")] {
        try train(run, ["--set", "training.precision=float32"], ranks: ranks).expectSuccess()
      }
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("three/model.safetensors"))
      // A resume on another number of ranks has the same weights of classes.
      try train(
        "three", ["--resume", "three/checkpoints/step-00000005.safetensors", "--set", "training.precision=float32"]
      )
      .expectSuccess()
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("three/model.safetensors"))
    }

    @Test func `A resume with other probabilities of the same classes is refused`() throws {
      try prepare("batch_size: 37")
      try train("run").expectSuccess()
      var other = Self.targets
      // Half a row moves towards its class.
      let y = other[7].firstIndex(of: other[7].max()!)!
      other[7] = other[7].indices.map { other[7][$0] / 2 + ($0 == y ? 0.5 : 0) }
      try write(other, "t.npy")
      for ranks in [Ranks.plain, .mpirun(2)] {
        try train("run", ["--resume", "run/checkpoints/step-00000005.safetensors"], ranks: ranks)
          .expectError(64, mentioning: ["data.train", "other values, labels"])
      }
    }

    @Test func `One-hot probabilities give what labels give`() throws {
      let hot = Self.problem.oracle.labels.map { y in (0..<Self.classes).map { $0 == y ? 1.0 : 0 } }
      try prepare("batch_size: 37, solver: {kind: gram}", targets: hot)
      try NPY.write(Self.problem.oracle.labels.map { Int64($0) }, to: workspace.path("y.npy"))
      for (run, labels) in [("hot", "t.npy"), ("hard", "y.npy")] {
        try train(run, ["--set", "data.train.labels=\(labels)"]).expectSuccess()
      }
      // Rows that are all one-hot are labels, bit for bit.
      #expect(try parameters("hot") == parameters("hard"))
      #expect(try workspace.steps("hot").map(\.loss) == workspace.steps("hard").map(\.loss))

      // One row of fractions makes them probabilities, and its weight of 0 leaves that of no account.
      try write([[0.25, 0.25, 0.25, 0.25]] + hot.dropFirst(), "mixed.npy")
      try NPY.write(Vector((0..<Self.rows).map { $0 == 0 ? 0.0 : 1 }), to: workspace.path("w.npy"))
      let weights = ["--set", "data.train.weights=w.npy"]
      for (run, labels) in [("mixed", "mixed.npy"), ("weighted", "y.npy")] {
        let outcome = try train(run, ["--set", "data.train.labels=\(labels)"] + weights)
        outcome.expectSuccess()
        #expect(outcome.output.contains("labels are probabilities") == (run == "mixed"))
      }
      #expect(lossDifference(try workspace.steps("mixed"), try workspace.steps("weighted")) < 1e-12)
      #expect(relativeError(try parameters("mixed"), try parameters("weighted")) < 1e-9)
    }

    @Test func `Sets of either kind go together, and evaluate has the scores of the run`() throws {
      try prepare("batch_size: 37", data: ", test: {features: x.npy, labels: t.npy}")
      let all = try train("soft")
      all.expectSuccess()
      #expect(
        all.output.contains("labels are probabilities,") && !all.output.contains("t.npy: labels are probabilities"))
      let (test, fit) = (try evaluation("soft", "test"), try evaluation("soft", "train"))
      #expect(test.loss == fit.loss && test.accuracy == fit.accuracy)
      let θ = try parameters("soft")
      for ranks in [Ranks.plain, .mpirun(3)] {
        // On the test set of its configuration, and on files of its own.
        for files in [[], ["--features", "x.npy", "--labels", "t.npy"]] {
          let outcome = try Program.run(
            ranks, ["evaluate", "soft/model.safetensors", "--json", "--suspects", "s.csv"] + files, in: workspace)
          outcome.expectSuccess()
          #expect(
            outcome.errorOutput.contains("t.npy: labels are probabilities: the loss is the cross-entropy with them"))
          let scores = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
          let loss = try #require(scores["loss"] as? Double)
          #expect(abs(loss - Self.problem.oracle.loss(θ)) < 1e-12)
          #expect(scores["accuracy"] as? Double == test.accuracy)
          // The label of a suspect is the class of the largest probability.
          let lines = String(decoding: try workspace.bytes("s.csv"), as: UTF8.self).split(separator: "\n").dropFirst()
          #expect(lines.count == 100)
          for line in lines {
            let fields = line.split(separator: ",")
            let (t, y) = (Self.targets[Int(fields[0])!], Int(fields[1])!)
            #expect(t[y] == t.max())
          }
        }
      }
      // A test set of labels beside a training set of probabilities, and the other way round.
      try NPY.write(Self.problem.oracle.labels.map { Int64($0) }, to: workspace.path("y.npy"))
      try train("hard-test", ["--set", "data.test.labels=y.npy"]).expectSuccess()
      #expect(try evaluation("hard-test", "test").loss != test.loss)
      #expect(try evaluation("hard-test", "train").loss == fit.loss)
      let outcome = try train("hard", ["--set", "data.train.labels=y.npy"], ranks: .mpirun(2))
      outcome.expectSuccess()
      #expect(outcome.output.contains("t.npy: labels are probabilities"))
      let hard = try parameters("hard")
      #expect(abs(try evaluation("hard", "test").loss! - Self.problem.oracle.loss(hard)) < 1e-12)
    }

    @Test func `Several files train as one`() throws {
      try prepare("batch_size: 37, solver: {kind: gram}")
      try train("one").expectSuccess()
      for (part, rows) in [0..<100, 100..<Self.rows].enumerated() {
        try write(Array(Self.targets[rows]), "t-\(part).npy")
        try NPY.write(Self.problem.inputs(rows, as: Double.self), to: workspace.path("x-\(part).npy"))
      }
      let files = ["--set", "data.train.features=x-*.npy", "--set", "data.train.labels=t-*.npy"]
      for ranks in [Ranks.plain, .mpirun(2)] {
        try train("several", files, ranks: ranks).expectSuccess()
        #expect(lossDifference(try workspace.steps("several"), try workspace.steps("one")) < 1e-9)
        try FileManager.default.removeItem(atPath: workspace.path("several"))
      }
    }

    @Test func `What predict writes trains another model to the same predictions`() throws {
      try prepare("batch_size: 60, solver: {kind: gram}", "epochs: 30")
      try train("teacher").expectSuccess()
      try Program.run(
        ["predict", "teacher/model.safetensors", "--features", "x.npy", "--probabilities", "p.npy"], in: workspace
      )
      .expectSuccess()
      for (run, precision) in [("pupil", "float64"), ("single", "float32")] {
        try train(
          run, ["--set", "data.train.labels=p.npy", "--set", "training.precision=\(precision)"], ranks: .mpirun(2)
        ).expectSuccess()
        let end = try evaluation(run, "train")
        #expect(try #require(end.accuracy) > 0.97)
        // The least cross-entropy is the entropy of the teacher.
        let p = try NPYArray<Double>(workspace.bytes("p.npy")).values
        let entropy = p.reduce(0) { $0 - $1 * log($1) } / Double(Self.rows)
        let loss = try #require(end.loss)
        #expect(loss > entropy - 1e-6 && loss < 1.01 * entropy)
      }
    }

    @Test func `Tune chooses by their cross-entropy`() throws {
      try prepare("batch_size: 37", "epochs: 2", data: ", validation: {fraction: 0.2}")
      let outcome = try Program.run(
        ["tune", "run.yaml", "--run-directory", "search", "--over", "optimizer.weight_decay=1e-3,1e-1"], in: workspace)
      outcome.expectSuccess()
      #expect(workspace.exists("search/model.safetensors"))
      try Program.run(
        ["predict", "search/model.safetensors", "--features", "x.npy", "--classes", "c.npy"], in: workspace
      )
      .expectSuccess()
    }
  }
}
