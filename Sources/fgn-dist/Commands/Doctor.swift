import ArgumentParser
import Foundation
import MPI
import Training

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a run finds on this machine, and what to do where something is missing.",
    discussion: """
      Looks at the processor, BLAS, MPI and its launcher, limits and shared memory, and starts two ranks. Ends with 0 where runs \
      work, and with 69 where something keeps them from it.
      """)

  @Option(help: ArgumentHelp("Look at the hosts of a host file as well.", valueName: "file"))
  var hosts: String?

  @Flag(help: .hidden)
  var hello = false

  /// What rank 0 says when all ranks have met.
  static let greeting = "ranks have met"

  func run() throws {
    if hello { try meet() }
    do {
      try examine()
    } catch let error as ConfigurationError {
      // Not within a job, whose start may be what fails.
      Job.complain("\(error)")
      throw ExitCode(error.exitCode)
    }
  }

  private func examine() throws {
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    var findings = [Diagnosis.fine("program", "fgn-dist \(FgnDist.version) (\(program))")]
    findings += MachineChecks().findings
    findings += try LaunchChecks(program: program, library: Runtime.linkedLibrary, hostFile: hosts).findings()
    for finding in findings { try StandardOutput.print("\(finding)") }
    let problems = findings.count { $0.kind == .problem }
    // EX_UNAVAILABLE of sysexits.h.
    if problems > 0 { throw ExitCode(69) }
  }

  /// Adds up a number over the ranks.
  private func meet() throws {
    try Job.run { job in
      let sum = try job.communicator.allreduce(1)
      if job.communicator.rank == 0 { try StandardOutput.print("\(sum) \(Self.greeting)") }
      return .success
    }
  }
}
