import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A head without biases")
  struct HeadBiasRunTests {
    private static let model = "run/model.safetensors"

    /// Examples in arrays and in LIBSVM's format.
    private func prepare(_ settings: String = "", data: String = "") throws -> Workspace {
      let workspace = Workspace()
      try Examples(300, features: 12, classes: 5).write(to: workspace)
      var text = ""
      for row in 0..<300 {
        // Rows with the same features have several labels, so that no model is right on all of them.
        let (column, label) = (45 + row % 5, (row + row / 45 % 3 / 2) % 5)
        let columns = Set((0..<4).map { (row * 31 + $0 * $0 * 17) % 45 } + [column])
        let entries = columns.sorted().map { "\($0 + 1):\(Double((row + $0) % 9 + 1) / 4)" }
        text += "\(label) \(entries.joined(separator: " "))\n"
      }
      try workspace.write("train.svm", text)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}\(data)}
        model: {bias: false}
        optimizer: {batch_size: 64, weight_decay: 1e-3\(settings)}
        training: {steps: 12, precision: float64}
        checkpoint: {every: 4, keep: 99}
        """)
      return workspace
    }

    @discardableResult
    private func train(
      _ run: String = "run", _ settings: [String] = [], ranks: Ranks = .plain, _ more: [String] = [],
      in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", run] + more + settings.flatMap { ["--set", $0] }, in: workspace)
    }

    private func tensors(_ file: String, in workspace: Workspace) throws -> [String] {
      try Safetensors.load(path: workspace.path(file), requireChecksum: true).tensors.map(\.name)
    }

    struct Variant: Sendable, CustomTestStringConvertible {
      var settings: [String]
      var tensors = ["model.0.weight"]
      var testDescription: String { settings.joined(separator: " ") }

      static let sparse = [
        "data.train={features: train.svm, labels: null}", "data.storage=sparse", "data.normalize=unit-variance",
      ]
      static let all = [
        Variant(settings: ["optimizer.solver.kind=gram"]),
        Variant(settings: ["optimizer.solver.kind=cg", "optimizer.metric.kind=kronecker"]),
        Variant(settings: [
          "optimizer.solver.kind=gram", "optimizer.metric.kind=diagonal", "optimizer.decay_to=initial",
        ]),
        Variant(settings: ["optimizer.method=ggn", "training.average=ema"]),
        Variant(settings: ["optimizer.method=adam", "optimizer.adam.decoupled_weight_decay=true"]),
        Variant(settings: sparse + ["optimizer.solver.kind=gram", "optimizer.metric.kind=diagonal"]),
        Variant(settings: sparse + ["optimizer.method=sgd"]),
        Variant(settings: sparse + ["optimizer.solver.kind=cg", "optimizer.metric.kind=outputs"]),
        Variant(
          settings: ["model.layers=[{linear: 9}, tanh]", "optimizer.solver.kind=gram"],
          tensors: ["model.0.weight", "model.0.bias", "model.2.weight"]),
        Variant(
          settings: [
            "model.layers=[{convolution: {channels: 2, kernel: 2}}, tanh, flatten]", "model.input_shape=[3, 4]",
          ], tensors: ["model.0.weight", "model.0.bias", "model.3.weight"]),
        Variant(settings: ["training.until=optimum"]),
        Variant(settings: sparse + ["training.until=optimum"]),
      ]
    }

    @Test(arguments: Variant.all)
    func `Is the same on any number of ranks, and goes on to the same bytes`(variant: Variant) throws {
      let workspace = try prepare()
      try train("plain", variant.settings, in: workspace).expectSuccess()
      #expect(try tensors("plain/model.safetensors", in: workspace) == variant.tensors)
      let one = try workspace.steps("plain")
      for count in Thoroughness.isFull ? Array(1...4) : [3] {
        try train("\(count)", variant.settings, ranks: .mpirun(count), in: workspace).expectSuccess()
        #expect(lossDifference(try workspace.steps("\(count)"), one) < 1e-9, "\(count) ranks")
      }
      let model = try workspace.bytes("plain/model.safetensors")
      try train(
        "plain", variant.settings, ["--resume", "plain/checkpoints/step-00000008.safetensors"], in: workspace
      ).expectSuccess()
      #expect(try workspace.bytes("plain/model.safetensors") == model)
    }

    @Test(arguments: [[], Variant.sparse])
    func `Has the same bytes on any number of ranks where that is asked for`(settings: [String]) throws {
      let workspace = try prepare(", solver: {kind: gram}, metric: {kind: diagonal}")
      for (run, ranks) in [("one", Ranks.plain), ("three", .mpirun(3))] {
        try train(run, settings + ["training.reproducible=true"], ranks: ranks, in: workspace).expectSuccess()
      }
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("three/model.safetensors"))
    }

    @Test func `Has an optimum that is worse than with biases that do not decay`() throws {
      let workspace = try prepare()
      let optimum = ["training.until=optimum", "training.tolerance=1e-9"]
      try train("without", optimum, in: workspace).expectSuccess()
      try train("with", optimum + ["model.bias=true", "optimizer.decay_biases=false"], in: workspace).expectSuccess()
      func objective(_ run: String) throws -> Double {
        let text = String(decoding: try workspace.bytes("\(run)/metrics.jsonl"), as: UTF8.self)
        let found = try #require(text.matches(of: /"objective":([0-9.e-]+)/).last?.1)
        return try #require(Double(found))
      }
      #expect(try objective("with") < objective("without"))
    }

    @Test(arguments: [[], Variant.sparse, ["model.layers=[{linear: 9}, tanh]"]])
    func `Is evaluated, predicts, is calibrated and exported, and begins other runs`(settings: [String]) throws {
      let workspace = try prepare()
      try train("run", settings, in: workspace).expectSuccess()
      let examples =
        settings == Variant.sparse ? ["--features", "train.svm"] : ["--features", "train-features.npy"]
      let labels = settings == Variant.sparse ? [] : ["--labels", "train-labels.npy"]
      func logits(_ model: String) throws -> [Double] {
        try Program.run(["predict", model, "--logits", "z.npy"] + examples, in: workspace).expectSuccess()
        return try NPYArray<Double>(workspace.bytes("z.npy")).values
      }
      try Program.run(["evaluate", Self.model] + examples + labels, in: workspace).expectSuccess()
      let expected = try logits(Self.model)
      for (name, options) in [("e.safetensors", []), ("e32.safetensors", ["--precision", "float32"])] {
        try Program.run(["export", Self.model, "--out", name] + options, in: workspace).expectSuccess()
        #expect(zip(try logits(name), expected).allSatisfy { abs($0 - $1) < (options.isEmpty ? 1e-12 : 1e-5) })
      }
      try Program.run(["export", Self.model, "--out", "arrays", "--format", "npy"], in: workspace).expectSuccess()
      let names = try tensors(Self.model, in: workspace)
      #expect(workspace.names("arrays").count == names.count + 1)
      try Program.run(["calibrate", Self.model, "--out", "c.safetensors"] + examples + labels, in: workspace)
        .expectSuccess()
      let factors = zip(try logits("c.safetensors"), expected).filter { abs($1) > 1e-3 }.map { $0 / $1 }
      #expect(factors.allSatisfy { abs($0 / factors[0] - 1) < 1e-9 } && abs(factors[0] - 1) > 1e-3)
      let inspected = try Program.run(["inspect", Self.model], in: workspace)
      #expect(inspected.output.contains("linear 5 without bias"))

      let next = settings + ["model.initialization=\(Self.model)"]
      try train("next", next, in: workspace).expectSuccess()
      try train("other", next + ["model.bias=true"], in: workspace)
        .expectError(65, mentioning: [Self.model, "bias\"", "is missing", "set model.bias to false"])
      try train("biased", settings + ["model.bias=true"], in: workspace).expectSuccess()
      try train(
        "another", settings + ["model.initialization=biased/model.safetensors"], ranks: .mpirun(3), in: workspace
      )
      .expectError(65, mentioning: ["biased/model.safetensors", "bias\"", "set model.bias to true"])
    }

    @Test func `Takes no means at export, and no biases on resuming`() throws {
      let workspace = try prepare(data: ", normalize: standardize")
      try train(in: workspace).expectSuccess()
      try Program.run(["export", Self.model, "--out", "e.safetensors", "--fold-normalization"], in: workspace)
        .expectError(64, mentioning: [Self.model, "no bias", "without --fold-normalization"])
      #expect(!workspace.exists("e.safetensors"))
      for ranks in [Ranks.plain, .mpirun(3)] {
        try train("run", ["model.bias=true", "training.steps=20"], ranks: ranks, ["--resume"], in: workspace)
          .expectError(64, mentioning: ["model.bias", "saved with false"])
      }
      try train("scaled", ["data.normalize=unit-variance"], in: workspace).expectSuccess()
      try Program.run(
        ["export", "scaled/model.safetensors", "--out", "e.safetensors", "--fold-normalization"], in: workspace
      ).expectSuccess()
    }

    @Test func `Is a setting that a search may try`() throws {
      let workspace = try prepare()
      try Program.run(
        [
          "tune", "run.yaml", "--run-directory", "search", "--over", "model.bias=true,false", "--set",
          "training.steps=30",
        ],
        in: workspace
      ).expectSuccess()
      #expect(try Set(workspace.table("search").map { $0["model.bias"] }) == ["true", "false"])
      // Where there are no biases, whether they decay is no setting.
      try Program.run(
        [
          "tune", "run.yaml", "--run-directory", "decay", "--over", "optimizer.decay_biases=true,false", "--over",
          "optimizer.weight_decay=1e-3,1e-2",
        ], in: workspace
      ).expectSuccess()
      #expect(try Set(workspace.table("decay").map { $0["setting"] }).count == 2)
    }
  }
}
