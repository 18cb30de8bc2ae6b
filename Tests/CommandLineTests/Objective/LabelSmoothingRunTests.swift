import Foundation
import Testing

extension RunTests {
  @Suite("Label smoothing")
  struct LabelSmoothingRunTests {
    private func write(_ settings: String, _ training: String = "label_smoothing: 0.1", to workspace: Workspace) throws
    {
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 101, \(settings)}
        training: {steps: 20, precision: float64, \(training)}
        checkpoint: {every: 8}
        """)
    }

    private func train(
      _ run: String, _ arguments: [String] = [], ranks: Ranks = .plain, in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(ranks, ["train", "run.yaml", "--run-directory", run] + arguments, in: workspace)
    }

    @Test(arguments: [
      "solver: {kind: cg}, damping: {minimum: 0.01, interval: 1}", "solver: {kind: gram}, step_length: ggn",
      "solver: {kind: gram}, metric: {kind: kronecker, interval: 3}, nesterov: true, momentum: 0.5",
      "solver: {kind: gram}, damping: {policy: sweep, interval: 1}, momentum: 0.5, weight_decay: 1e-3",
      "method: ggn, step_length: line-search", "method: adam, learning_rate: 0.01",
    ])
    func `Takes the same course on any number of ranks, and after a resume`(settings: String) throws {
      let workspace = Workspace()
      try write(settings, to: workspace)
      try train("plain", in: workspace).expectSuccess()
      let plain = try workspace.steps("plain")
      #expect(try #require(plain.last?.loss) < 0.95 * #require(plain.first?.loss))
      for ranks in Thoroughness.isFull ? Array(2...4) : [3] {
        try train("ranks-\(ranks)", ranks: .mpirun(ranks), in: workspace).expectSuccess()
        let difference = lossDifference(try workspace.steps("ranks-\(ranks)"), plain)
        #expect(difference < 1e-9)
        Figures.note("label smoothing on ranks", difference)
      }
      let checkpoint = "plain/checkpoints/step-00000008.safetensors"
      try train("resumed", ["--resume", checkpoint], in: workspace).expectSuccess()
      #expect(try workspace.bytes("resumed/model.safetensors") == workspace.bytes("plain/model.safetensors"))
    }

    @Test func `In reproducible mode every number of ranks gives the same bytes`() throws {
      let workspace = Workspace()
      try write("", "label_smoothing: 0.2, reproducible: true", to: workspace)
      for (ranks, run) in [(Ranks.plain, "one"), (.mpirun(3), "three")] {
        try train(run, ranks: ranks, in: workspace).expectSuccess()
      }
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("three/model.safetensors"))
    }

    @Test func `Steps report the smoothed objective, and evaluations the labels' loss`() throws {
      let workspace = Workspace()
      try write("learning_rate: 0.2", "label_smoothing: 0.5", to: workspace)
      try train("run", ["--set", "training.steps=200"], in: workspace).expectSuccess()
      let step = try #require(try workspace.steps("run").last)
      let end = try #require(try workspace.metrics("run").last { $0.split == "train" })
      // With ten classes the smoothed loss is at least the entropy of (0.55, 0.05, …), 1.677.
      let loss = try #require(step.loss)
      #expect(loss > 1.67 && loss < 1.85)
      #expect(try #require(end.loss) < 1)
      #expect(try #require(end.accuracy) > 0.95)
    }

    @Test func `A resume with another smoothing is refused, and a share of 1 as well`() throws {
      let workspace = Workspace()
      try write("", to: workspace)
      try train("run", in: workspace).expectSuccess()
      for (value, words) in [
        ("0.2", ["training.label_smoothing", "0.2 does not go on with", "saved with 0.1"]),
        ("1", ["training.label_smoothing", "1.0 is impossible; it must be at least 0 and less than 1"]),
      ] {
        let outcome = try train("run", ["--resume", "--set", "training.label_smoothing=\(value)"], in: workspace)
        #expect(outcome.code == 64)
        for word in words { #expect(outcome.errorOutput.contains(word), "\(outcome.errorOutput)") }
      }
    }
  }
}
