import Glibc
import MPI

/// The ranks that a test bundle runs on: the ranks of mpirun, or this process alone.
///
/// All tests pass on any number of ranks. Under mpirun they run one after another, in the same order on all ranks
/// (`--no-parallel`), and on any thread that the test runner picks.
package enum World {
  // Safe because MPI_THREAD_SERIALIZED allows calls from any thread, one at a time, which --no-parallel ensures.
  nonisolated(unsafe) private static let runtime: Runtime = {
    do {
      let runtime = try Runtime.start(threading: .serialized)
      if runtime.world.size > 1 { atexit { World.runtime.finalize() } }
      return runtime
    } catch {
      fatalError("\(error)")
    }
  }()

  /// All ranks. Without mpirun each access gives a new communicator, because tests then run in parallel.
  package static var communicator: Communicator {
    runtime.world.size > 1 ? runtime.world : Communicator()
  }

  package static var size: Int { runtime.world.size }

  /// The numbers that `body` computes on rank 0, on all ranks: a slow reference is computed once. Collective.
  package static func once<Element: MPIDatatype>(_ body: () throws -> [Element]) throws -> [Element] {
    let communicator = communicator
    return try communicator.broadcast(try communicator.onRoot(body) ?? [])
  }

  /// Name and version of the MPI library.
  package static var libraryVersion: String { runtime.libraryVersion }
}
