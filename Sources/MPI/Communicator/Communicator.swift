internal import CMPI
import Glibc

/// A group of processes and the collective operations among them.
///
/// Collective means: all ranks of the communicator call it, in the same order, with the same counts, operation, root
/// and chunk limit. A communicator of size one makes no MPI call.
public final class Communicator {
  /// The number of this process, from zero.
  public let rank: Int
  /// The number of processes.
  public let size: Int
  /// The name of the machine that this process runs on.
  public let hostname: String
  /// The largest count (elements of a reduction, bytes otherwise) for one MPI call; larger counts are split into
  /// chunks. MPI counts are `Int32`. The same on all ranks.
  package var chunkLimit = Int(Int32.max) {
    willSet { precondition(newValue > 0 && newValue <= Int(Int32.max), "no count of MPI") }
  }
  /// Whether ranks that compute the same on their own get equal bits: on processors of one type, with equal numbers of
  /// threads. The same on all ranks.
  package var computesAlike = true
  /// The traffic of this communicator's collective operations on this process.
  public internal(set) var statistics = Statistics()

  public struct Statistics: Equatable, Sendable {
    /// The number of calls, regardless of chunks, including calls without another rank.
    public var allreduces = 0
    /// The bytes of the reduced buffers.
    public var allreducedBytes = 0
    /// The number of calls of allgather, and the bytes of the completed buffers, with the parts of all ranks.
    public var allgathers = 0
    public var allgatheredBytes = 0
    /// Seconds in MPI calls; a nonblocking one counts its start and its wait.
    public var seconds = 0.0

    public init() {}

    /// The difference between two readings.
    public static func - (later: Statistics, earlier: Statistics) -> Statistics {
      var difference = later
      difference.allreduces -= earlier.allreduces
      difference.allreducedBytes -= earlier.allreducedBytes
      difference.allgathers -= earlier.allgathers
      difference.allgatheredBytes -= earlier.allgatheredBytes
      difference.seconds -= earlier.seconds
      return difference
    }
  }

  /// The communicator that this one is a part of, where its traffic counts there, too.
  private var whole: Communicator?

  /// The operations that are being recorded; nil where they are not.
  var record: Record?

  /// The memory that the ranks share; the outer nil before they have looked for it.
  private var memory: HostMemory??

  /// Runs while this process waits in MPI; shared by all communicators of a job.
  let clock: WaitingClock

  /// nil exactly if `size` is one.
  let handle: fgn_comm?
  private let ownsHandle: Bool

  /// A communicator of this process alone. Local.
  public convenience init() {
    self.init(
      handle: nil, rank: 0, size: 1, ownsHandle: false, hostname: Communicator.machineName(), clock: WaitingClock())
  }

  private init(
    handle: fgn_comm?, rank: Int, size: Int, ownsHandle: Bool, hostname: String, clock: WaitingClock
  ) {
    self.clock = clock
    self.rank = rank
    self.size = size
    self.handle = handle
    self.ownsHandle = ownsHandle
    self.hostname = hostname
  }

  /// All processes of the job; MPI must be running. `yields`: whether waiting gives way to other processes.
  convenience init(worldYielding yields: Bool) throws(MPIError) {
    try self.init(
      fgn_world(yields ? 1 : 0), ownsHandle: false, hostname: Communicator.machineName(), clock: WaitingClock())
  }

  private convenience init(
    _ handle: fgn_comm, ownsHandle: Bool, hostname: String, clock: WaitingClock
  ) throws(MPIError) {
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(fgn_rank(handle, &rank), "MPI_Comm_rank")
    try check(fgn_size(handle, &size), "MPI_Comm_size")
    if size == 1, ownsHandle { try check(fgn_free(handle), "MPI_Comm_free") }
    self.init(
      handle: size > 1 ? handle : nil, rank: Int(rank), size: Int(size), ownsHandle: ownsHandle, hostname: hostname,
      clock: clock)
  }

  deinit {
    // A communicator that outlives the job has nothing to free.
    if ownsHandle, let handle, fgn_is_finalized() == 0 { _ = fgn_free(handle) }
  }

