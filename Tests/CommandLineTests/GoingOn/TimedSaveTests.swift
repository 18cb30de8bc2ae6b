import Foundation
import Testing

extension RecoveryTests {
  @Suite("Checkpoints by time")
  struct TimedSaveTests {
    @Test func `Come on several ranks at a time and do not change the run`() throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml", "training: {steps: 1000000, evaluate_every: 0}\ncheckpoint: {every: 0, keep: 9}\n")
      let arguments = ["train", "run.yaml", "--run-directory", "run", "--set", "checkpoint.every_minutes=0.01"]
      let child = try Child(Program.command(.mpirun(2), arguments), in: workspace)
      // The first one is due after 0.6 seconds.
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.checkpoints("run").count >= 3 })
      kill(child.pid, SIGUSR1)
      #expect(try child.wait().code == 75)
      let saved = try workspace.metrics("run").filter { $0.event == "checkpoint" }.map(\.step)
      #expect(saved.count >= 4 && saved == saved.sorted())
      let last = try #require(saved.last)
      let whole = ["train", "run.yaml", "--run-directory"]
      let end = ["--set", "training.steps=\(last + 5)", "--set", "optimizer.schedule.kind=constant"]
      try Program.run(.mpirun(2), whole + ["run", "--resume"] + end, in: workspace).expectSuccess()
      try workspace.expectEveryStepOnce("run", last + 5)
    }

    @Test func `Come as often as failures and their cost let it pay`() throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml", "training: {steps: 1000000, evaluate_every: 0}\ncheckpoint: {every: 0, every_minutes: auto}\n")
      // A thousand failures in a hundred seconds.
      let end = #"{"attempt":1,"cause":"crash","code":137,"event":"end","reached":7,"seconds":0.1}"#
      try workspace.write("run/launch.jsonl", String(repeating: end + "\n", count: 1000))
      let child = try Child(Program.command(.mpirun(2), Fault.train), in: workspace)
      // The first one comes after ten seconds, and then they are close together.
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.checkpoints("run").count >= 3 })
      kill(child.pid, SIGUSR1)
      let outcome = try child.wait()
      #expect(outcome.code == 75)
      #expect(outcome.output.split(separator: "\n").count { $0.contains(/^save: .* 1000 failures in 0\.03/) } == 1)
      #expect(try workspace.metrics("run").filter { $0.event == "save_interval" }.count == 1)
    }
  }
}
