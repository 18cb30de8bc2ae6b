import Datasets
import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A head whose classes ranks share out")
  struct SharedClassesRunTests {
    private static let shared = "model.head.shard=classes"
    /// Groups of two ranks.
    private static let groups = "model.head.shard={classes: 2}"

    /// Ten classes are no multiple of 3 or 4; the digits are dense, and the same in LIBSVM's format sparse.
    private func prepare(_ settings: String, data: String = "", training: String = "") throws -> Workspace {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        \(data)
        optimizer: {batch_size: 101, \(settings)}
        training: {steps: 20, precision: float64, \(training)}
        checkpoint: {every: 6, keep: 9}
        """)
      return workspace
    }

    private func train(
      _ run: String, ranks: Int, _ settings: [String] = [shared], _ more: [String] = [], in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(
        .mpirun(ranks), ["train", "run.yaml", "--run-directory", run] + more + settings.flatMap { ["--set", $0] },
        in: workspace)
    }

    /// The largest relative difference of numbers of two files, whose tensors have the same names and shapes.
    private func difference(_ one: String, _ other: String, in workspace: Workspace) throws -> Double {
      let files = try [one, other].map { try Safetensors.load(path: workspace.path($0), requireChecksum: true) }
      #expect(files[0].tensors.map(\.name) == files[1].tensors.map(\.name))
      return try files[0].tensors.map { entry in
        let a: Vector<Double> = try files[0].vector(named: entry.name, shape: entry.tensor.shape)
        let b: Vector<Double> = try files[1].vector(named: entry.name, shape: entry.tensor.shape)
        let scale = (0..<a.count).map { abs(a[$0]) }.max() ?? 0
        return (0..<a.count).map { abs(a[$0] - b[$0]) }.max()! / max(scale, 1e-300)
      }.max()!
    }

    static let methods = [
      "method: fgn, solver: {kind: cg}, weight_decay: 1e-3",
      "method: fgn, solver: {kind: gram}, metric: {kind: diagonal}, damping: {minimum: 0.01, interval: 1}",
      "method: fgn, solver: {kind: gram-cg}, step_length: line-search, nesterov: true",
      "method: ggn, step_length: ggn", "method: sgd, nesterov: true, weight_decay: 1e-3", "method: adam",
    ]

    private static let network = "model: {layers: [{linear: 12}, tanh, {linear: 9}, relu]}"

    @Test(arguments: methods, ["", network])
    func `Has the losses, scores and files of a single process`(method: String, network: String) throws {
      // The metric of a network has matrices by default.
      let hasMatrices = !network.isEmpty && method.hasPrefix("method: fgn") && !method.contains("metric")
      let method = hasMatrices ? method + ", metric: {kind: identity}" : method
      let workspace = try prepare(
        method, data: "data: {validation: {fraction: 0.2}, class_weights: balanced}\n" + network,
        training: "evaluate_every_steps: 7, average: {kind: tail}, label_smoothing: 0.05")
      try train("one", ranks: 1, [], in: workspace).expectSuccess()
      let whole = try workspace.metrics("one")
      let runs = [(3, Self.shared), (4, Self.groups)]
      for (ranks, share) in runs + (Thoroughness.isFull ? [(1, Self.shared), (2, Self.shared), (6, Self.groups)] : []) {
        try train("\(ranks)", ranks: ranks, [share], in: workspace).expectSuccess()
        try workspace.expectEveryStepOnce("\(ranks)", 20)
        let own = try workspace.metrics("\(ranks)")
        #expect(lossDifference(try workspace.steps("\(ranks)"), try workspace.steps("one")) < 1e-9)
        let scores = [own, whole].map { $0.filter { $0.event == "evaluation" } }
        #expect(scores[0].count == scores[1].count && scores[0].count > 4)
        for (mine, other) in zip(scores[0], scores[1]) {
          #expect(abs(mine.loss! / other.loss! - 1) < 1e-9)
          #expect(mine.accuracy == other.accuracy && mine.balancedAccuracy == other.balancedAccuracy)
          #expect(mine.split == other.split && mine.modelStep == other.modelStep)
        }
        for file in ["model.safetensors", "checkpoints/step-00000012.safetensors"] {
          #expect(try difference("\(ranks)/\(file)", "one/\(file)", in: workspace) < 1e-6)
        }
      }
    }

    @Test(
      arguments: [
        ("metric: {kind: diagonal}, solver: {kind: gram}", ""), ("method: adam", ""), ("method: adam", network),
        ("metric: {kind: identity}, solver: {kind: gram}, momentum: 0.5", network),
        ("metric: {kind: diagonal}, solver: {kind: gram-cg}", network),
      ], [false, true])
    func `Goes on with any number of ranks, and with whole classes`(
      run: (settings: String, network: String), isSparse: Bool
    ) throws {
      let settings = run.settings
      let data =
        (isSparse
          ? "data: {train: {features: train.svm}, storage: sparse, normalize: unit-variance}\n" : "") + run.network
      let workspace = try prepare(settings, data: data)
      if isSparse { try workspace.write("train.svm", SharedClassesRunTests.sparseText) }
      try train("whole", ranks: 1, [], in: workspace).expectSuccess()
      try train("first", ranks: 3, in: workspace).expectSuccess()
      #expect(lossDifference(try workspace.steps("first"), try workspace.steps("whole")) < 1e-9)
      for (name, ranks, settings) in [
        ("same", 3, [Self.shared]), ("fewer", 2, [Self.shared]), ("whole-2", 2, []), ("alone", 1, [Self.shared]),
        ("groups", 4, [Self.groups]),
      ] {
        try FileManager.default.copyItem(atPath: workspace.path("first"), toPath: workspace.path(name))
        let checkpoint = "\(name)/checkpoints/step-00000006.safetensors"
        try train(name, ranks: ranks, settings, ["--resume", checkpoint], in: workspace).expectSuccess()
        try workspace.expectEveryStepOnce(name, 20)
        #expect(lossDifference(try workspace.steps(name), try workspace.steps("whole")) < 1e-9, "\(name)")
      }
      #expect(try workspace.bytes("same/model.safetensors") == workspace.bytes("first/model.safetensors"))
      // And from whole classes to shared ones.
      try train(
        "whole", ranks: 4, [Self.shared], ["--resume", "whole/checkpoints/step-00000006.safetensors"], in: workspace
      ).expectSuccess()
      #expect(lossDifference(try workspace.steps("whole"), try workspace.steps("first")) < 1e-9)
    }

    /// Rows of four features, of 45, for labels from 0 to 6.
    private static let sparseText = (0..<300).map { row in
      let columns = Set((0..<4).map { (row * 31 + $0 * $0 * 17) % 45 }).sorted()
      let entries = columns.map { "\($0 + 1):\(Double((row + $0) % 9 + 1) / 4)" }
      return "\((row + row / 45 % 3 / 2) % 7) \(entries.joined(separator: " "))\n"
    }.joined()

    @Test(arguments: ["", network]) func `Takes probabilities for labels`(network: String) throws {
      let workspace = Workspace()
      try Examples(60, features: 5, classes: 3).write(to: workspace)
      let rows: [[Float]] = [[0.75, 0.125, 0.125], [0, 0.875, 0.125], [0.25, 0.25, 0.5]]
      let probabilities = Matrix(Vector((0..<60).flatMap { rows[($0 + $0 / 7) % 3] }), 60, 3)
      try NPY.write(probabilities, to: workspace.path("probabilities.npy"))
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: probabilities.npy}, normalize: standardize}
        optimizer: {batch_size: 16, metric: {kind: identity}, solver: {kind: gram}}
        training: {steps: 12, precision: float64}
        \(network)
        """)
      try train("one", ranks: 1, [], in: workspace).expectSuccess()
      try train("three", ranks: 3, in: workspace).expectSuccess()
      #expect(lossDifference(try workspace.steps("three"), try workspace.steps("one")) < 1e-9)
    }

    @Test(arguments: ["gram", "auto"]) func `May have fewer classes than ranks`(solver: String) throws {
      let workspace = Workspace()
      try Examples(40, features: 5, classes: 2).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}, normalize: standardize}
        optimizer: {batch_size: 16, solver: {kind: \(solver)}, weight_decay: 1e-3, decay_to: initial}
        training: {steps: 12, precision: float64}
        """)
      let same = solver == "auto" ? ["optimizer.solver.kind=gram-cg"] : []
      try train("one", ranks: 1, same, in: workspace).expectSuccess()
      try train("four", ranks: 4, in: workspace).expectSuccess()
      #expect(lossDifference(try workspace.steps("four"), try workspace.steps("one")) < 1e-9)
      #expect(try difference("four/model.safetensors", "one/model.safetensors", in: workspace) < 1e-6)
      // More ranks than classes go on as well.
      try train("four", ranks: 3, [Self.shared, "training.steps=16"], ["--resume"], in: workspace).expectSuccess()
      try workspace.expectEveryStepOnce("four", 16)
    }

    // Between these sizes the matrix of a batch pays for four classes, and not for three.
    @Test(arguments: [560, 600, 640, 660]) func `All ranks take the same solver`(batchSize: Int) throws {
      let workspace = try prepare("damping: {interval: 3}")
      let settings = [Self.shared, "training.steps=3", "optimizer.batch_size=\(batchSize)"]
      let outcome = try train("run", ranks: 3, settings, in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("(the rule where ranks share out classes)"))
      try workspace.expectEveryStepOnce("run", 3)
    }

    @Test func `A sweep has a matrix, or is refused`() throws {
      let workspace = try prepare("damping: {policy: sweep}")
      let settings = [Self.shared, "training.steps=2"]
      try train("run", ranks: 2, settings + ["optimizer.batch_size=640"], in: workspace).expectSuccess()
      try train("full", ranks: 2, settings + ["optimizer.batch_size=full"], in: workspace)
        .expectError(
          64, mentioning: ["optimizer.damping.policy", "sweep needs the matrix", "lower optimizer.batch_size"])
    }

    @Test func `A search leaves out what it does not go with`() throws {
      let workspace = try prepare("method: fgn")
      let search = try Program.run(
        .mpirun(2),
        [
          "tune", "run.yaml", "--run-directory", "search", "--set", Self.shared, "--set", "training.steps=4",
          "--longer", "0",
        ], in: workspace)
      search.expectSuccess()
      #expect(workspace.exists("search/model.safetensors"))
      // Settings whose groups need all ranks train one after the other, or not at all.
      func tune(_ options: String...) throws -> Outcome {
        try Program.run(
          .mpirun(4),
          ["tune", "run.yaml", "--run-directory", "groups", "--over", "optimizer.damping.initial=0.1,0.3"]
            + ["--set", "model.head.shard={classes: 4}", "--set", "training.steps=4", "--longer", "0"] + options,
          in: workspace)
      }
      try tune("--groups", "2").expectError(64, mentioning: ["--groups 2", "model.head.shard"])
      try tune().expectSuccess()
    }

    @Test(arguments: [SIGTERM, SIGKILL])
    func `Goes on with the same bits when a signal or a kill has stopped it`(signal: Int32) throws {
      let workspace = try prepare("method: fgn, solver: {kind: cg}", training: "epochs: 1")
      // A killed one has been writing checkpoints most of the time.
      let settings = [Self.shared, "training.steps=400", "checkpoint.every=\(signal == SIGKILL ? 1 : 0)"]
      try train("whole", ranks: 2, settings, in: workspace).expectSuccess()
      try workspace.stopTraining("run", settings, ranks: .mpirun(2), signal: signal)
      #expect(signal == SIGKILL || workspace.checkpoints("run").count == 1)
      try train("run", ranks: 2, settings, ["--resume"], in: workspace).expectSuccess()
      try workspace.expectEveryStepOnce("run", 400)
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test(arguments: [
      ("optimizer.metric.kind=kronecker", "optimizer.metric.kind"),
      ("optimizer.solver.kind=measured", "optimizer.solver.kind"),
      ("training.reproducible=true", "training.reproducible"), ("training.until=optimum", "training.until"),
      ("model.head.shard=rows", "model.head.shard"), ("model.head.shard={classes: 3}", "model.head.shard"),
      ("model.head.shard={classes: 1}", "model.head.shard"),
    ])
    func `Is refused with what it does not go with`(setting: String, key: String) throws {
      let workspace = try prepare("method: fgn")
      try train("run", ranks: 2, [Self.shared, setting], in: workspace)
        .expectError(64, mentioning: [key])
      #expect(!FileManager.default.fileExists(atPath: workspace.path("run")))
    }
  }
}
