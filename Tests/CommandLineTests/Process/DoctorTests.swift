import Foundation
import Testing

extension RunTests {
  /// What `doctor` says here, and where something is missing.
  @Suite("Doctor")
  struct DoctorTests {
    @Test func `A machine that runs tests is well`() throws {
      let outcome = try Program.run(["doctor"], in: Workspace())
      outcome.expectSuccess()
      for subject in ["program", "processors", "BLAS", "memory", "/dev/shm", "MPI", "launcher", "two ranks"] {
        #expect(outcome.output.contains("  \(subject) "), "\(subject) in \(outcome.output)")
      }
      #expect(!outcome.output.contains("problem"))
    }

    @Test func `A missing launcher is a problem with a remedy`() throws {
      let outcome = try Program.run(["doctor"], in: Workspace(), environment: ["PATH": "/nowhere"])
      #expect(outcome.code == 69 && outcome.output.contains("there is no mpirun"), "\(outcome)")
      #expect(outcome.output.contains("→ install"))
    }

    @Test func `More threads than processors are a note`() throws {
      let outcome = try Program.run(["doctor"], in: Workspace(), environment: ["OPENBLAS_NUM_THREADS": "5000"])
      outcome.expectSuccess()
      #expect(outcome.output.contains("note    threads       5000 for each rank"))
    }

    @Test func `Hosts that do not answer are named`() throws {
      let workspace = Workspace()
      try workspace.write("hosts", "# a comment\nno-such-host.invalid slots=2\n")
      let outcome = try Program.run(["doctor", "--hosts", "hosts"], in: workspace)
      #expect(outcome.code == 69 && outcome.output.contains("problem no-such-host.invalid"), "\(outcome)")
      let missing = try Program.run(["doctor", "--hosts", "nowhere"], in: workspace)
      #expect(missing.code == 66 && missing.errorOutput.contains("nowhere"))
    }
  }
}
