import Foundation
import Testing

extension LaunchedTests {
  @Suite("A run with a supervisor")
  struct LaunchFaultTests {
    private let run: LaunchedRun

    init() throws { run = try LaunchedRun() }

    @Test func `Goes on by itself after kills of its ranks and of its launcher`() throws {
      let child = try run.startAndWait()
      var seen: [pid_t] = []
      for round in 0..<3 {
        try run.waitForOthers(than: seen, child)
        let ranks = child.ranks
        seen += ranks
        try #require(poll(for: Child.limit) { child.hasEnded || run.workspace.exists("run/launch.started") })
        kill(try #require(round == 1 ? child.launcher : ranks.randomElement()), SIGKILL)
        try #require(poll(for: .seconds(15)) { ranks.allSatisfy { !isAlive($0) } }, "kill \(round) left a rank behind")
      }
      try child.wait().expectSuccess()
      #expect(try run.causes() == ["crash", "crash", "crash", "completed"])
      #expect(try run.ends.map(\.code) == [137, 137, 137, 0])
      try run.expectWholeRun()
    }

    @Test func `Goes on where one rank is stopped for ever`() throws {
      let child = try run.startAndWait()
      kill(child.ranks[1], SIGSTOP)
      try child.wait().expectSuccess()
      #expect(try run.causes() == ["lost-peer", "completed"])
      try run.expectWholeRun()
    }

    @Test func `Goes on where the launcher is stopped for ever`() throws {
      let child = try run.startAndWait()
      let launcher = try #require(child.launcher)
      kill(launcher, SIGSTOP)
      try child.wait().expectSuccess()
      // The run may reach its end in the fifteen seconds that the launcher has, and then waits for it.
      #expect(try run.causes() == ["suspended", "completed"])
      #expect(!isAlive(launcher))
      try run.expectWholeRun()
    }

    @Test func `Ends with its supervisor, however that dies, and goes on with the next`() throws {
      let child = try run.startAndWait()
      let ranks = child.ranks
      kill(child.pid, SIGKILL)
      #expect(try child.wait().code == 137)
      // At once, while the ranks may still be at work.
      let next = try run.start()
      try next.wait().expectSuccess()
      #expect(ranks.allSatisfy { !isAlive($0) })
      #expect(try run.causes() == ["completed"])
      try run.expectWholeRun()
    }

    @Test func `Ends without its supervisor where nobody goes on with it`() throws {
      let child = try run.startAndWait()
      let processes = child.programs
      #expect(processes.count == 4)
      kill(child.pid, SIGKILL)
      #expect(poll(for: .seconds(10)) { processes.allSatisfy { $0 == child.pid || !isAlive($0) } })
    }

    @Test func `Goes on where its guard is killed`() throws {
      let child = try run.startAndWait()
      let ranks = child.ranks
      let guardProcess = try #require(child.programs.first { $0 != child.pid && !ranks.contains($0) })
      kill(guardProcess, SIGKILL)
      try child.wait().expectSuccess()
      #expect(ranks.allSatisfy { !isAlive($0) })
      #expect(try run.causes() == ["crash", "completed"])
      try run.expectWholeRun()
    }

    @Test func `Passes over a checkpoint that is damaged`() throws {
      let child = try run.startAndWait(events: 60)
      kill(child.pid, SIGTERM)
      #expect(try child.wait().code == 75)
      let newest = try #require(run.workspace.checkpoints("run").last)
      try run.workspace.change("run/checkpoints/\(newest)") { $0[$0.count / 2] ^= 4 }
      let next = try run.start()
      let outcome = try next.wait()
      outcome.expectSuccess()
      #expect(outcome.output.contains("left out, for it is damaged"))
      try run.expectWholeRun()
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGUSR1])
    func `A signal to the supervisor saves a checkpoint and is no reason to start again`(signal: Int32) throws {
      let child = try run.startAndWait()
      let ranks = child.ranks
      kill(child.pid, signal)
      let outcome = try child.wait(limit: .seconds(20))
      #expect(outcome.code == 75, "\(outcome.errorOutput)")
      #expect(try run.workspace.metrics("run").last?.reason == "interrupted")
      #expect(try run.causes() == ["stopped"])
      #expect(ranks.allSatisfy { !isAlive($0) })
    }

    @Test func `A signal to a rank alone is the machine's, and the run goes on`() throws {
      let child = try run.startAndWait()
      kill(child.ranks[1], SIGTERM)
      try child.wait().expectSuccess()
      #expect(try run.causes() == ["preempted", "completed"])
      try run.expectWholeRun()
    }
  }
}
