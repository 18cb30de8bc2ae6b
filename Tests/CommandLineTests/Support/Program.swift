import Foundation
import Testing

/// The extent of the tests. By default each kind of mistake has a test that finds it; FGN_TEST_FULL=1 tries all
/// combinations of settings, ranks and places, and more random kills.
enum Thoroughness {
  static let isFull = ProcessInfo.processInfo.environment["FGN_TEST_FULL"] != nil
}

/// The number of processes to start, and their launcher.
enum Ranks: Sendable, CustomStringConvertible {
  /// One process without mpirun.
  case plain
  case mpirun(Int)

  var description: String {
    switch self {
    case .plain: "plain"
    case .mpirun(let count): "mpirun -np \(count)"
    }
  }
}

/// The program under test, beside the test bundle.
enum Program {
  /// Whether this process is itself a rank of a job.
  static let isRank = ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil

  static let path: String = {
    let bundle = Bundle.main.executableURL!.resolvingSymlinksInPath()
    let path = bundle.deletingLastPathComponent().appendingPathComponent("fgn-dist").path
    precondition(FileManager.default.isExecutableFile(atPath: path), "no executable at \(path)")
    return path
  }()

  /// The words that launch ranks; `FGN_MPIRUN` replaces them for another MPI than Open MPI.
  static let launcher =
    ProcessInfo.processInfo.environment["FGN_MPIRUN"].map { $0.split(separator: " ").map(String.init) }
    ?? ["mpirun", "--oversubscribe"]

  /// The words that start the program.
  static func command(_ ranks: Ranks, _ arguments: [String]) -> [String] {
    switch ranks {
    case .plain: [path] + arguments
    case .mpirun(let count): launcher + ["-np", "\(count)", path] + arguments
    }
  }

  /// This process's environment without the traces of launchers and batch systems, and with one BLAS thread per rank,
  /// so that results do not depend on the number of threads.
  static var environment: [String: String] {
    let launchers = ["OMPI_", "PMIX_", "PMI_", "SLURM_", "MPI_", "FGN_"]
    var result = ProcessInfo.processInfo.environment.filter { name, _ in !launchers.contains { name.hasPrefix($0) } }
    result["OPENBLAS_NUM_THREADS"] = "1"
    // Open MPI's search for faster networks takes a large part of a short run.
    result["OMPI_MCA_pml"] = "ob1"
    result["OMPI_MCA_btl"] = "self,vader,tcp"
    if geteuid() == 0 {
      result["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
      result["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    }
    return result
  }

  /// Runs the program to its end.
  static func run(
    _ ranks: Ranks, _ arguments: [String], in workspace: Workspace, environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    try Child(command(ranks, arguments), in: workspace, environment: environment).wait(sourceLocation: sourceLocation)
  }
}

extension Program {
  /// Runs one process without mpirun to its end.
  static func run(
    _ arguments: [String], in workspace: Workspace, environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    try run(.plain, arguments, in: workspace, environment: environment, sourceLocation: sourceLocation)
  }
}

/// The end of a child process.
struct Outcome: Sendable {
  /// The exit code, or 128 + the signal that killed it.
  let code: Int32
  let output: String
  let errorOutput: String

  /// The program's own lines on standard error; mpirun adds text of its own.
  var errors: [String] {
    errorOutput.split(whereSeparator: \.isNewline).map(String.init).filter { $0.hasPrefix("fgn-dist: error:") }
  }

  /// Expects success, and shows the errors otherwise.
  func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(code == 0, "\(errorOutput)", sourceLocation: sourceLocation)
  }

  /// Expects exactly one line of error that mentions `words`, and the exit code.
  func expectError(
    _ expected: Int32, mentioning words: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(code == expected, "\(errorOutput)", sourceLocation: sourceLocation)
    #expect(errors.count == 1, "\(errorOutput)", sourceLocation: sourceLocation)
    for word in words {
      #expect(errors.first?.contains(word) == true, "no '\(word)' in: \(errorOutput)", sourceLocation: sourceLocation)
    }
  }
}
