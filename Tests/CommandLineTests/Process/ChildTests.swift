import Foundation
import Testing

extension ProcessTests {
  @Suite("A child process of these tests")
  struct ChildTests {
    @Test func `Is killed with its ranks and fails the test when its time is over`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 1000000, evaluate_every: 0}")
      let child = try Child(Program.command(.mpirun(2), ["train", "run.yaml"]), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("runs/run") > 10 })
      let programs = child.programs
      try #require(programs.count == 2)
      // A stopped rank looks like a hang.
      kill(programs[1], SIGSTOP)
      withKnownIssue { _ = try child.wait(limit: .milliseconds(100)) }
      #expect(child.hasEnded)
      #expect(poll(for: .seconds(10)) { programs.allSatisfy { !isAlive($0) } })
    }

    @Test func `Reports signals and exit codes and both outputs`() throws {
      let workspace = Workspace()
      let script = "pwd; echo $OPENBLAS_NUM_THREADS; echo fgn-dist: error: no >&2; echo other >&2; exit 9"
      let outcome = try Child(["sh", "-c", script], in: workspace).wait()
      #expect(outcome.code == 9)
      #expect(outcome.output == "\(workspace.folder)\n1\n")
      #expect(outcome.errorOutput == "fgn-dist: error: no\nother\n")
      #expect(outcome.errors == ["fgn-dist: error: no"])
      #expect(try Child(["sh", "-c", "kill -9 $$"], in: workspace).wait().code == 137)
    }
  }
}
