import Foundation
import MPI

/// Keeps other jobs out of a run's folder while it lives: a lock on the file `lock` in the folder. The kernel releases
/// it however the process ends, also on network file systems. Only rank 0 has one.
package final class RunLock: Sendable {
  /// Whoever has it open has the lock.
  package let descriptor: Int32

  /// The time that a job waits for another job that is ending, for instance after a kill of its mpirun.
  package static var patience: Duration { .seconds(5) }
  /// The same for a job whose host may be lost: a network file system keeps its lock for a while.
  package static var patienceWithLostHosts: Duration { .seconds(120) }

  /// Locks the folder of a run. Throws exit code 64 if another job has it, or `StorageError`.
  package convenience init(_ directory: RunDirectory, hostname: String, patience: Duration = RunLock.patience) throws {
    try self.init(directory.lock, of: directory, hostname: hostname, patience: patience)
  }

  /// Locks a folder by the file at `path`. Throws as above.
  package init(_ path: String, of directory: RunDirectory, hostname: String, patience: Duration) throws {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for writing", code: errno) }
    let start = ContinuousClock.now
    var hasTold = false
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      guard code == EWOULDBLOCK || code == EINTR else {
        close(descriptor)
        throw StorageError(path: path, operation: "lock", code: code)
      }
      let waited = ContinuousClock.now - start
      if !hasTold, waited >= Self.patience, waited < patience {
        hasTold = true
        let owner = Self.owner(descriptor)
        let note = "fgn-dist: \(directory.path) is in use by another job (\(owner)), whose end is waited for\n"
        try? FileHandle.standardError.write(contentsOf: Data(note.utf8))
      }
      if waited >= patience || Preemption.requested != nil {
        let owner = Self.owner(descriptor)
        close(descriptor)
        throw ConfigurationError(
          source: directory.path,
          "is in use by another job (\(owner)); wait for its end, stop it, or choose another --run-directory")
      }
      usleep(50_000)
    }
    // The file's contents serve the message of a refused job; the lock does not depend on them.
    ftruncate(descriptor, 0)
    let text = "process \(getpid()) on \(hostname)\n"
    _ = pwrite(descriptor, text, text.utf8.count, 0)
  }

  deinit { close(descriptor) }

  /// The note that the holder of the lock has left in the file.
  private static func owner(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 400)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return text.isEmpty ? "which does not say more" : StorageError.oneLine(text)
  }
}
