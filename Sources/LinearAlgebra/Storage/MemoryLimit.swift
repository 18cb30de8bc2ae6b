import Glibc
import Synchronization

/// How much memory there is, and what happens where somebody wants more: no allocation is tried that would have the system
/// swap, or kill a process.
package enum MemoryLimit {
  private static let limit = Atomic(Int.max)
  private static let handler = Mutex<(@Sendable (String) -> Never)?>(nil)

  /// Bytes that one allocation may have at most.
  package static var bytes: Int {
    get { limit.load(ordering: .relaxed) }
    set { limit.store(newValue, ordering: .relaxed) }
  }

  /// Sets what is called, with a line for a person, where there is no memory. By default it is written to standard error, and
  /// the process ends with 70.
  package static func onFailure(_ body: @escaping @Sendable (String) -> Never) { handler.withLock { $0 = body } }

  /// Ends the process for so many bytes that cannot be had; nil: more than can be counted.
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
