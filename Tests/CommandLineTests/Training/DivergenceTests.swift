import Foundation
import Testing
import Training

extension RunTests {
  @Suite("A run whose parameters are no longer finite")
  struct DivergenceTests {
    /// With these settings each step is taken.
    private static let damped = ["optimizer.damping.policy=constant", "optimizer.step_length=unit"]
    private static let methods = [
      ["optimizer.method=sgd", "optimizer.momentum=0"], ["optimizer.method=sgd"], ["optimizer.method=adam"],
      ["optimizer.method=fgn"] + damped, ["optimizer.method=fgn", "optimizer.nesterov=true"] + damped,
      ["optimizer.method=ggn"] + damped,
    ]

    private func workspace(_ settings: [String]) throws -> (Workspace, arguments: [String]) {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      return (workspace, Fault.train + settings.flatMap { ["--set", $0] })
    }

    @Test(arguments: methods)
    func `Keeps none of it, and ends with 70`(settings: [String]) throws {
      for ranks in [Ranks.plain, .mpirun(2)] {
        let (workspace, arguments) = try workspace(settings)
        let outcome = try Program.run(
          ranks, arguments + ["--set", "training.steps=1", "--set", "optimizer.learning_rate=1e39"], in: workspace)
        outcome.expectError(70, mentioning: ["step 1", "diverged", "optimizer.learning_rate"])
        #expect(!workspace.exists("run/model.safetensors"))
        #expect(workspace.checkpoints("run").isEmpty)
      }
    }

    @Test(arguments: methods)
    func `Leaves the checkpoint before as the newest, from which it goes on`(settings: [String]) throws {
      let (workspace, arguments) = try workspace(settings + ["checkpoint.every=1"])
      try Program.run(arguments + ["--set", "training.steps=2"], in: workspace).expectSuccess()
      try FileManager.default.removeItem(atPath: workspace.path("run/model.safetensors"))
      let outcome = try Program.run(arguments + ["--resume", "--set", "optimizer.learning_rate=1e39"], in: workspace)
      outcome.expectError(70, mentioning: ["step 3", "diverged"])
      #expect(!workspace.exists("run/model.safetensors"))
      #expect(workspace.checkpoints("run").last == "step-00000002.safetensors")
      let resumed = try Program.run(arguments + ["--resume"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step 2"))
    }

    @Test
    func `Whose numbers are finite, but not its training loss, has no model`() throws {
      let (workspace, arguments) = try workspace(["optimizer.method=sgd", "training.precision=float64"])
      let outcome = try Program.run(
        arguments + ["--set", "training.steps=1", "--set", "optimizer.learning_rate=1e308"], in: workspace)
      outcome.expectError(70, mentioning: ["step 1", "training loss", "diverged"])
      #expect(!workspace.exists("run/model.safetensors"))
    }

    /// Such checkpoints come from versions that did not check.
    @Test(arguments: ["model.0.bias", "optimizer.last_step"], [Float.nan, .infinity])
    func `Is not resumed`(name: String, number: Float) throws {
      let (workspace, arguments) = try workspace(["checkpoint.every=2"])
      try Program.run(arguments, in: workspace).expectSuccess()
      let newest = "run/checkpoints/step-00000004.safetensors"
      let good = try Safetensors.load(path: workspace.path(newest))
      var bad = TensorFile()
      bad.metadata = good.metadata
      for entry in good.tensors {
        var bytes = entry.tensor.bytes
        if entry.name == name { withUnsafeBytes(of: number) { bytes.replaceSubrange(4..<8, with: $0) } }
        bad.add(entry.name, Tensor(dtype: entry.tensor.dtype, shape: entry.tensor.shape, bytes: bytes))
      }
      try Safetensors.save(bad, to: workspace.path(newest))
      try Program.run(arguments + ["--resume", newest], in: workspace)
        .expectError(65, mentioning: [newest, name, "not finite"])
      try Program.run(.mpirun(2), arguments + ["--resume"], in: workspace)
        .expectError(65, mentioning: [newest, name, "--resume run/checkpoints/step-00000002.safetensors"])
      let resumed = try Program.run(arguments + ["--resume", "--fall-back"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step 2"))
    }
  }
}
