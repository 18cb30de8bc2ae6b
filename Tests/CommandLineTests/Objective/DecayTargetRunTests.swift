import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A run that decays to the model that it begins with")
  struct DecayTargetRunTests {
    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      try workspace.write(
        "given.yaml", "{optimizer: {batch_size: 101}, training: {steps: 30, precision: float64}}")
      try Program.run(["train", "given.yaml", "--run-directory", "given"], in: workspace).expectSuccess()
      try workspace.write(
        "run.yaml",
        """
        model: {initialization: given/model.safetensors}
        optimizer: {batch_size: 101, weight_decay: 0.1, decay_to: initial}
        training: {steps: 40, precision: float64}
        checkpoint: {every: 10, keep: 9}

        """)
      return workspace
    }

    @discardableResult
    private func train(
      _ run: String, _ settings: [String] = [], ranks: Ranks = .plain, resume: [String] = [], in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", run] + resume + settings.flatMap { ["--set", $0] },
        in: workspace)
    }

    private func parameters(_ run: String, in workspace: Workspace) throws -> [Double] {
      let file = try Safetensors.load(path: workspace.path("\(run)/model.safetensors"), requireChecksum: true)
      return try file.tensors.filter { $0.name.hasPrefix("model.") }
        .flatMap { try file.vector(named: $0.name, as: Double.self).array }
    }

    private func distance(_ x: [Double], _ y: [Double]) -> Double {
      zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }

    @Test(arguments: ["method=fgn", "method=ggn", "method=sgd", "method=adam", "adam.decoupled_weight_decay=true"])
    func `Stays nearer to it than to zero`(setting: String) throws {
      let workspace = try prepare()
      let isAdam = setting.contains("adam")
      let settings =
        ["optimizer.\(setting)", "optimizer.weight_decay=1", "optimizer.learning_rate=\(isAdam ? 0.01 : 0.1)"]
        + (setting.hasPrefix("adam.") ? ["optimizer.method=adam"] : [])
      try train("near", settings, in: workspace).expectSuccess()
      try train("zero", settings + ["optimizer.decay_to=zero"], in: workspace).expectSuccess()
      let given = try parameters("given", in: workspace)
      let (near, zero) = (
        distance(try parameters("near", in: workspace), given), distance(try parameters("zero", in: workspace), given)
      )
      #expect(near < 0.1 * distance(given, given.map { _ in 0 }) && zero > 2 * near, "\(near) \(zero)")
    }

    @Test(arguments: ["fgn, solver: {kind: gram}", "fgn, nesterov: true, solver: {kind: cg}", "ggn", "sgd", "adam"])
    func `Is the same on any number of ranks, and goes on to the same bytes`(method: String) throws {
      let workspace = try prepare()
      let settings = ["optimizer={method: \(method), batch_size: 101, weight_decay: 0.1, decay_to: initial}"]
      try train("plain", settings, in: workspace).expectSuccess()
      let one = try workspace.steps("plain")
      for count in Thoroughness.isFull ? Array(1...4) : [3] {
        try train("\(count)", settings, ranks: .mpirun(count), in: workspace).expectSuccess()
        #expect(lossDifference(try workspace.steps("\(count)"), one) < 1e-9, "\(count) ranks")
      }
      let model = try workspace.bytes("plain/model.safetensors")
      // The given model is not needed any more.
      try FileManager.default.removeItem(atPath: workspace.path("given"))
      let resume = ["--resume", "plain/checkpoints/step-00000020.safetensors"]
      try train("plain", settings, resume: resume, in: workspace).expectSuccess()
      #expect(try workspace.bytes("plain/model.safetensors") == model)
    }

    @Test func `Does not go on towards anything else`() throws {
      let workspace = try prepare()
      try train("run", in: workspace).expectSuccess()
      for (setting, words) in [
        ("optimizer.decay_to=zero", ["optimizer.decay_to: zero", "saved with initial"]),
        ("optimizer.weight_decay=0", ["optimizer.weight_decay: 0.0", "saved with 0.1"]),
      ] {
        try train("run", [setting, "training.steps=50"], resume: ["--resume"], in: workspace)
          .expectError(64, mentioning: words)
      }
      let unread = try train("other", ["optimizer.weight_decay=0"], in: workspace)
      unread.expectSuccess()
      #expect(unread.output.contains("optimizer.decay_to"))
    }
  }
}
