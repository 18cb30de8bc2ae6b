import Foundation
import Testing

extension ProcessTests {
  @Suite("A rank that is lost or stuck")
  struct PeerLossTests {
    private static let steps = 1500

    /// A long run of three ranks with checkpoints.
    private static func prepare(_ settings: String = "") throws -> Workspace {
      let workspace = Workspace()
      try Examples(2000, features: 48, classes: 12).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}}
        optimizer: {batch_size: 301, solver: {kind: cg}}
        training: {steps: \(steps), evaluate_every: 0\(settings)}
        checkpoint: {every: 25}
        """)
      return workspace
    }

    private static let arguments = ["train", "run.yaml", "--run-directory", "run"]

    /// Starts the run, and returns its processes by rank once there are checkpoints.
    private func start(_ workspace: Workspace) throws -> (Child, [pid_t]) {
      // Swift's crash handler expects a crash to repeat itself, which one from outside does not.
      let child = try Child(
        Program.command(.mpirun(3), Self.arguments), in: workspace, environment: ["SWIFT_BACKTRACE": "enable=no"])
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 60 })
      // mpirun starts its ranks in order.
      let programs = child.programs.sorted()
      try #require(programs.count == 3)
      return (child, programs)
    }

    /// The model of a run without interruptions.
    private static let whole = Result {
      let workspace = try prepare()
      try Program.run(.mpirun(3), arguments, in: workspace).expectSuccess()
      return try workspace.bytes("run/model.safetensors")
    }

    private func expectWholeRun(_ workspace: Workspace) throws {
      try workspace.expectEveryStepOnce("run", Self.steps)
      #expect(try workspace.bytes("run/model.safetensors") == Self.whole.get())
    }

    private func expectToGoOn(_ workspace: Workspace) throws {
      // Its model holds the settings, which are to be those of the whole run.
      let resumed = try Program.run(
        .mpirun(3), Self.arguments + ["--resume", "--set", "training.peer_timeout=10"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("resuming after step"))
      try expectWholeRun(workspace)
    }

    @Test(arguments: 0..<3)
    func `That is stopped ends the job with 76, and the run goes on`(rank: Int) throws {
      let workspace = try Self.prepare(", peer_timeout: 3")
      let (child, programs) = try start(workspace)
      kill(programs[rank], SIGSTOP)
      let outcome = try child.wait(limit: .seconds(15))
      outcome.expectError(76, mentioning: ["rank \(rank) on ", "no sign of life", "--resume"])
      #expect(poll(for: .seconds(5)) { programs.allSatisfy { !isAlive($0) } })
      if rank == 1 { try expectToGoOn(workspace) }
    }

    @Test func `That is stopped for three seconds costs three seconds`() throws {
      let workspace = try Self.prepare()
      let (child, programs) = try start(workspace)
      kill(programs[1], SIGSTOP)
      usleep(3_000_000)
      kill(programs[1], SIGCONT)
      try child.wait().expectSuccess()
      try expectWholeRun(workspace)
    }

    @Test func `A job that is stopped as a whole goes on when it may`() throws {
      let workspace = try Self.prepare(", peer_timeout: 3")
      let (child, programs) = try start(workspace)
      for process in programs { kill(process, SIGSTOP) }
      usleep(5_000_000)
      for process in programs { kill(process, SIGCONT) }
      try child.wait().expectSuccess()
    }

    @Test(arguments: [SIGILL, SIGSEGV, SIGABRT, SIGFPE, SIGBUS])
    func `That crashes ends the job at once, and the run goes on`(signal: Int32) throws {
      let workspace = try Self.prepare()
      let (child, programs) = try start(workspace)
      kill(programs[Int(signal) % 3], signal)
      let outcome = try child.wait(limit: .seconds(15))
      #expect(outcome.code == 128 + signal)
      // mpirun names the rank.
      #expect(outcome.errorOutput.contains("rank \(signal % 3)"), "\(outcome.errorOutput)")
      #expect(poll(for: .seconds(5)) { programs.allSatisfy { !isAlive($0) } })
      if signal == SIGSEGV { try expectToGoOn(workspace) }
    }

    @Test(arguments: [SIGTERM, SIGUSR1])
    func `Is warned through mpirun: one checkpoint, exit code 75, and the same bytes`(signal: Int32) throws {
      let workspace = try Self.prepare()
      let (child, _) = try start(workspace)
      kill(child.pid, signal)
      let outcome = try child.wait(limit: .seconds(15))
      // On SIGTERM, Open MPI's mpirun ends the job itself, with an exit code of its own.
      if signal == SIGUSR1 { #expect(outcome.code == 75) }
      #expect(outcome.code != 0)
      #expect(try workspace.metrics("run").last?.reason == "interrupted")
      try expectToGoOn(workspace)
    }

    @Test func `All ranks may be signalled at once`() throws {
      let workspace = try Self.prepare()
      let (child, programs) = try start(workspace)
      for process in programs { kill(process, SIGUSR1) }
      #expect(try child.wait(limit: .seconds(15)).code == 75)
      try expectToGoOn(workspace)
    }
  }
}
