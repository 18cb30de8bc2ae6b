internal import CSystem
import Glibc

/// Memory that all ranks of a communicator map, where they are on one host: rooms for a piece of each rank, in two halves.
///
/// The system frees it when the last of them has ended.
final class HostMemory {
  /// The bytes of a piece.
  let pieceSize: Int
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let ranks: Int
  private var half = 0

  /// Memory for the ranks of `communicator`; nil on all of them where one cannot map it, and where they are on several hosts.
  /// Collective.
  static func shared(by communicator: Communicator) throws(MPIError) -> HostMemory? {
    let host = try communicator.splitBySharedMemory()
    guard host.size == communicator.size, host.size > 1 else { return nil }
    // A few megabytes in all, which stay in caches.
    let pieceSize = max(1 << 16, (1 << 22) / host.size)
    let own = host.isRoot ? MemoryFile(byteCount: 2 * host.size * pieceSize) : nil
    // Rank 0's is open until all have mapped it.
    defer { extendLifetime(own) }
    let address = try host.broadcast(own?.address ?? [])
    let memory = (own ?? MemoryFile(address)).flatMap { HostMemory($0, pieceSize, ranks: host.size) }
    let areMapped = try host.allreduce(memory == nil ? 0 : 1, .min) == 1
    return areMapped ? memory : nil
  }

  private init?(_ file: MemoryFile, _ pieceSize: Int, ranks: Int) {
    (self.pieceSize, self.ranks, byteCount) = (pieceSize, ranks, 2 * ranks * pieceSize)
    guard let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0), base != MAP_FAILED
    else {
      return nil
    }
    self.base = base
  }

  deinit { munmap(base, byteCount) }

  /// Completes a buffer in which each rank has its part: pieces are copied here, and by the others from here, which takes less
  /// than MPI's ways between processes. `barrier` is one of all ranks.
  ///
  /// A half is written again two pieces later, behind a barrier that all ranks reach when they have read it.
  func allgather(
    _ buffer: UnsafeMutableRawPointer, counts: [Int], offsets: [Int], rank: Int, barrier: () throws(MPIError) -> Void
  ) throws(MPIError) {
    for start in stride(from: 0, to: counts.max()!, by: pieceSize) {
      func forPiece(of rank: Int, _ copy: (_ here: UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void) {
        let count = min(pieceSize, counts[rank] - start)
        if count > 0 {
          copy(base + (half * ranks + rank) * pieceSize, buffer + offsets[rank] + start, count)
        }
      }
      forPiece(of: rank) { $0.copyMemory(from: $1, byteCount: $2) }
      try barrier()
      for distance in 1..<ranks {
        forPiece(of: (rank + distance) % ranks) { $1.copyMemory(from: $0, byteCount: $2) }
      }
      half = 1 - half
    }
  }
}

/// A file in memory, of this process or of another one of the host that holds it meanwhile.
private final class MemoryFile {
  let descriptor: Int32

  /// nil where the system has none, or not so many bytes.
  init?(byteCount: Int) {
    let file = fgn_memory_file("fgn-dist ranks")
    guard file >= 0 else { return nil }
    descriptor = file
    // Room that the system has promised and not got would end the process when it is used.
    if posix_fallocate(file, 0, off_t(byteCount)) != 0 { return nil }
  }

  /// The file of another process; nil where this one may not open it, or has another one of that number.
  init?(_ address: [Int]) {
    guard address.count == 4 else { return nil }
    descriptor = open("/proc/\(address[0])/fd/\(address[1])", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0, self.address.suffix(2) == address.suffix(2) else { return nil }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// The process and its descriptor, and the identity of the file: process numbers differ between containers.
  var address: [Int] {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return [] }
    return [
      Int(getpid()), Int(descriptor), Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino),
    ]
  }
}
