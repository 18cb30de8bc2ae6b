import Glibc
import MPI

/// The ranks that a test bundle runs on: those of mpirun, or this process alone.
///
/// The same tests pass on any number of ranks. Under mpirun they run one after the other, in the same order everywhere
/// (`--no-parallel`), and on whichever thread the test runner picks.
package enum World {
  // Safe because MPI_THREAD_SERIALIZED allows calls from any thread, one at a time, and --no-parallel sees to that.
  nonisolated(unsafe) private static let runtime: Runtime = {
    do {
      let runtime = try Runtime.start(threading: .serialized)
      if runtime.world.size > 1 { atexit { World.runtime.finalize() } }
      return runtime
    } catch {
      fatalError("\(error)")
    }
  }()

  /// All ranks. Without mpirun a new one each time, because tests then run side by side.
  package static var communicator: Communicator {
    runtime.world.size > 1 ? runtime.world : Communicator()
  }

  package static var size: Int { runtime.world.size }

  /// Name and version of the MPI library.
  package static var libraryVersion: String { runtime.libraryVersion }
}
