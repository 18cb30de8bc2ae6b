import Foundation
import Testing

extension RecoveryTests {
  @Suite("Resuming a finished run")
  struct FinishedRunTests {
    private let train = ["train", "run.yaml", "--run-directory", "run"]
    private let model = "run/model.safetensors"
    private let configuration = "run/config.yaml"

    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      try workspace.write("run.yaml", "{training: {steps: 7}, checkpoint: {every: 3}, logging: {tensorboard: false}}")
      try Program.run(train, in: workspace).expectSuccess()
      return workspace
    }

    private func resume(
      _ workspace: Workspace, _ settings: String..., ranks: Ranks = .plain, from checkpoint: [String] = []
    ) throws -> Outcome {
      try Program.run(ranks, train + ["--resume"] + checkpoint + settings.flatMap { ["--set", $0] }, in: workspace)
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Leaves the model and config.yaml as they are, whatever settings come with it`(_ ranks: Ranks) throws {
      let workspace = try prepare()
      let (model, configuration) = (try workspace.bytes(model), try workspace.bytes(configuration))
      let plain = try resume(workspace, ranks: ranks)
      plain.expectSuccess()
      #expect(plain.output.contains("note: all 7 steps are done, so the model and config.yaml stay as they are\n"))
      let changed = try resume(
        workspace, "optimizer.weight_decay=0.5", "optimizer.damping.initial=9", "logging.every=2",
        "optimizer.adam.beta1=0", "model.initialization=scaled", ranks: ranks)
      changed.expectSuccess()
      for said in [
        "optimizer.weight_decay 0.5 (was 0", "optimizer.damping.initial 9 (was",
        "model.initialization scaled (was zeros)",
        "raise training.steps to go on", "the model is run/model.safetensors, as it was",
      ] { #expect(changed.output.contains(said), "\(said): \(changed.output)") }
      for unsaid in ["beta1", "logging", "goes on with", "model saved"] {
        #expect(!changed.output.contains(unsaid), "\(unsaid): \(changed.output)")
      }
      #expect(try workspace.bytes(self.model) == model)
      #expect(try workspace.bytes(self.configuration) == configuration)
      try workspace.expectEveryStepOnce("run", 7)
    }

    @Test func `Saves the model that the last step left if it is missing, as that step would have`() throws {
      let workspace = try prepare()
      let (model, configuration) = (try workspace.bytes(model), try workspace.bytes(configuration))
      for path in [self.model, self.configuration] { try FileManager.default.removeItem(atPath: workspace.path(path)) }
      let outcome = try resume(workspace, "optimizer.weight_decay=0.5", "training.seed=0")
      outcome.expectSuccess()
      #expect(outcome.output.contains("model saved to run/model.safetensors"))
      #expect(try workspace.bytes(self.model) == model)
      #expect(try workspace.bytes(self.configuration) == configuration)
    }

    @Test func `Does not take an earlier checkpoint for the end`() throws {
      let workspace = try prepare()
      let (model, configuration) = (try workspace.bytes(model), try workspace.bytes(configuration))
      let third = "run/checkpoints/step-00000003.safetensors"
      for ranks in [Ranks.plain, .mpirun(2)] {
        for steps in [2, 3] {
          try resume(workspace, "training.steps=\(steps)", ranks: ranks, from: [third])
            .expectError(64, mentioning: ["training.steps", "\(steps) make", third])
        }
        try resume(workspace, "training.steps=6", ranks: ranks).expectError(
          64, mentioning: ["6 make 6 steps", "has 7 done"])
      }
      #expect(try workspace.bytes(self.model) == model)
      #expect(try workspace.bytes(self.configuration) == configuration)
      try workspace.expectEveryStepOnce("run", 7)
      try resume(workspace, from: [third]).expectSuccess()
      #expect(try workspace.bytes(self.model) == model)
    }

    @Test func `Ends a run that was stopped, with the model of its checkpoint`() throws {
      let workspace = try prepare()
      let third = "run/checkpoints/step-00000003.safetensors"
      let command = ["train", "run.yaml", "--run-directory", "new", "--resume", third, "--set", "training.steps=3"]
      try Program.run(command, in: workspace).expectSuccess()
      #expect(try workspace.bytes("new/config.yaml") == workspace.bytes(configuration))
      for file in [third, "new/model.safetensors"] {
        let outcome = try Program.run(["inspect", file], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("model.0.weight"))
      }
    }
  }
}
