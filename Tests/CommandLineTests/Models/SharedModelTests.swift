import Datasets
import Foundation
import LinearAlgebra
import Testing
import Training

extension DataTests {
  @Suite("A model whose classes ranks share out")
  struct SharedModelTests {
    private static let model = "run/model.safetensors"
    private static let network = "model: {layers: [{linear: 12}, tanh]}"
    private static let shared = ["--shard", "classes"]

    /// A model of ten classes, its test set of 90 examples, and a validation set.
    private func train(_ settings: String = "", _ precision: String = "float64") throws -> Workspace {
      let workspace = Workspace()
      try Examples(300, features: 12, classes: 10).write(to: workspace)
      try Examples(90, features: 12, classes: 10).write("test", to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data:
          train: {features: train-features.npy, labels: train-labels.npy}
          test: {features: test-features.npy, labels: test-labels.npy}
          normalize: standardize
          validation: {fraction: 0.2}
        training: {steps: 60, precision: \(precision)}
        \(settings)
        """)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      return workspace
    }

    private func numbers(_ text: some StringProtocol) -> [Double] {
      text.split { !"0123456789.eE+-".contains($0) }.compactMap { Double($0) }
    }

    private func expectAlike(_ one: String, _ other: String, _ ε: Double = 1e-9) {
      let (a, b) = (numbers(one), numbers(other))
      #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= ε * max(1, abs($1)) }, "\(one) \(other)")
    }

    private func text(_ name: String, in workspace: Workspace) throws -> String {
      String(decoding: try workspace.bytes(name), as: UTF8.self)
    }

    @Test(arguments: [("", "float64"), (network, "float64"), (network, "float32")])
    func `Has the scores and predictions of one process`(run: (settings: String, precision: String)) throws {
      let workspace = try train(run.settings, run.precision)
      let ε = run.precision == "float64" ? 1e-9 : 1e-4
      func evaluate(_ ranks: Ranks, _ name: String, _ options: [String]) throws -> String {
        let outcome = try Program.run(
          ranks,
          ["evaluate", Self.model, "--json", "--classes", "\(name).classes.csv", "--suspects", "\(name).suspects.csv"]
            + ["--confusion", "\(name).confusion.csv"] + options, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.errorOutput.contains("classes are shared out") == (!options.isEmpty && name != "alone"))
        try Program.run(
          ranks,
          ["predict", Self.model, "--features", "test-features.npy", "--probabilities", "\(name).p.csv"]
            + ["--logits", "\(name).z.csv", "--classes", "\(name).c.npy"] + options, in: workspace
        ).expectSuccess()
        return outcome.output
      }
      let one = try evaluate(.plain, "one", [])
      // One process has nothing to share out.
      #expect(try evaluate(.plain, "alone", Self.shared) == one)
      for ranks in [2, 3, 4] {
        expectAlike(try evaluate(.mpirun(ranks), "all", Self.shared), one, ε)
        for file in ["classes.csv", "suspects.csv", "p.csv", "z.csv"] {
          expectAlike(try text("all.\(file)", in: workspace), try text("one.\(file)", in: workspace), ε)
        }
        for file in ["confusion.csv", "c.npy"] {
          #expect(try workspace.bytes("all.\(file)") == workspace.bytes("one.\(file)"))
        }
      }
      for name in ["alone.p.csv", "alone.z.csv"] {
        #expect(try workspace.bytes(name) == workspace.bytes(name.replacing("alone", with: "one")))
      }
    }

    @Test func `Is calibrated, and is what a run begins with`() throws {
      let workspace = try train()
      for (ranks, options, name) in [(Ranks.plain, [], "one"), (.mpirun(3), Self.shared, "all")] as [(_, [String], _)] {
        try Program.run(
          ranks, ["calibrate", Self.model, "--out", "\(name).safetensors"] + options, in: workspace
        ).expectSuccess()
        try Program.run(
          ranks,
          ["train", "run.yaml", "--run-directory", name, "--set", "model.initialization=\(name).safetensors"]
            + ["--set", "optimizer.solver.kind=gram"]
            + (options.isEmpty ? [] : ["--set", "model.head.shard=classes"]), in: workspace
        ).expectSuccess()
      }
      let files = try ["one", "all"].map { try Safetensors.load(path: workspace.path("\($0).safetensors")) }
      #expect(files[0].tensors.map(\.name) == files[1].tensors.map(\.name))
      for entry in files[0].tensors {
        let a: Vector<Double> = try files[0].vector(named: entry.name)
        let b: Vector<Double> = try files[1].vector(named: entry.name)
        #expect((0..<a.count).allSatisfy { abs(a[$0] - b[$0]) < 1e-6 * max(1, abs(a[$0])) })
      }
      #expect(lossDifference(try workspace.steps("all"), try workspace.steps("one")) < 1e-6)
    }

    @Test func `Is shared out where a rank has no memory for it, or its run asked for it`() throws {
      let workspace = try train()
      func note(_ environment: [String: String] = [:], _ options: [String] = []) throws -> String {
        let outcome = try Program.run(
          .mpirun(2), ["evaluate", Self.model] + options, in: workspace, environment: environment)
        outcome.expectSuccess()
        return outcome.errorOutput
      }
      #expect(try !note().contains("head:"))
      let small = ["FGN_MEMORY_LIMIT": "500000"]
      let shared = "head: classes are shared out over the ranks"
      #expect(try note(small).contains("\(shared) (whole, it does not fit into memory)"))
      #expect(try !note(small, ["--shard", "none"]).contains("head:"))
      let settings = ["--set", "model.head.shard={classes: 2}", "--run-directory", "run-2"]
      try Program.run(.mpirun(2), ["train", "run.yaml"] + settings, in: workspace).expectSuccess()
      let outcome = try Program.run(.mpirun(3), ["evaluate", "run-2/model.safetensors"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.errorOutput.contains(shared))
    }

    @Test func `Bad input ends all ranks with its code`() throws {
      let workspace = try train()
      func run(_ arguments: [String]) throws -> Outcome {
        try Program.run(.mpirun(3), arguments + Self.shared, in: workspace)
      }
      try run(["evaluate", "missing.safetensors"]).expectError(66, mentioning: ["missing.safetensors"])
      try run(["predict", Self.model, "--features", "missing.npy", "--classes", "c.npy"])
        .expectError(66, mentioning: ["missing.npy"])
      try Program.run(["evaluate", Self.model, "--shard", "rows"], in: workspace)
        .expectError(64, mentioning: ["--shard", "rows"])
      var bad = Examples(90, features: 12, classes: 10)
      bad.features[71][3] = .nan
      try bad.write("bad", to: workspace)
      for (command, output) in [("evaluate", ["--labels", "bad-labels.npy"]), ("predict", ["--classes", "c.npy"])] {
        try run([command, Self.model, "--features", "bad-features.npy"] + output)
          .expectError(65, mentioning: ["bad-features.npy", "example 71", "feature 3"])
      }
      try workspace.change(Self.model) { $0[$0.count - 3] ^= 1 }
      for command in ["evaluate", "calibrate"] {
        try run([command, Self.model]).expectError(65, mentioning: [Self.model, "checksum"])
      }
      try Program.run(
        .mpirun(3),
        ["train", "run.yaml", "--run-directory", "b", "--set", "model.initialization=\(Self.model)"]
          + ["--set", "model.head.shard=classes"], in: workspace
      ).expectError(65, mentioning: [Self.model, "checksum"])
      #expect(!workspace.exists("c.npy"))
    }
  }
}