  /// The processes that pass the same `color`, ranked by `key` and then by their rank here. Collective.
  ///
  /// - Precondition: 0 ≤ color ≤ 2³¹ − 1, and key fits in `Int32`.
  public func split(color: Int, key: Int) throws(MPIError) -> Communicator {
    try split(color: color, key: key, countsHere: false)
  }

  /// - Parameter countsHere: whether the traffic of the part counts as traffic of this communicator, too.
  package func split(color: Int, key: Int, countsHere: Bool) throws(MPIError) -> Communicator {
    precondition(color >= 0, "a color is not negative")
    guard let handle else { return copyOfOne() }
    var part = handle
    try waiting { () throws(MPIError) in
      try check(fgn_split(handle, Int32(color), Int32(key), &part), "MPI_Comm_split")
    }
    let result = try adopt(part)
    if countsHere { result.whole = self }
    return result
  }

  /// The processes that share memory with this one (its node), in the order of their ranks here. Collective.
  public func splitBySharedMemory() throws(MPIError) -> Communicator {
    guard let handle else { return copyOfOne() }
    var part = handle
    try waiting { () throws(MPIError) in
      try check(fgn_split_shared_memory(handle, Int32(rank), &part), "MPI_Comm_split_type")
    }
    return try adopt(part)
  }

  /// Whether the processes are on several hosts. Collective.
  package func spansHosts() throws(MPIError) -> Bool { try allreduce(splitBySharedMemory().size, .min) < size }

  /// The most processes that a host has. Collective.
  package func fullestHost() throws(MPIError) -> Int { try allreduce(splitBySharedMemory().size, .max) }

  /// Memory that the ranks share; nil where they are on several hosts. Collective.
  func hostMemory() throws(MPIError) -> HostMemory? {
    if let memory { return memory }
    let found = try HostMemory.shared(by: self)
    memory = .some(found)
    return found
  }

  /// Returns when all ranks have called it. Collective.
  public func barrier() throws(MPIError) {
    guard let handle else { return }
    try waiting { () throws(MPIError) in try check(fgn_barrier(handle), "MPI_Barrier") }
  }

  private func copyOfOne() -> Communicator {
    let copy = Communicator(handle: nil, rank: 0, size: 1, ownsHandle: false, hostname: hostname, clock: clock)
    copy.chunkLimit = chunkLimit
    copy.computesAlike = computesAlike
    return copy
  }

  private func adopt(_ part: fgn_comm) throws(MPIError) -> Communicator {
    let communicator = try Communicator(part, ownsHandle: true, hostname: hostname, clock: clock)
    communicator.chunkLimit = chunkLimit
    communicator.computesAlike = computesAlike
    return communicator
  }

  private static func machineName() -> String {
    // POSIX does not say whether a truncated name ends in a zero, so the last byte is kept out of its reach.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      buffer.initialize(repeating: 0)
      return gethostname(buffer.baseAddress!, 255) == 0 ? String(cString: buffer.baseAddress!) : "unknown host"
    }
  }
}

extension Communicator {
  /// Calls `body`, in which this process may wait for others, and counts its time.
  func waiting(_ body: () throws(MPIError) -> Void) throws(MPIError) {
    let start = monotonicSeconds()
    clock.begin(at: start)
    defer {
      clock.end()
      let seconds = monotonicSeconds() - start
      tally { $0.seconds += seconds }
    }
    try body()
  }

  /// Adds to the statistics.
  func tally(_ change: (inout Statistics) -> Void) {
    change(&statistics)
    whole?.tally(change)
  }

  /// The communicators that record the operations of this one.
  var recorders: [Communicator] { [self] + (whole?.recorders ?? []) }

  /// Calls `body` as above, and records it as an operation on so many bytes.
  func waiting(
    _ kind: Operation.Kind, _ bytes: Int, _ body: () throws(MPIError) -> Void
  ) throws(MPIError) {
    let start = monotonicSeconds()
    try waiting(body)
    note(kind, bytes, since: start)
  }

  /// Calls `body` with the offset and the count of each stretch of at most `chunkLimit`.
  func forEachChunk(of count: Int, _ body: (_ offset: Int, _ count: Int32) throws(MPIError) -> Void) throws(MPIError) {
    var offset = 0
    while offset < count {
      let chunk = min(chunkLimit, count - offset)
      try body(offset, Int32(chunk))
      offset += chunk
    }
  }
}
