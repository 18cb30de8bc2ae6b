import Foundation
import Testing

extension RunTests {
  @Suite("Until the optimum")
  struct OptimumRunTests {
    private func write(_ settings: String = "", _ training: String = "", to workspace: Workspace) throws {
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 101, weight_decay: 1e-3, decay_biases: false\(settings)}
        training: {until: optimum\(training)}
        checkpoint: {keep: 99}
        """)
    }

    private func train(
      _ run: String, _ arguments: [String] = [], ranks: Ranks = .plain, in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(ranks, ["train", "run.yaml", "--run-directory", run] + arguments, in: workspace)
    }

    private func fullSteps(_ run: String, in workspace: Workspace) throws -> [FullStep] {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try workspace.bytes("\(run)/metrics.jsonl").split(separator: UInt8(ascii: "\n"))
        .map { Data($0) }.filter { String(decoding: $0, as: UTF8.self).contains("\"event\":\"full_step\"") }
        .map { try decoder.decode(FullStep.self, from: $0) }
    }

    private struct FullStep: Decodable {
      let step, solverIterations, passes: Int
      let objective, loss, gradientNorm, gradientRatio, stepNorm, stepLength: Double
      let expectedDecrease, remainingDecrease, decrease, residual, seconds, elapsed: Double
      let termination: String
    }

    @Test func `Reaches the optimum and says so, on any number of ranks and with any method before`() throws {
      let workspace = Workspace()
      try write("", ", precision: float64, tolerance: 1e-9", to: workspace)
      let outcome = try train("run", in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains(/converged: objective 0\.\d+, ‖g‖\/‖g₀‖ \S+, \d+ full passes/))
      let steps = try fullSteps("run", in: workspace)
      let last = try #require(steps.last)
      #expect(steps.map(\.step) == Array((last.step - steps.count + 1)...last.step))
      #expect(last.gradientRatio <= 1e-9 && last.remainingDecrease <= 1e-9 * last.objective)
      for step in steps where step.objective - last.objective > 1e-12 {
        let ratio = step.remainingDecrease / (step.objective - last.objective)
        #expect((0.2...5).contains(ratio), "step \(step.step) takes \(ratio) of what remains for it")
      }
      #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.objective >= $1.objective - 1e-14 })
      #expect(try workspace.metrics("run").last { $0.event == "end" }?.reason == "converged")
      for (run, ranks, settings) in [
        ("three", Ranks.mpirun(3), []), ("sgd", .plain, ["--set", "optimizer.method=sgd"]),
        ("ggn", .plain, ["--set", "optimizer.method=ggn", "--set", "optimizer.metric.kind=identity"]),
      ] {
        try train(run, settings, ranks: ranks, in: workspace).expectSuccess()
        let other = try #require(try fullSteps(run, in: workspace).last)
        #expect(abs(other.objective / last.objective - 1) < 1e-9)
      }
    }

    @Test func `In single precision the objective is that of double precision`() throws {
      let workspace = Workspace()
      try write(to: workspace)
      // The closing line has the objective in float64, whose evaluation in float32 has errors of its own.
      let objectives = try ["float32", "float64"].map { precision in
        let outcome = try train(precision, ["--set", "training.precision=\(precision)"], in: workspace)
        outcome.expectSuccess()
        let line = try #require(outcome.output.firstMatch(of: /converged: objective (0\.\d{9})/))
        return try #require(Double(line.1))
      }
      #expect(abs(objectives[0] / objectives[1] - 1) < 1e-8)
    }

    @Test func `Goes on from any checkpoint to the same bytes, and stays as it is at the end`() throws {
      let workspace = Workspace()
      try write("", "", to: workspace)
      try train("run", in: workspace).expectSuccess()
      let model = try workspace.bytes("run/model.safetensors")
      let checkpoints = workspace.checkpoints("run")
      #expect(checkpoints.count > 3)
      for (index, checkpoint) in checkpoints.enumerated() {
        let name = "resumed-\(index)"
        let outcome = try train(name, ["--resume", "run/checkpoints/\(checkpoint)"], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("converged: "))
        #expect(try workspace.bytes("\(name)/model.safetensors") == model, "\(checkpoint)")
      }
      let again = try train("run", ["--resume"], in: workspace)
      again.expectSuccess()
      #expect(again.output.contains("the way to the optimum ended"))
      #expect(try workspace.bytes("run/model.safetensors") == model)
    }

    @Test func `A signal between steps on all rows saves a checkpoint, from which the run goes on to the same bytes`()
      throws
    {
      let workspace = Workspace()
      try write("", ", precision: float64, tolerance: 1e-12", to: workspace)
      let settings = ["--set", "optimizer.weight_decay=1e-8"]
      try train("whole", settings, in: workspace).expectSuccess()
      for ranks in [Ranks.plain, .mpirun(2)] {
        let run = "\(ranks)".replacing(" ", with: "-")
        let child = try Child(
          Program.command(ranks, ["train", "run.yaml", "--run-directory", run] + settings), in: workspace)
        try #require(
          poll(for: Child.limit) {
            child.hasEnded
              || String(decoding: (try? workspace.bytes("\(run)/metrics.jsonl")) ?? [], as: UTF8.self)
                .contains("full_step")
          })
        if let program = child.programs.randomElement() { kill(program, SIGTERM) }
        #expect(try child.wait().code != 0)
        let outcome = try train(run, ["--resume"] + settings, ranks: ranks, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("converged: "))
        if case .plain = ranks {
          #expect(
            try workspace.bytes("\(run)/model.safetensors") == workspace.bytes("whole/model.safetensors"))
        }
      }
    }

    @Test func `A run that ended with its steps goes on to the optimum`() throws {
      let workspace = Workspace()
      try write(to: workspace)
      try train("run", ["--set", "training.until=steps", "--set", "training.epochs=3"], in: workspace).expectSuccess()
      let outcome = try train("run", ["--resume", "--set", "training.epochs=3"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("converged: "))
    }

    @Test func `From a model near the optimum it takes few passes, whatever the gradient there was`() throws {
      let workspace = Workspace()
      try write("", ", precision: float64, tolerance: 1e-4", to: workspace)
      try train("run", in: workspace).expectSuccess()
      let more = ["--set", "model.initialization=run/model.safetensors", "--set", "training.steps=1"]
      let outcome = try train("again", more, in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("\nconverged: "))
      let (first, again) = (try fullSteps("run", in: workspace).last!, try fullSteps("again", in: workspace).last!)
      #expect(again.passes <= 8, "\(again.passes) passes after \(first.passes)")
      #expect(abs(again.objective / first.objective - 1) < 1e-6)
    }

    @Test func `In reproducible mode every number of ranks gives the same bytes`() throws {
      let workspace = Workspace()
      try write("", ", reproducible: true, virtual_shards: 5", to: workspace)
      for (ranks, run) in [(Ranks.plain, "one"), (.mpirun(3), "three")] {
        try train(run, ranks: ranks, in: workspace).expectSuccess()
      }
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("three/model.safetensors"))
    }

    @Test func `A run that does not get there says so with the remedy, and goes on with more passes`() throws {
      let workspace = Workspace()
      try write("", "", to: workspace)
      let outcome = try train("run", ["--set", "training.max_passes=10"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains(/not converged: objective .* as training.max_passes allows; raise it/))
      #expect(try workspace.metrics("run").last { $0.event == "end" }?.reason == "unconverged")
      let more = try train("run", ["--resume"], in: workspace)
      more.expectSuccess()
      #expect(more.output.contains("\nconverged: "))
    }

    @Test func `Without decay classes that can be separated end at the limit, with the remedy`() throws {
      let workspace = Workspace()
      var examples = Examples(40, features: 4, classes: 2)
      for row in examples.features.indices { examples.features[row][0] = examples.labels[row] == 0 ? -1 : 1 }
      try examples.write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}}
        training: {until: optimum, max_passes: 300}
        """)
      let outcome = try train("run", in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("not converged: "))
      #expect(outcome.output.contains("set optimizer.weight_decay"))
    }

    @Test func `Takes sparse features, label smoothing and weights of classes`() throws {
      let workspace = Workspace()
      var lines = ""
      let examples = Examples(120, features: 6, classes: 3)
      for (row, label) in zip(examples.features, examples.labels) {
        let entries = row.enumerated().filter { abs($1) > 1.5 }.map { "\($0 + 1):\($1)" }
        lines += "\(label) " + entries.joined(separator: " ") + "\n"
      }
      try workspace.write("train.svm", lines)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train.svm}, class_weights: balanced, normalize: none}
        optimizer: {weight_decay: 1e-3}
        training: {until: optimum, precision: float64, label_smoothing: 0.1}
        """)
      var objectives: [Double] = []
      for storage in ["sparse", "dense"] {
        let outcome = try train(storage, ["--set", "data.storage=\(storage)"], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("\nconverged: "))
        objectives.append(try #require(try fullSteps(storage, in: workspace).last).objective)
      }
      #expect(abs(objectives[0] / objectives[1] - 1) < 1e-9)
    }

    @Test(arguments: [
      (", average: ema", "training.average.kind", "none with training.until optimum"),
      (", tolerance: 0", "training.tolerance", "between 0 and 1"),
      (", max_passes: 0", "training.max_passes", "from 1 to"),
    ])
    func `Settings that do not go with it are refused`(setting: String, key: String, words: String) throws {
      let workspace = Workspace()
      try write("", setting, to: workspace)
      try train("run", in: workspace).expectError(64, mentioning: [key, words])
    }
  }
}
