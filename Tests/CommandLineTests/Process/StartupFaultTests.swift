import Foundation
import Testing

extension ProcessTests {
  @Suite("The start of a job")
  struct StartupFaultTests {
    /// Runs ranks that the launcher does not bind, each with words of its own before the program.
    private func run(_ prefixes: [[String]], limit: String? = nil, threads: String = "1") throws -> (
      outcome: Outcome, workspace: Workspace
    ) {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 3, evaluate_every: 0}")
      let parts = prefixes.map { ["-np", "1"] + $0 + [Program.path] + Fault.train }
      var environment = ["OMPI_MCA_hwloc_base_binding_policy": "none"]
      environment["FGN_STARTUP_TIMEOUT"] = limit
      environment["OPENBLAS_NUM_THREADS"] = threads
      let child = try Child(
        Program.launcher + Array(parts.joined(separator: [":"])), in: workspace, environment: environment)
      return (try child.wait(limit: .seconds(30)), workspace)
    }

    @Test(arguments: [0, 1, 2])
    func `Trains where only some ranks must yield while they wait`(bound: Int) throws {
      let prefixes = (0..<3).map { $0 == bound ? ["taskset", "-c", "0"] : [] }
      let (outcome, workspace) = try run(Array(prefixes.prefix(max(2, bound + 1))))
      outcome.expectSuccess()
      #expect(workspace.exists("run/model.safetensors"))
    }

    @Test func `Trains where ranks have unequal numbers of threads`() throws {
      // No number is set, so each rank uses the CPUs that it has.
      let (outcome, workspace) = try run([["taskset", "-c", "0"], []], threads: "")
      outcome.expectSuccess()
      #expect(workspace.exists("run/model.safetensors"))
    }

    /// Starts the program only when the shell is told to continue.
    private static let stopped = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"]

    @Test(arguments: 0..<3)
    func `Ends with 76 and names the rank that is stopped`(rank: Int) throws {
      let (outcome, workspace) = try run((0..<3).map { $0 == rank ? Self.stopped : [] }, limit: "2")
      outcome.expectError(76, mentioning: ["the job has not started within 2 s: rank \(rank) (process ", "is stopped"])
      #expect(!workspace.exists("run"))
    }

    @Test func `Ends with 76 and names the rank that is another program as yet`() throws {
      let (outcome, _) = try run([[], ["sh", "-c", "sleep 20; exec \"$@\"", "sh"]], limit: "2")
      outcome.expectError(76, mentioning: ["rank 1 (process ", "is sh and has not started the program"])
    }

    @Test func `Refuses a time limit that is none`() throws {
      let (outcome, _) = try run([[], []], limit: "soon")
      #expect(outcome.code == 64)
      #expect(outcome.errors.first?.contains("FGN_STARTUP_TIMEOUT=soon") == true)
    }
  }
}
