import Foundation
import Testing

extension ProcessTests {
  @Suite("Output that gets lost is an error of output")
  struct StandardOutputTests {
    private static let commands = [
      ["evaluate", "run/model.safetensors", "--json"], ["evaluate", "run/model.safetensors"],
      ["inspect", "run/model.safetensors", "--config"], ["export", "run/model.safetensors", "--out", "e.safetensors"],
      ["convert", "train-features.npy", "--labels", "train-labels.npy", "--output", "t.csv"], ["report", "run"],
      ["--version"], ["--help"], ["help", "train"],
    ]

    private func trained() throws -> Workspace {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 3}")
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      return workspace
    }

    @Test(arguments: ["exec \"$@\" >/dev/full", "exec \"$@\" >&-", "\"$@\" | exec 0<&-; exit ${PIPESTATUS[0]}"])
    func `Wherever it goes`(script: String) throws {
      let workspace = try trained()
      let model = try workspace.bytes("run/model.safetensors")
      for command in Self.commands {
        // The reader of a pipe must have ended before the program writes.
        let prefix = script.contains("|") ? "sleep 0.3; " : ""
        let line = script.contains("|") ? script.replacing("\"$@\" |", with: "{ \(prefix)\"$@\"; } |") : script
        let outcome = try Child(["bash", "-c", line, "bash"] + Program.command(.plain, command), in: workspace).wait()
        #expect(outcome.code == 74, "\(command): \(outcome.errorOutput)")
        #expect(
          outcome.errors.count == 1 && outcome.errors[0].contains("standard output: write: "),
          "\(command): \(outcome.errorOutput)")
      }
      #expect(try workspace.bytes("run/model.safetensors") == model)
    }

    @Test func `A closed output harms no file of a run`() throws {
      let workspace = try trained()
      let arguments = ["train", "run.yaml", "--run-directory"]
      try Child(
        ["bash", "-c", "exec \"$@\" >&- 2>&- <&-", "bash", Program.path] + arguments + ["closed"], in: workspace
      )
      .wait().expectSuccess()
      #expect(try workspace.bytes("closed/model.safetensors") == workspace.bytes("run/model.safetensors"))
      try workspace.expectEveryStepOnce("closed", 3)
    }
  }
}
