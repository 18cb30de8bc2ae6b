import Foundation
import Testing

extension ProcessTests {
  @Suite("All ranks exit with the same code")
  struct ExitCodeTests {
    /// Starts three ranks, each through a shell that records how its rank ended and hides that from mpirun, which would
    /// otherwise kill the other shells.
    private func start(_ arguments: [String], in workspace: Workspace) throws -> Child {
      let note = "\"$@\"; echo $? >code-${OMPI_COMM_WORLD_RANK:-$PMI_RANK}"
      return try Child(
        Program.launcher + ["-np", "3", "sh", "-c", note, "sh", Program.path] + arguments, in: workspace)
    }

    private func expectCodes(_ code: Int, in workspace: Workspace, _ outcome: Outcome) throws {
      let codes = try (0..<3).map { try String(decoding: workspace.bytes("code-\($0)"), as: UTF8.self) }
      #expect(codes == Array(repeating: "\(code)\n", count: 3), "\(outcome.errorOutput)")
    }

    struct Case: Sendable, CustomTestStringConvertible {
      let code: Int
      let arguments: [String]
      var testDescription: String { "\(code): \(arguments.joined(separator: " "))" }
    }

    @Test(
      arguments: [
        Case(code: 0, arguments: Fault.train), Case(code: 0, arguments: ["--version"]),
        Case(code: 64, arguments: Fault.train + ["--set", "training.steps=0"]),
        Case(code: 64, arguments: Fault.train + ["--bogus"]),
        Case(code: 65, arguments: Fault.train + ["--set", "data.classes=2"]),
        Case(code: 66, arguments: Fault.train + ["--set", "data.train.features=other.npy"]),
        Case(code: 74, arguments: ["train", "run.yaml", "--run-directory", "run.yaml/run"]),
      ])
    func `Of one command`(_ expected: Case) throws {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      let outcome = try start(expected.arguments, in: workspace).wait()
      try expectCodes(expected.code, in: workspace, outcome)
      #expect(outcome.errors.count == (expected.code == 0 ? 0 : 1), "\(outcome.errorOutput)")
    }

    @Test func `Of a run that a signal stopped`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 1000000, evaluate_every: 0}")
      let child = try start(Fault.train, in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 10 })
      kill(try #require(child.programs.randomElement()), SIGUSR1)
      let outcome = try child.wait()
      try expectCodes(75, in: workspace, outcome)
      // There is one more from before the step if the machine is busy and the step takes long.
      #expect(1...2 ~= workspace.checkpoints("run").count)
    }

    @Test func `A crash ends a process at once`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 1000000, evaluate_every: 0}")
      let child = try Child([Program.path] + Fault.train, in: workspace, environment: ["OPENBLAS_NUM_THREADS": "4"])
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 10 })
      kill(try #require(child.programs.first), SIGSEGV)
      let outcome = try child.wait(limit: .seconds(20))
      #expect(outcome.code == 128 + SIGSEGV, "\(outcome)")
    }

    @Test func `Of a run that diverged`() throws {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      let options = ["optimizer.learning_rate=1e300", "training.steps=50", "optimizer.step_length=unit"]
      let outcome = try start(Fault.train + options.flatMap { ["--set", $0] }, in: workspace).wait()
      try expectCodes(70, in: workspace, outcome)
      #expect(outcome.errors.count == 1)
      #expect(outcome.errors.first?.contains("diverged") == true)
    }
  }
}
