import Foundation
import Testing

extension RecoveryTests {
  @Suite("A run that a signal stopped")
  struct ResumeTests {
    struct Variant: Sendable, CustomTestStringConvertible {
      let ranks: Ranks
      let precision: String
      let signal: Int32

      var testDescription: String { "\(ranks), \(precision), signal \(signal)" }

      static let all = [
        Variant(ranks: .plain, precision: "float64", signal: SIGUSR1),
        Variant(ranks: .plain, precision: "float32", signal: SIGTERM),
        Variant(ranks: .mpirun(2), precision: "float64", signal: SIGTERM),
        Variant(ranks: .mpirun(2), precision: "float32", signal: SIGUSR1),
      ]
    }

    private static let steps = 500

    /// A configuration whose optimizer has a memory, on 4000 rows so that each step takes a little time.
    private func prepare(precision: String) throws -> Workspace {
      let workspace = Workspace()
      try Examples(4000, features: 64, classes: 20).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}, normalize: standardize}
        optimizer:
          batch_size: 701
          solver: {kind: cg}
          momentum: 0.9
          damping: {policy: levenberg-marquardt, initial: 1, minimum: 0.05, interval: 3}
        training: {steps: \(Self.steps), precision: \(precision)}
        checkpoint: {every: 0}
        """)
      return workspace
    }

    /// Starts a run, signals one of its ranks at a random step, and returns the step of the checkpoint.
    private func interrupt(
      _ ranks: Ranks, _ run: String, in workspace: Workspace, signal: Int32 = SIGUSR1
    ) throws -> Int {
      let child = try Child(Program.command(ranks, ["train", "run.yaml", "--run-directory", run]), in: workspace)
      let target = Int.random(in: 20..<Self.steps / 2)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount(run) > target })
      let programs = child.programs
      if case .mpirun(let count) = ranks { #expect(programs.count == count) }
      kill(try #require(programs.randomElement()), signal)
      let outcome = try child.wait()
      #expect(outcome.code == 75, "\(outcome.errorOutput)")
      #expect(outcome.errors.isEmpty)
      #expect(outcome.output.contains("stopped by a signal"))

      let end = try #require(try workspace.metrics(run).last)
      #expect(end.event == "end")
      #expect(end.reason == "interrupted")
      #expect((target..<Self.steps).contains(end.step))
      let number = String(end.step)
      let padding = String(repeating: "0", count: 8 - number.count)
      #expect(workspace.checkpoints(run) == ["step-\(padding)\(number).safetensors"])
      #expect(!workspace.exists("\(run)/model.safetensors"))
      return end.step
    }

    @Test(arguments: Variant.all)
    func `Goes on to the same bytes as a run that nothing stopped`(variant: Variant) throws {
      let workspace = try prepare(precision: variant.precision)
      let whole = try Program.run(variant.ranks, ["train", "run.yaml", "--run-directory", "whole"], in: workspace)
      whole.expectSuccess()

      let step = try interrupt(variant.ranks, "run", in: workspace, signal: variant.signal)
      let resumed = try Program.run(
        variant.ranks, ["train", "run.yaml", "--run-directory", "run", "--resume"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step \(step)"))
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      try workspace.expectEveryStepOnce("run", Self.steps)
      #expect(try workspace.steps("run").map(\.loss) == workspace.steps("whole").map(\.loss))
      #expect(try workspace.metrics("run").count { $0.event == "run" } == 2)
    }

    @Test func `Goes on with another number of ranks`() throws {
      let workspace = try prepare(precision: "float64")
      try Program.run(.mpirun(2), ["train", "run.yaml", "--run-directory", "whole"], in: workspace).expectSuccess()
      let whole = try workspace.steps("whole")
      let step = try interrupt(.mpirun(2), "run", in: workspace)
      for (ranks, copy) in [(Ranks.plain, "to-1"), (.mpirun(3), "to-3")] {
        try FileManager.default.copyItem(atPath: workspace.path("run"), toPath: workspace.path(copy))
        // The checkpoint's own path also names the run directory.
        let checkpoint = "\(copy)/checkpoints/\(try #require(workspace.checkpoints("run").first))"
        try Program.run(ranks, ["train", "run.yaml", "--resume", checkpoint], in: workspace).expectSuccess()
        try workspace.expectEveryStepOnce(copy, Self.steps)
        let difference = lossDifference(try workspace.steps(copy), whole)
        #expect(difference < 1e-9, "\(ranks) from step \(step)")
        Figures.note("resume with other ranks", difference)
      }
    }

    @Test(
      arguments: [("auto", "model"), ("measured", "measured")],
      [Ranks.plain, .mpirun(2)])
    func `Keeps the solver that was chosen at the start`(kind: (name: String, reason: String), ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 101, solver: {kind: \(kind.name)}, allreduce: \(kind.name)}
        training: {steps: 20}
        checkpoint: {every: 7}
        """)
      let arguments = ["train", "run.yaml", "--run-directory", "run"]
      let first = try Program.run(ranks, arguments, in: workspace)
      first.expectSuccess()
      #expect(first.output.contains("(\(kind.reason): "))
      // Only measurements give an expected time.
      let end = try #require(try workspace.metrics("run").last)
      #expect((end.plannedSolveSeconds != nil) == (kind.name == "measured"))
      #expect(end.solveSeconds != nil)
      #expect(first.output.contains("expected to take") == (kind.name == "measured"))
      let model = try workspace.bytes("run/model.safetensors")
      let second = try Program.run(
        ranks, arguments + ["--resume", "run/checkpoints/step-00000007.safetensors"], in: workspace)
      second.expectSuccess()
      #expect(second.output.contains("(as planned before: "))
      #expect(try workspace.bytes("run/model.safetensors") == model)

      // An explicit request changes the way of planning.
      let other = kind.name == "auto" ? ("measured", "measured") : ("auto", "model")
      let third = try Program.run(
        ranks,
        arguments + [
          "--resume", "run/checkpoints/step-00000007.safetensors", "--set", "optimizer.solver.kind=\(other.0)",
        ], in: workspace)
      third.expectSuccess()
      #expect(third.output.contains("(\(other.1): "))
    }

    @Test(
      arguments: [
        "fgn, solver: {kind: cg}", "fgn, solver: {kind: gram}", "ggn", "sgd", "adam",
        "fgn, solver: {kind: gram}, damping: {policy: sweep, interval: 3}, metric: {kind: kronecker, interval: 4}",
        "fgn, solver: {kind: gram}, damping: {interval: 4}, nesterov: true, momentum: 0.5",
        "fgn, solver: {kind: gram}, metric: {kind: outputs, interval: 4}",
        "fgn, solver: {kind: gram}, metric: {kind: diagonal, interval: 4}",
      ],
      [Ranks.plain, .mpirun(2)])
    func `Goes on from a checkpoint to the same bytes with every method`(method: String, ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer: {method: \(method), batch_size: 101, weight_decay: 1e-3}
        training: {steps: 20}
        checkpoint: {every: 7}
        """)
      let arguments = ["train", "run.yaml", "--run-directory", "run"]
      try Program.run(ranks, arguments, in: workspace).expectSuccess()
      let (model, losses) = (try workspace.bytes("run/model.safetensors"), try workspace.steps("run").map(\.loss))
      let checkpoint = "run/checkpoints/step-00000007.safetensors"
      try Program.run(ranks, arguments + ["--resume", checkpoint], in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == model)
      #expect(try workspace.steps("run").map(\.loss) == losses)
      try workspace.expectEveryStepOnce("run", 20)
      let summary = try Program.run(["inspect", checkpoint], in: workspace)
      summary.expectSuccess()
      #expect(summary.output.contains("checkpoint after step 7"))
    }

    @Test func `Stops once more and goes on again`() throws {
      let workspace = try prepare(precision: "float32")
      try Program.run(["train", "run.yaml", "--run-directory", "whole"], in: workspace).expectSuccess()
      let step = try interrupt(.plain, "run", in: workspace)
      let child = try Child(
        Program.command(.plain, ["train", "run.yaml", "--run-directory", "run", "--resume"]), in: workspace)
      try #require(
        poll(for: Child.limit) { child.hasEnded || ((try? workspace.steps("run").last?.step) ?? 0) > step + 20 })
      kill(child.pid, SIGTERM)
      #expect(try child.wait().code == 75)
      #expect(workspace.checkpoints("run").count == 2)
      try Program.run(["train", "run.yaml", "--run-directory", "run", "--resume"], in: workspace).expectSuccess()
      try workspace.expectEveryStepOnce("run", Self.steps)
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Resuming without a checkpoint starts at the beginning`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 7}")
      let outcome = try Program.run(["train", "run.yaml", "--resume"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("nothing to resume"))
      try workspace.expectEveryStepOnce("runs/run", 7)
    }
  }
}
