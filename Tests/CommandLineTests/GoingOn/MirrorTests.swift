import Foundation
import Testing

extension RecoveryTests {
  @Suite("A run with a mirror for its checkpoints")
  struct MirrorTests {
    private static let train = ["train", "run.yaml", "--set", "checkpoint.mirror=copies"]
    private static let newest = "run/checkpoints/step-00000012.safetensors"

    private let workspace = Workspace()

    init() throws {
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write(
        "run.yaml",
        Fault.configuration.replacing("steps: 4", with: "steps: 20, evaluate_every: 0")
          .replacing("batch_size: 16", with: "batch_size: 16, schedule: {kind: constant}, solver: {kind: cg}")
          + "checkpoint: {every: 3, keep: 2}\n")
    }

    /// The same number of ranks throughout, whose sums have the same bits.
    private func train(_ options: [String] = [], directory: String = "run") throws -> Outcome {
      try Program.run(.mpirun(2), Self.train + ["--run-directory", directory] + options, in: workspace)
    }

    /// The run as far as step 12.
    private func begin() throws {
      try train(["--set", "training.steps=12"]).expectSuccess()
      for name in ["run", "copies/run"] {
        #expect(workspace.checkpoints(name) == ["step-00000009.safetensors", "step-00000012.safetensors"])
        try FileManager.default.removeItem(atPath: workspace.path("\(name)/model.safetensors"))
      }
      #expect(try workspace.bytes(Self.newest) == workspace.bytes("copies/\(Self.newest)"))
      #expect(try workspace.bytes("run/config.yaml") == workspace.bytes("copies/run/config.yaml"))
      #expect(try workspace.metrics("run").filter { $0.event == "mirror" }.last?.step == 12)
    }

    private func expectWholeModel() throws {
      try train(directory: "whole").expectSuccess()
      for name in ["run", "copies/run"] {
        #expect(try workspace.bytes("\(name)/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      }
    }

    @Test func `Goes on to the same bytes where its directory is lost`() throws {
      try begin()
      try FileManager.default.removeItem(atPath: workspace.path("run"))
      let outcome = try train(["--resume"])
      outcome.expectSuccess()
      #expect(outcome.output.contains("resuming after step 12 from copies/\(Self.newest)"))
      #expect(try workspace.steps("run").map(\.step) == Array(13...20))
      try expectWholeModel()
    }

    @Test func `Takes from it what is damaged in its directory`() throws {
      try begin()
      try workspace.change(Self.newest) { $0[$0.count - 9] ^= 0x40 }
      let outcome = try train(["--resume"])
      outcome.expectSuccess()
      #expect(outcome.output.contains("resuming after step 12 from copies/\(Self.newest)"))
      #expect(outcome.output.contains(try Regex("warning: .*damaged: \(Self.newest)")))
      try workspace.expectEveryStepOnce("run", 20)
      try expectWholeModel()
    }

    @Test func `Warns once and ends well where it cannot be written`() throws {
      try workspace.write("copies", "a file")
      let outcome = try train()
      outcome.expectSuccess()
      #expect(outcome.output.split(separator: "\n").count { $0.contains("warning: no copy in checkpoint.mirror") } == 1)
      #expect(outcome.output.contains("copies/run: create folder: Not a directory"))
      #expect(try workspace.metrics("run").filter { $0.event == "warning" }.count == 1)
      #expect(workspace.exists("run/model.safetensors"))
    }

    @Test func `Refuses another run and its own directory`() throws {
      try begin()
      try train(directory: "there/run")
        .expectError(64, mentioning: ["copies/run", "already holds a run", "--resume"])
      try train(["--resume", "--set", "checkpoint.mirror=run/checkpoints"])
        .expectError(64, mentioning: ["checkpoint.mirror", "run/checkpoints", "name a folder on another disk"])
      try Program.run(["tune", "run.yaml", "--run-directory", "t", "--set", "checkpoint.mirror=copies"], in: workspace)
        .expectError(64, mentioning: ["checkpoint.mirror", "for train alone"])
    }
  }
}
