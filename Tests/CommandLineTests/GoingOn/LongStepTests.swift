import Foundation
import Testing

extension RecoveryTests {
  @Suite("A signal in the midst of a step that takes long")
  struct LongStepTests {
    /// Steps of many products take more than a second each, and change the optimizer's memory at their end.
    private func prepare(iterations: Int) throws -> Workspace {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer:
          method: ggn
          batch_size: 1000
          momentum: 0.5
          solver: {kind: cg, tolerance: 1e-30, max_iterations: \(iterations)}
        training: {steps: 4, evaluate_every: 0}
        checkpoint: {every: 0}
        """)
      return workspace
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func `Saves what was before it, though mpirun kills the ranks`(signal: Int32) throws {
      let workspace = try prepare(iterations: 100_000)
      let child = try Child(Program.command(.mpirun(2), Fault.train), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 0 })
      usleep(500_000)
      kill(child.pid, signal)
      #expect(try child.wait(limit: .seconds(15)).code != 0)
      #expect(workspace.checkpoints("run") == ["step-00000000.safetensors"])
      // With steps that end, the result is that of an uninterrupted run.
      let short = ["--set", "optimizer.solver.max_iterations=3"]
      let resumed = try Program.run(.mpirun(2), Fault.train + ["--resume"] + short, in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step 0 from "))
      try Program.run(.mpirun(2), ["train", "run.yaml", "--run-directory", "whole"] + short, in: workspace)
        .expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Saves the memory that belongs to the step`() throws {
      let workspace = try prepare(iterations: 3000)
      let child = try Child(Program.command(.mpirun(2), Fault.train), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 2 })
      kill(child.pid, SIGTERM)
      _ = try child.wait(limit: .seconds(15))
      #expect(!workspace.checkpoints("run").isEmpty)
      let resumed = try Program.run(.mpirun(2), Fault.train + ["--resume"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step "))
      try Program.run(.mpirun(2), ["train", "run.yaml", "--run-directory", "whole"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Saves and goes on where nobody kills the process`() throws {
      let workspace = try prepare(iterations: 100_000)
      let child = try Child(Program.command(.plain, Fault.train), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 0 })
      usleep(500_000)
      kill(child.pid, SIGHUP)
      #expect(poll(for: .seconds(10)) { !workspace.checkpoints("run").isEmpty })
      usleep(300_000)
      #expect(!child.hasEnded, "the step goes on to its end")
      kill(child.pid, SIGKILL)
      let outcome = try child.wait()
      #expect(outcome.errorOutput.contains("in the midst of a step") && outcome.errorOutput.contains("step-00000000"))
    }
  }
}
