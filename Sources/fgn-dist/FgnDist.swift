import ArgumentParser
import Datasets
import Foundation
import LinearAlgebra
import MPI
import Training

@main
struct FgnDist: ParsableCommand {
  static let version = "0.2.0"

  static let configuration = CommandConfiguration(
    commandName: "fgn-dist",
    abstract: "Trains softmax classifiers by Fast Gauss-Newton, on one process or on many under mpirun.",
    discussion: """
      Exit codes: 0 done; 64 usage or configuration; 65 bad data or checkpoint; 66 missing input; 70 internal error or
      diverged run; 74 input/output; 75 stopped by a signal (train: with a checkpoint saved, run again with --resume); 76 a
      peer was lost; 69 (doctor, launch): runs cannot work here. All ranks exit with the same.
      """,
    version: version,
    subcommands: [
      Train.self, LaunchCommand.self, Tune.self, Evaluate.self, Calibrate.self, Predict.self, Convert.self, Export.self,
      Inspect.self,
      WriteReport.self, Doctor.self, Bench.self, StudyCommand.self,
    ])
}

extension FgnDist {
  static func main() {
    StandardOutput.reserveDescriptors()
    endAtCrashes()
    useBetterKernels()
    allowManyFiles()
    do {
      var command = try parse()
      try command.run()
    } catch {
      // Help and version are output as well, and ArgumentParser does not notice when they get lost.
      if exitCode(for: error).isSuccess, !fullMessage(for: error).isEmpty {
        // With the signal ignored, a reader that has gone is an error of write.
        signal(SIGPIPE, SIG_IGN)
        do {
          try StandardOutput.print(fullMessage(for: error))
          Foundation.exit(0)
        } catch {
          Job.complain("\(error)")
          Foundation.exit(error.exitCode)
        }
      }
      exit(withError: error)
    }
  }

  /// Makes a crash end the process at once. Swift's runtime would first look for the place, which may never end where
  /// threads compute, and the other ranks would wait. Who sets SWIFT_BACKTRACE asks for that.
  private static func endAtCrashes() {
    guard ProcessInfo.processInfo.environment["SWIFT_BACKTRACE"] == nil else { return }
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT] { signal(number, SIG_DFL) }
  }

  /// Restarts the program where OpenBLAS does not know the processor, since it chooses its kernels when it is loaded.
  private static func useBetterKernels() {
    guard let name = Kernels.better(environment: ProcessInfo.processInfo.environment),
      let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    else { return }
    setenv(Kernels.variable, name, 1)
    // If this fails, the program continues with its kernels, whose name the start of a run prints.
    execv(program, CommandLine.unsafeArgv)
  }

  /// Raises the limit of open files: each file of a compressed set is open, and the hard limit is often far above the
  /// soft one.
  private static func allowManyFiles() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    // If this is refused, a set with too many files reports it.
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// `--option=~/x` with the home folder, as a shell expands `--option ~/x`.
  private static func expandingHome(_ argument: String) -> String {
    guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else { return argument }
    let start = argument.index(after: equals)
    return argument[..<start] + expandingTilde(String(argument[start...]))
  }

  /// Throws for an empty argument, as of a script's variable that is not set: as a path it may be taken for the folder that one is
  /// in. A prefix may be empty.
  private static func checkForEmpty(_ arguments: [String]) throws {
    for (index, argument) in arguments.enumerated() {
      let name = argument.isEmpty ? arguments[..<index].last ?? "" : String(argument.dropLast())
      let isEmpty =
        argument.isEmpty || (argument.hasPrefix("--") && argument.firstIndex(of: "=") == argument.indices.last)
      if isEmpty, name != "--prefix" {
        throw ValidationError("an argument is empty\(name.isEmpty ? "" : ", behind \(name)"); give it, or leave it out")
      }
    }
  }

  private static func parse() throws -> any ParsableCommand {
    do {
      let arguments = CommandLine.arguments.dropFirst().map(expandingHome)
      try checkForEmpty(arguments)
      return try parseAsRoot(arguments)
    } catch {
      if exitCode(for: error) == .validationFailure { try refuse(error) }
      throw error
    }
  }

  /// Reports a mistake on the command line once, although all ranks have found it.
  private static func refuse(_ error: any Error) throws -> Never {
    let hint = fullMessage(for: error).split(whereSeparator: \.isNewline).last { $0.contains("--help") } ?? ""
    let text = "\(message(for: error)). \(hint.trimmingPrefix { $0.isWhitespace })"
    try Job.run { _ in throw CollectiveFailure(ConfigurationError(text)) }
  }
}
