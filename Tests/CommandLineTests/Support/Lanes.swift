import Foundation
import Testing

/// Data, and what is made of models: the suites of the folders `Data` and `Models`.
@Suite(.serialized, .ownThread, .disabled(if: Program.isRank, "a rank of mpirun cannot run mpirun"))
struct DataTests {}

/// What runs compute: the suites of the folders `Training` and `Objective`.
@Suite(.serialized, .ownThread, .disabled(if: Program.isRank, "a rank of mpirun cannot run mpirun"))
struct RunTests {}

/// The life of processes, with starts, limits and lost ranks, which they wait for most of the time: the suites of the folder
/// `Process`.
@Suite(.serialized, .ownThread, .disabled(if: Program.isRank, "a rank of mpirun cannot run mpirun"))
struct ProcessTests {}

/// Runs that go on after signals, kills and faults of files, and searches: the suites of the folders `GoingOn` and
/// `Searching`.
@Suite(.serialized, .ownThread, .disabled(if: Program.isRank, "a rank of mpirun cannot run mpirun"))
struct RecoveryTests {}

/// Runs under a supervisor, which waits for faults to be noticed: the suites of the folder `Launching`.
@Suite(.serialized, .ownThread, .disabled(if: Program.isRank, "a rank of mpirun cannot run mpirun"))
struct LaunchedTests {}

/// Runs the tests of a suite on a thread of its own.
///
/// They wait for child processes, and Swift's own pool of threads has no more than one per CPU: a few that wait would
/// keep every other test from its turn.
struct OwnThread: SuiteTrait, TestScoping {
  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(Executor(test.name)) { try await function() }
  }

  private final class Executor: TaskExecutor {
    private let queue: DispatchQueue

    init(_ name: String) { queue = DispatchQueue(label: name) }

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
  }
}

extension SuiteTrait where Self == OwnThread {
  static var ownThread: OwnThread { OwnThread() }
}
