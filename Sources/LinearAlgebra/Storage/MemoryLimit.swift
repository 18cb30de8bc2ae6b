import Glibc
import Synchronization

/// The limit of memory, and the reaction to requests beyond it: no allocation is tried that would make the system swap,
/// or kill a process.
package enum MemoryLimit {
  private static let limit = Atomic(Int.max)
  private static let handler = Mutex<(@Sendable (String) -> Never)?>(nil)

  /// The largest number of bytes for one allocation.
  package static var bytes: Int {
    get { limit.load(ordering: .relaxed) }
    set { limit.store(newValue, ordering: .relaxed) }
  }

  /// Sets the function that is called, with a line for the user, when memory is exhausted. The default writes it to
  /// standard error and ends the process with exit code 70.
  package static func onFailure(_ body: @escaping @Sendable (String) -> Never) { handler.withLock { $0 = body } }

  /// Ends the process for a request that cannot be met; nil: for more bytes than an `Int` counts.
  static func fail(_ byteCount: Int?) -> Never {
    let size = byteCount.map { "\($0) bytes" } ?? "more than 2^63 bytes"
    let known = bytes == .max ? "" : ", of \(bytes) that there are"
    let line = "\(size) of memory cannot be had at once\(known); use a smaller batch, model or data set"
    if let body = handler.withLock({ $0 }) { body(line) }
    let bytes = Array("error: \(line)\n".utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
    exit(70)
  }
}
