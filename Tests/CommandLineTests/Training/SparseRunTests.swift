import Foundation
import Testing

extension RunTests {
  /// Examples with their zeros and without, in float64: differences are rounding.
  @Suite("Sparse features")
  struct SparseRunTests {
    private static let model = "run/model.safetensors"

    /// 240 examples with 6 of 80 features each, and 4 classes that depend on some of them.
    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      for (name, rows) in [("train", 0..<200), ("test", 200..<240)] {
        var text = ""
        for row in rows {
          let label = row * 7 % 4
          let columns = Set(
            (0..<5).map { (row * 31 + $0 * $0 * 17) % 76 } + [76 + (row % 5 == 0 ? (label + 1) % 4 : label)])
          let entries = columns.sorted().map { "\($0 + 1):\(Double((row + $0) % 9 + 1) / 4)" }
          text += "\(label - 1) \(entries.joined(separator: " "))\n"
        }
        try workspace.write("\(name).svm", text)
      }
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train.svm}, test: {features: test.svm}, normalize: unit-variance}
        optimizer: {batch_size: 48, weight_decay: 1e-3, solver: {kind: gram}}
        training: {epochs: 3, precision: float64}
        checkpoint: {every: 5}
        """)
      return workspace
    }

    private func train(
      _ name: String, _ settings: [String] = [], ranks: Ranks = .plain, _ arguments: [String] = [],
      in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", name] + settings.flatMap { ["--set", $0] } + arguments,
        in: workspace)
    }

    @Test(arguments: [
      ["optimizer.nesterov=true"], ["optimizer.metric.kind=outputs", "optimizer.weight_decay=1e-3"],
      ["optimizer.metric.kind=diagonal", "optimizer.weight_decay=1e-3"],
      ["optimizer.solver.kind=cg", "optimizer.solver.tolerance=1e-12"],
      ["optimizer.method=sgd"], ["optimizer.method=adam"],
      ["optimizer.method=ggn", "optimizer.solver.kind=cg"],
      [
        "model.layers=[{linear: 8}, tanh]", "optimizer.metric.kind=identity",
        // The default follows from the storage.
        "optimizer.damping={initial: 0.3, minimum: 0.3}", "model.initialization=start.safetensors",
      ],
    ])
    func `Train the model that they train with their zeros`(settings: [String]) throws {
      let workspace = try prepare()
      if settings.contains(where: { $0.contains("start") }) {
        // Random weights are drawn in the order of their storage.
        try train("start", ["model.layers=[{linear: 8}, tanh]", "training.steps=1"], in: workspace).expectSuccess()
        try FileManager.default.copyItem(
          atPath: workspace.path("start/model.safetensors"), toPath: workspace.path("start.safetensors"))
      }
      try train("dense", settings + ["data.storage=dense"], in: workspace).expectSuccess()
      for ranks in [Ranks.plain, .mpirun(3)] {
        try? FileManager.default.removeItem(atPath: workspace.path("run"))
        let outcome = try train("run", settings + ["data.storage=sparse"], ranks: ranks, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("sparse, 6 values each"))
        #expect(lossDifference(try workspace.steps("run"), try workspace.steps("dense")) < 1e-9, "\(ranks)")
        let scores = try ["run", "dense"].map { name in
          try Program.run(["evaluate", "\(name)/model.safetensors", "--features", "test.svm"], in: workspace).output
        }
        #expect(scores[0] == scores[1] && scores[0].contains("(40 examples)"))
      }
    }

    @Test func `Their models take features of either kind`() throws {
      let workspace = try prepare()
      let outcome = try train("run", in: workspace)
      outcome.expectSuccess()
      // Few values are stored, so that the features are sparse by default.
      #expect(outcome.output.contains("sparse"))
      var table = ""
      for line in String(decoding: try workspace.bytes("test.svm"), as: UTF8.self).split(separator: "\n") {
        var row = [String](repeating: "0", count: 80)
        for entry in line.split(separator: " ").dropFirst() {
          let parts = entry.split(separator: ":")
          row[Int(parts[0])! - 1] = String(parts[1])
        }
        table += (row + [String(line.split(separator: " ")[0])]).joined(separator: ",") + "\n"
      }
      try workspace.write("test.csv", table)
      for (name, ranks) in [("svm", Ranks.mpirun(2)), ("csv", .plain)] {
        try Program.run(
          ranks, ["predict", Self.model, "--features", "test.\(name)", "--logits", "\(name).npy"], in: workspace
        ).expectSuccess()
      }
      let (sparse, dense) = (
        try NPYArray<Double>(workspace.bytes("svm.npy")).values, try NPYArray<Double>(workspace.bytes("csv.npy")).values
      )
      #expect(sparse.count == 160 && zip(sparse, dense).allSatisfy { abs($0 - $1) < 1e-12 })
      #expect(Set(sparse).count > 100)
      let inspection = try Program.run(["inspect", Self.model], in: workspace)
      #expect(inspection.output.contains("4 × 80"))
      try Program.run(
        ["export", Self.model, "--out", "folded.safetensors", "--fold-normalization"], in: workspace
      ).expectSuccess()
    }

    @Test func `A run goes on to the same bytes`() throws {
      let workspace = try prepare()
      try train("whole", ["training.reproducible=true"], in: workspace).expectSuccess()
      try train("run", ["training.reproducible=true"], ranks: .mpirun(2), in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      let resumption = ["--resume", "run/checkpoints/step-00000005.safetensors"]
      try train("run", ["training.reproducible=true"], ranks: .mpirun(3), resumption, in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      try train("run", ["training.reproducible=true", "data.storage=dense"], resumption, in: workspace)
        .expectError(64, mentioning: ["data.storage", "set it to sparse"])
    }

    @Test(arguments: [
      (["data.normalize=standardize"], "data.normalize"),
      (["data.storage=sparse", "data.normalize=standardize"], "data.normalize"),
      (["optimizer.metric.kind=inputs"], "optimizer.metric.kind"),
      (["data.storage=sparse", "model.layers=[layer_norm]"], "model.layers[0]"),
      (["data.storage=sparse", "data.train.format=csv"], "data.storage"),
    ])
    func `Refuse what would fill them in`(settings: [String], key: String) throws {
      let workspace = try prepare()
      for ranks in [Ranks.plain, .mpirun(2)] {
        try train("run", settings, ranks: ranks, in: workspace).expectError(64, mentioning: [key])
      }
    }

    @Test func `A perceptron with defaults trains`() throws {
      let workspace = try prepare()
      let outcome = try train("run", ["model.layers=[{linear: 16}, tanh]", "training.epochs=8"], in: workspace)
      outcome.expectSuccess()
      let losses = try workspace.steps("run").compactMap(\.loss)
      #expect(losses.last! < 0.5 * losses[0])
    }
  }
}
