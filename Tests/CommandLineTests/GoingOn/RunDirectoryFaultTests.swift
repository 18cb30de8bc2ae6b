import Foundation
import Testing

extension RecoveryTests {
  @Suite("A run directory")
  struct RunDirectoryFaultTests {
    private static let endless = """
      optimizer: {batch_size: 100, solver: {kind: cg}}
      training: {steps: 1000000, evaluate_every: 0}
      checkpoint: {every: 50}
      """

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Belongs to one job`(ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", Self.endless)
      let child = try Child(Program.command(.plain, Fault.train), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 100 })
      try Program.run(ranks, Fault.train + ["--resume"], in: workspace)
        .expectError(64, mentioning: ["run: is in use by another job (process \(child.pid) on ", "--run-directory"])
      #expect(!child.hasEnded)
      kill(child.pid, SIGKILL)
      #expect(try child.wait().code == 137)
      // The lock ends with its owner, however that ends.
      let last = try Child(Program.command(ranks, Fault.train + ["--resume"]), in: workspace)
      try #require(
        poll(for: Child.limit) {
          last.hasEnded || (try? workspace.metrics("run").count { $0.event == "run" }) == 2
        })
      kill(try #require(last.programs.first), SIGTERM)
      #expect(try last.wait().code == 75)
    }

    @Test func `Is each jobs own where several begin at once`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 30, evaluate_every: 0}")
      let arguments: [[String]] = (1...3).map { ["train", "run.yaml", "--set", "training.seed=\($0)"] }
      let children = try arguments.map { try Child(Program.command(.plain, $0), in: workspace) }
      for child in children { try child.wait().expectSuccess() }
      #expect(workspace.names("runs") == ["run", "run-2", "run-3"])
      for run in workspace.names("runs") { try workspace.expectEveryStepOnce("runs/\(run)", 30) }
      let models = try workspace.names("runs").map { try workspace.bytes("runs/\($0)/model.safetensors") }
      #expect(Set(models).count == 3)
    }

    @Test func `Of one name for several jobs at once is the first ones`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 30, evaluate_every: 0}")
      let children = try (0..<3).map { _ in try Child(Program.command(.plain, Fault.train), in: workspace) }
      let outcomes = try children.map { try $0.wait() }
      #expect(outcomes.map(\.code).sorted() == [0, 64, 64])
      try workspace.expectEveryStepOnce("run", 30)
    }

    @Test func `Waits for a job that is just ending`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", Self.endless)
      let first = try Child(Program.command(.plain, Fault.train), in: workspace)
      try #require(poll(for: Child.limit) { first.hasEnded || workspace.metricsCount("run") > 100 })
      kill(first.pid, SIGSTOP)
      let second = try Child(Program.command(.plain, Fault.train + ["--resume"]), in: workspace)
      usleep(1_000_000)
      #expect(!second.hasEnded)
      kill(first.pid, SIGTERM)
      kill(first.pid, SIGCONT)
      #expect(try first.wait().code == 75)
      let count = workspace.metricsCount("run")
      try #require(poll(for: Child.limit) { second.hasEnded || workspace.metricsCount("run") > count + 20 })
      kill(second.pid, SIGTERM)
      #expect(try second.wait().code == 75)
    }

    @Test func `That may not grow ends the job with 74`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", Self.endless.replacing("1000000", with: "2000"))
      let limited = ["bash", "-c", "ulimit -f 512; exec \"$@\"", "limited"]
      let outcome = try Child(limited + Program.command(.plain, Fault.train), in: workspace).wait()
      outcome.expectError(74, mentioning: ["run/metrics.jsonl", "limit on file sizes"])
      try expectToGoOn(.plain, in: workspace)
    }

    private func expectToGoOn(_ ranks: Ranks, in workspace: Workspace) throws {
      #expect(!workspace.checkpoints("run").isEmpty)
      let resumed = try Program.run(ranks, Fault.train + ["--resume"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step"))
      try workspace.expectEveryStepOnce("run", 2000)
      try Program.run(ranks, ["train", "run.yaml", "--run-directory", "whole"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test(.enabled("mounting a small file system needs root") { geteuid() == 0 }, arguments: [Ranks.plain, .mpirun(2)])
    func `On a full disk ends the job with 74, and goes on when there is room`(ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", Self.endless.replacing("1000000", with: "2000"))
      try FileManager.default.createDirectory(atPath: workspace.path("run"), withIntermediateDirectories: false)
      let mount = try Child(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", "run"], in: workspace).wait()
      // In a container even root may not be allowed to mount.
      guard mount.code == 0 else { return print("not tested: \(mount.errorOutput)") }
      defer { _ = try? Child(["umount", "run"], in: workspace).wait() }
      let outcome = try Program.run(ranks, Fault.train, in: workspace)
      outcome.expectError(74, mentioning: ["run/", "No space left on device", "free space"])
      try Child(["mount", "-o", "remount,size=20m", "run"], in: workspace).wait().expectSuccess()
      try expectToGoOn(ranks, in: workspace)
    }
  }
}
