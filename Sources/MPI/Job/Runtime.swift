internal import CMPI
import Glibc

/// The MPI library of this process, from start to finish; one per process. A process that no launcher started makes no
/// MPI call.
public final class Runtime {
  /// All processes of the job.
  public let world: Communicator
  private var isRunning: Bool
  /// Watches the start until `completeStart`.
  private let watch: StartupWatch?

  /// The use of MPI by threads: from the main thread only, or from any thread, one at a time.
  public enum Threading: Sendable {
    case funneled
    case serialized

    var level: Int32 {
      switch self {
      case .funneled: Int32(fgn_thread_funneled)
      case .serialized: Int32(fgn_thread_serialized)
      }
    }
  }

  private init(world: Communicator, isRunning: Bool, watch: StartupWatch?) {
    self.world = world
    self.isRunning = isRunning
    self.watch = watch
  }

  /// Joins the job that the launcher announces in the environment, or starts a job of one. Collective, once per
  /// process.
  ///
  /// - Parameters:
  ///   - threading: the threads that will call MPI.
  ///   - environment: the variables of this process, in which launchers announce a job.
  ///   - onHang: called on another thread, with a description, if some ranks do not arrive before `completeStart`;
  ///     should end the process. nil: waits for them.
  /// - Throws: `LauncherError` if several processes were started that do not know each other, `EnvironmentError`,
  ///   `MPIError` if MPI fails or does not support `threading`.
  public static func start(
    threading: Threading = .funneled, environment: [String: String] = processEnvironment(),
    onHang: (@Sendable (String) -> Void)? = nil
  ) throws -> Runtime {
    let launch = try Launch(environment: environment)
    guard case .parallel = launch else { return Runtime(world: Communicator(), isRunning: false, watch: nil) }
    let watch = try onHang.map { try StartupWatch(environment: environment, onHang: $0) }

    // Ranks poll while they wait; with more ranks than CPUs, polling keeps the awaited rank from running.
    let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    let yields = Launch.mustYield(
      environment: environment, processors: processors, affinity: Int(fgn_affinity_count()))
    if yields { setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0) }

    var provided: Int32 = 0
    try check(fgn_init(threading.level, &provided), "MPI_Init_thread")
    try check(fgn_return_errors(), "MPI_Comm_set_errhandler")
    guard provided >= threading.level else {
      fgn_finalize()
      throw MPIError(
        operation: "MPI_Init_thread", code: provided,
        message: "thread support of the MPI library is below the required level \(threading.level)")
    }
    do {
      // Yielding decides whether a collective is blocking or nonblocking, and MPI does not match one with the other. If
      // one rank yields, all do.
      let yield = try Communicator(worldYielding: true).rollCall(yields ? 1 : 0, watch)
      let world = try Communicator(worldYielding: yield > 0)
      try launch.verify(size: world.size)
      return Runtime(world: world, isRunning: true, watch: watch)
    } catch let error as LauncherError {
      fgn_finalize()
      throw error
    }
  }

  /// Returns when all ranks have started; the watch over the start ends. Collective.
  package func completeStart() throws {
    _ = try world.rollCall(0, watch)
    watch?.end()
  }

  /// Leaves the job; later calls do nothing. Collective: waits for all ranks.
  public func finalize() {
    guard isRunning else { return }
    isRunning = false
    // A failure has no consequence here: all results are saved.
    fgn_finalize()
  }

  /// Ends all processes of the job with `code`, whatever they are doing. Local.
  ///
  /// This is the way out for an error that the other ranks do not know of: they would wait forever for a rank that
  /// leaves on its own.
  public func abort(code: Int32) -> Never {
    if isRunning {
      fflush(nil)
      fgn_abort(code)
    }
    exit(code)
  }

  /// Name and version of the MPI library, such as `Open MPI v4.1.4`. Local.
  public var libraryVersion: String { Self.linkedLibrary }

  /// Name and version of the MPI library that this program is linked with, also where MPI does not run. Local.
  package static var linkedLibrary: String {
    // The rest describes how the library was built, several kilobytes in MPICH.
    let name = libraryText(fgn_library_version)?.prefix { $0 != "," && $0 != ";" }
    return name.map { String($0) } ?? "unknown MPI library"
  }

  /// The environment variables of this process.
  public static func processEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    guard var entry = fgn_environment() else { return result }
    while let text = entry.pointee {
      let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2 { result[String(pair[0])] = String(pair[1]) }
      entry += 1
    }
    return result
  }
}
