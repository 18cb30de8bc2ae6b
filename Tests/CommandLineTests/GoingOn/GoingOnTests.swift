import Datasets
import Foundation
import LinearAlgebra
import Testing

extension RecoveryTests {
  @Suite("Going on with a run")
  struct GoingOnTests {
    private let arguments = ["train", "run.yaml", "--run-directory", "run"]

    private func prepare(_ examples: Examples = Examples(40, features: 6, classes: 3)) throws -> Workspace {
      let workspace = Workspace()
      try examples.write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}}
        optimizer: {batch_size: 20}
        training: {epochs: 3}
        """)
      return workspace
    }

    @Test func `More epochs change the rate aloud, and fewer than are done are refused`() throws {
      let workspace = try prepare()
      try Program.run(arguments, in: workspace).expectSuccess()
      let model = try workspace.bytes("run/model.safetensors")
      let configuration = try workspace.bytes("run/config.yaml")
      for ranks in [Ranks.plain, .mpirun(2)] {
        try Program.run(ranks, arguments + ["--resume", "--set", "training.epochs=2"], in: workspace)
          .expectError(64, mentioning: ["training.epochs", "2 make 4 steps", "has 6 done"])
      }
      #expect(try workspace.bytes("run/model.safetensors") == model)
      #expect(try workspace.bytes("run/config.yaml") == configuration)
      let again = try Program.run(arguments + ["--resume"], in: workspace)
      again.expectSuccess()
      #expect(!again.output.contains("note: the rate"))
      #expect(try workspace.bytes("run/model.safetensors") == model)
      let more = try Program.run(arguments + ["--resume", "--set", "training.epochs=6"], in: workspace)
      more.expectSuccess()
      #expect(
        more.output.contains("note: the rate goes from 0.05 at step 6 to 0.15, for training.epochs is 6 and was 3"))
      try workspace.expectEveryStepOnce("run", 12)
    }

    @Test func `Other settings of the optimizer are said aloud`() throws {
      let workspace = try prepare()
      try Program.run(arguments, in: workspace).expectSuccess()
      func resume(_ settings: [String]) throws -> String {
        let run = try Program.run(
          arguments + ["--resume"] + (["training.epochs=4"] + settings).flatMap { ["--set", $0] }, in: workspace)
        run.expectSuccess()
        return run.output
      }
      let state = try workspace.bytes("run/checkpoints/step-00000006.safetensors")
      #expect(try !resume(["logging.every=2", "training.evaluate_every=2"]).contains("note: goes on with"))
      for name in workspace.checkpoints("run") {
        try FileManager.default.removeItem(atPath: workspace.path("run/checkpoints/\(name)"))
      }
      try workspace.write("run/checkpoints/step-00000006.safetensors", state)
      let settings = [
        "optimizer.momentum=0.5", "optimizer.weight_decay=0.01", "optimizer.step_length=line-search",
        "optimizer.solver.max_iterations=7", "optimizer.damping.initial=7", "model.initialization=scaled",
      ]
      let output = try resume(settings)
      for said in [
        "note: goes on with ", "optimizer.momentum 0.5 (was 0.9)", "optimizer.weight_decay 0.01 (was 0",
        "optimizer.step_length line-search (was unit)", "optimizer.solver.max_iterations 7 (was 50)",
        "optimizer.damping.initial 7", "note: model.initialization is not read",
      ] { #expect(output.contains(said), "\(said): \(output)") }
      // λ restarts if its initial value has changed.
      #expect(output.contains("λ 7 "), "\(output)")
    }

    @Test func `The start says the λ that the first step takes`() throws {
      let workspace = try prepare()
      let damping = ["optimizer.damping={initial: 1, minimum: 0.01, interval: 1}"]
      func run(_ settings: [String], _ more: [String] = []) throws -> String {
        let outcome = try Program.run(arguments + more + settings.flatMap { ["--set", $0] }, in: workspace)
        outcome.expectSuccess()
        return outcome.output
      }
      #expect(try run(damping).contains("damping 1 levenberg-marquardt"))
      func resume(_ epochs: Int, _ settings: [String]) throws -> (output: String, lambda: String) {
        let before = try workspace.steps("run").count
        let output = try run(settings + ["training.epochs=\(epochs)"], ["--resume"])
        let lambda = try #require(try workspace.steps("run")[before].damping)
        return (output, String(format: "%.4g", lambda))
      }
      let adapting = try resume(4, damping)
      #expect(adapting.lambda != "1" && adapting.output.contains("damping \(adapting.lambda) levenberg-marquardt"))
      let constant = try resume(5, damping + ["optimizer.damping.policy=constant"])
      #expect(constant.lambda == "1" && constant.output.contains("damping 1 constant"), "\(constant)")
      #expect(constant.output.contains("λ 1 (was "), "\(constant.output)")
    }

    @Test func `Other values, labels or another order of them are refused, and other files of the same are not`() throws
    {
      let examples = Examples(40, features: 6, classes: 3)
      let workspace = try prepare(examples)
      try Program.run(arguments, in: workspace).expectSuccess()
      let model = try workspace.bytes("run/model.safetensors")
      var (value, label, order) = (examples, examples, examples)
      value.features[39][5] += 0.5
      label.labels[20] = (label.labels[20] + 1) % 3
      order.features.swapAt(8, 30)
      order.labels.swapAt(8, 30)
      for changed in [value, label, order] {
        try changed.write(to: workspace)
        for ranks in [Ranks.plain, .mpirun(3)] {
          try Program.run(ranks, arguments + ["--resume"], in: workspace)
            .expectError(64, mentioning: ["data.train", "model.initialization=run/checkpoints/step-00000006"])
        }
        #expect(try workspace.bytes("run/model.safetensors") == model)
      }
      // The remedy in the message works.
      try Program.run(
        ["train", "run.yaml", "--run-directory", "other", "--set"]
          + ["model.initialization=run/checkpoints/step-00000006.safetensors"], in: workspace
      ).expectSuccess()

      for (name, rows) in [("a", 0..<17), ("b", 17..<40)] {
        let values = examples.features[rows].joined().map { $0 }
        try NPY.write(Matrix(Vector(values), rows.count, 6), to: workspace.path("\(name)-features.npy"))
        try NPY.write(examples.labels[rows].map { Int64($0) }, to: workspace.path("\(name)-labels.npy"))
      }
      let files = [
        "--set", "data.train.features=[a-features.npy, b-features.npy]", "--set",
        "data.train.labels=[a-labels.npy, b-labels.npy]",
      ]
      for ranks in [Ranks.plain, .mpirun(2)] {
        try Program.run(ranks, arguments + ["--resume", "--set", "training.epochs=4"] + files, in: workspace)
          .expectSuccess()
      }
    }

    @Test func `Features of several scales are learnt by default, and a resumed run keeps what it began with`() throws {
      var examples = Examples(300, features: 6, classes: 3)
      for row in examples.features.indices { examples.features[row][2] *= 65536 }
      let workspace = try prepare(examples)
      let outcome = try Program.run(arguments, in: workspace)
      outcome.expectSuccess()
      #expect(
        outcome.output.contains("normalize standardize (feature 2 goes to ") && !outcome.output.contains("warning"))
      #expect(
        try String(decoding: workspace.bytes("run/config.yaml"), as: UTF8.self).contains("normalize: standardize"))
      func accuracy(_ run: String) throws -> Double { try workspace.metrics(run).compactMap(\.accuracy).last ?? 0 }

      let scaled = ["train", "run.yaml", "--run-directory", "scaled", "--set", "data.normalize=scale"]
      let second = try Program.run(scaled, in: workspace)
      second.expectSuccess()
      #expect(
        second.output.contains("warning: feature 2 goes to ") && second.output.contains("set data.normalize to auto"))
      #expect(try workspace.metrics("scaled").contains { $0.event == "warning" })
      #expect(try accuracy("run") > accuracy("scaled") + 0.1)

      for ranks in [Ranks.plain, .mpirun(2)] {
        let outcome = try Program.run(
          ranks, ["train", "run.yaml", "--run-directory", "scaled", "--resume", "--set", "training.epochs=5"],
          in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("normalize scale (as the run began)"))
      }
    }

    @Test func `A run without a step ends with what to change, and bounds by default let it find one`() throws {
      let workspace = try prepare()
      // No step of this length lowers the loss before the damping is large.
      let settings = [
        "optimizer.batch_size=full", "optimizer.learning_rate=1e6", "optimizer.schedule.kind=constant",
        "training.steps=60", "optimizer.damping={interval: 1, initial: 0.1, minimum: 0.1}",
      ]
      let command = ["train", "run.yaml"] + settings.flatMap { ["--set", $0] }
      for ranks in [Ranks.plain, .mpirun(2)] {
        let run = "\(ranks)"
        let outcome = try Program.run(
          ranks, command + ["--run-directory", run, "--set", "optimizer.damping.maximum=1"], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("warning: none of the 60 steps was taken"))
        #expect(outcome.output.contains("optimizer.damping.maximum (1)"))
        // One warning about the maximal damping, although each step is an epoch, and one at the end.
        #expect(try workspace.metrics(run).count { $0.event == "warning" } == 2)
      }
      let outcome = try Program.run(command + ["--run-directory", "free"], in: workspace)
      outcome.expectSuccess()
      #expect(!outcome.output.contains("none of the"))
    }
  }
}
