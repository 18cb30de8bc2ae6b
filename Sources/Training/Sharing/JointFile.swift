import CSystem
import Datasets
import Glibc
import MPI

/// The file that rank 0 has begun, on a rank that writes some of its bytes itself.
///
/// That needs a file system which all ranks see, and where bytes that one rank writes do not undo those beside them: any if all
/// are on one host, else one that is made for it.
final class JointFile {
  private let descriptor: Int32
  private let path: String
  private var failure: StorageError?

  /// Joins the file that rank 0 has begun; nil on all ranks if one of them cannot. Of the first two arguments rank 0's count.
  /// Collective.
  ///
  /// - Parameters:
  ///   - temporary: the name that it has until it is complete.
  ///   - stamp: its first bytes, so that it is no file of the same name on another disk.
  ///   - path: the name in errors.
  init?(_ temporary: String, stamp: [UInt8], path: String, over communicator: Communicator) throws {
    let (name, stamp) = (try communicator.broadcast(temporary), try communicator.broadcast(stamp))
    self.path = path
    descriptor = open(name, O_RDWR | O_CLOEXEC)
    var found = [UInt8](repeating: 0, count: stamp.count)
    let isSeen = descriptor >= 0 && pread(descriptor, &found, found.count, 0) == found.count && found == stamp
    let isOneHost = try !communicator.spansHosts()
    let isSound = isSeen && (isOneHost || fgn_keeps_bytes_of_hosts(descriptor))
    guard try communicator.allreduce(isSound ? 1 : 0, .min) == 1 else { return nil }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Writes `bytes` at a place of the file. A failure waits for the end, where all ranks hear of it.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    if failure == nil, !writeAll(bytes, to: descriptor, at: offset) {
      failure = StorageError(.write, on: path, code: errno)
    }
  }

  /// Makes sure that what this rank has written is on the disk. Throws the first failure.
  func finish() throws(StorageError) {
    if let failure { throw failure }
    guard synchronize(descriptor) == 0 else { throw StorageError(.fsync, on: path, code: errno) }
  }
}
