import Foundation
import Testing

extension RecoveryTests {
  @Suite("A killed rank")
  struct KillTests {
    /// Kills one run many times: at a random step after the last checkpoint, or during the start of the job.
    @Test func `Ends the job and costs no more than the steps since the checkpoint`() throws {
      let workspace = Workspace()
      let (kills, total) = Thoroughness.isFull ? (50, 3000) : (10, 1200)
      try Examples(2000, features: 48, classes: 12).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}}
        optimizer:
          batch_size: 301
          solver: {kind: cg}
          damping: {policy: levenberg-marquardt}
        training: {steps: \(total), evaluate_every: 0}
        checkpoint: {every: 25, keep: 2}
        """)
      let arguments = ["train", "run.yaml", "--run-directory"]
      try Program.run(.mpirun(2), arguments + ["whole"], in: workspace).expectSuccess()

      var reached = 0
      var stuckLaunchers = 0
      for number in 0..<kills {
        let child = try Child(Program.command(.mpirun(2), arguments + ["run", "--resume"]), in: workspace)
        if number % 4 == 3 {
          try #require(poll(for: Child.limit) { child.hasEnded || child.programs.count == 2 })
          usleep(.random(in: 0..<200_000))
        } else {
          let target = reached + .random(in: 1...60)
          try #require(poll(for: Child.limit) { child.hasEnded || lastStep(workspace) >= target })
        }
        let programs = child.programs
        try #require(programs.count == 2, "kill \(number): the job had ended by itself")
        kill(programs.randomElement()!, SIGKILL)
        #expect(poll(for: .seconds(10)) { programs.allSatisfy { !isAlive($0) } }, "kill \(number) left a rank behind")
        if number % 4 == 3, !poll(for: .seconds(10), until: { child.hasEnded }) {
          // All ranks have ended, but the launcher hangs: Open MPI 4.1's can deadlock (in PMIx) if a rank dies while it
          // connects. No rank can do anything about that.
          child.stop()
          stuckLaunchers += 1
        } else {
          let outcome = try child.wait()
          #expect(outcome.code == 137, "kill \(number): \(outcome.errorOutput)")
        }
        // The newest two, and one more if the rank died between saving and pruning.
        #expect(workspace.checkpoints("run").count <= 3)
        reached = lastStep(workspace)
      }
      Figures.note("kills", "\(kills), the last at step \(reached); launchers that got stuck: \(stuckLaunchers)")

      let last = try Program.run(.mpirun(2), arguments + ["run", "--resume"], in: workspace)
      last.expectSuccess()
      #expect(last.output.contains("resuming after step"))
      try workspace.expectEveryStepOnce("run", total)
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      #expect(workspace.names("run/checkpoints").count == 2, "temporaries of dead processes are left")
    }

    @Test func `Mpirun itself takes the ranks with it`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 1000000, evaluate_every: 0}")
      let child = try Child(Program.command(.mpirun(2), ["train", "run.yaml"]), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("runs/run") > 10 })
      let programs = child.programs
      try #require(programs.count == 2)
      kill(child.pid, SIGKILL)
      #expect(try child.wait().code == 137)
      #expect(poll(for: .seconds(10)) { programs.allSatisfy { !isAlive($0) } })
    }

    /// The newest step in the metrics; the last line may be incomplete.
    private func lastStep(_ workspace: Workspace) -> Int {
      guard let handle = FileHandle(forReadingAtPath: workspace.path("run/metrics.jsonl")) else { return 0 }
      defer { try? handle.close() }
      let end = (try? handle.seekToEnd()) ?? 0
      try? handle.seek(toOffset: end - min(end, 4096))
      let lines = String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self).split(separator: "\n")
      let steps = lines.compactMap { $0.firstMatch(of: /"event":"step".*"step":(\d+)/).flatMap { Int($0.1) } }
      return steps.max() ?? 0
    }
  }
}
