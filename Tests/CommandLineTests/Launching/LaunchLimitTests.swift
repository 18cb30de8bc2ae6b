import Foundation
import Testing

extension LaunchedTests {
  @Suite("The limits of a supervisor")
  struct LaunchLimitTests {
    private let run: LaunchedRun

    init() throws { run = try LaunchedRun() }

    @Test func `A launcher that hangs at the start is ended and started again`() throws {
      let path = try run.launcher("[ $attempt -gt 1 ] || exec sleep 1000; real \"$@\"")
      let outcome = try run.start(["--start-timeout", "12"], path: path).wait()
      outcome.expectSuccess()
      #expect(try run.causes() == ["start-hang", "completed"])
      try run.expectWholeRun()
    }

    @Test func `A launcher that goes on without ranks is ended and started again`() throws {
      let path = try run.launcher("real \"$@\" || { [ $attempt -gt 1 ] || exec sleep 1000; exit 1; }")
      let child = try run.start(path: path)
      try #require(poll(for: Child.limit) { child.hasEnded || run.workspace.metricsCount("run") > 40 })
      kill(try #require(child.ranks.first), SIGKILL)
      try child.wait().expectSuccess()
      #expect(try run.causes() == ["launcher-hang", "completed"])
      try run.expectWholeRun()
    }

    @Test func `The restarts have a limit, and the last code is the supervisor's`() throws {
      let path = try run.launcher("[ $attempt -gt 1 ] && exit 134; exit 139")
      let outcome = try run.start(["--max-restarts", "1"], path: path).wait()
      #expect(outcome.code == 134)
      #expect(outcome.errorOutput.contains("that was the last of 1 restarts"))
      #expect(try run.ends.map(\.delay) == [2, nil])
    }

    @Test func `Attempts without a checkpoint have a limit`() throws {
      let path = try run.launcher("exit 1")
      let outcome = try run.start(["--max-fruitless", "2"], path: path).wait()
      #expect(outcome.code == 1)
      #expect(outcome.errorOutput.contains("2 attempts in a row have saved no checkpoint"))
      #expect(try run.ends.count == 2)
    }

    @Test func `A run that diverged is not tried again, unless that is asked for`() throws {
      let path = try run.launcher("[ $attempt -gt 2 ] || exit 70; real \"$@\"")
      let outcome = try run.start(path: path).wait()
      #expect(outcome.code == 70 && outcome.errorOutput.contains("--restart-diverged"))
      try run.start(["--restart-diverged"], path: path).wait().expectSuccess()
      #expect(try run.causes() == ["diverged", "diverged", "completed"])
    }

    @Test func `The time in all has a limit, and a checkpoint is saved then`() throws {
      let run = try LaunchedRun(steps: 1_000_000)
      let outcome = try run.start(["--time-limit", "4"]).wait(limit: .seconds(30))
      #expect(outcome.code == 75, "\(outcome.errorOutput)")
      #expect(try run.causes() == ["stopped"])
      #expect(try run.workspace.metrics("run").last?.reason == "interrupted")
    }

    @Test func `One supervisor is at work on a run`() throws {
      let run = try LaunchedRun(steps: 1_000_000)
      let child = try run.startAndWait()
      let outcome = try run.start().wait()
      outcome.expectError(64, mentioning: ["run", "is in use by another job (process \(child.pid) on "])
      #expect(child.ranks.count == 2)
    }

    @Test func `A supervisor waits for the end of a job without one, and can be told to stop then`() throws {
      let run = try LaunchedRun(steps: 1_000_000)
      let job = try Child(Program.command(.mpirun(2), LaunchedRun.train), in: run.workspace)
      try #require(poll(for: Child.limit) { job.hasEnded || run.workspace.metricsCount("run") > 5 })
      let child = try run.start()
      try #require(poll(for: Child.limit) { child.hasEnded || run.workspace.exists("run/launch.jsonl") })
      usleep(2_500_000)
      kill(child.pid, SIGTERM)
      let outcome = try child.wait(limit: .seconds(5))
      #expect(outcome.code == 75 && outcome.errorOutput.contains("waits for the end of another job: run: is in use"))
      #expect(try run.workspace.bytes("run/launch.jsonl").isEmpty)
      #expect(!job.hasEnded)
    }

    @Test func `Bad input is not tried again`() throws {
      for (settings, code): (String, Int32) in [
        ("optimizer: {no_such: 1}", 64), ("data: {train: {features: none.npy, labels: none.npy}}", 66),
      ] {
        let run = try LaunchedRun()
        try run.workspace.write("run.yaml", settings)
        let outcome = try run.start().wait()
        #expect(outcome.code == code && outcome.errors.count == 1, "\(outcome.errorOutput)")
        #expect(try run.causes() == ["bad-input"] && !outcome.errorOutput.contains("attempt 2"))
      }
    }

    @Test(
      arguments: [
        (["-np", "2", "--", "train", "run.yaml"], "--run-directory"),
        (["-np", "2", "--", "evaluate", "model"], "launch starts train"),
        (["-np", "2"], "launch starts train"),
        (["-np", "2", "--", "train", "run.yaml", "--run-directory", "run", "--no-such"], "--no-such"),
        (["-np", "2", "--", "train", "run.yaml", "--run-directory", "run", "--resume", "x"], "--resume"),
        (["--", "train", "run.yaml", "--run-directory", "run"], "give one of -np"),
        (["-np", "2", "--hosts", "h", "--", "train", "run.yaml", "--run-directory", "run"], "give one of -np"),
        (["-np", "0", "--", "train", "run.yaml", "--run-directory", "run"], "at least 1"),
        (["-np", "2", "--min-hosts", "2", "--", "train", "run.yaml", "--run-directory", "run"], "--min-hosts"),
        (["-np", "2", "--grow", "--", "train", "run.yaml", "--run-directory", "run"], "--grow"),
        (["-np", "2", "--start-timeout", "0", "--", "train", "run.yaml", "--run-directory", "run"], "--start-timeout"),
      ])
    func `A command line that cannot work is refused`(arguments: [String], word: String) throws {
      let outcome = try Program.run(["launch"] + arguments, in: run.workspace)
      outcome.expectError(64, mentioning: [word])
      #expect(!run.workspace.exists("run"))
    }

    @Test func `A missing launcher and missing hosts are named`() throws {
      let nowhere = try run.start(path: "/nowhere").wait()
      // The program itself is started by `env`, which knows its path.
      nowhere.expectError(69, mentioning: ["there is no mpirun"])
      for (hosts, code): (String, Int32) in [("none", 66), ("empty", 64)] {
        try run.workspace.write("empty", "# nothing\n")
        let outcome = try Program.run(
          ["launch", "--hosts", hosts, "--"] + LaunchedRun.train, in: run.workspace)
        outcome.expectError(code, mentioning: [hosts, "host a line"].dropLast(code == 64 ? 1 : 0))
      }
    }
  }
}
