internal import CMPI

/// A nonblocking operation in progress. It must be waited for: MPI writes to its buffer until then, so a request that
/// is dropped traps.
struct Request: ~Copyable {
  /// One request per chunk; empty without another rank.
  private var parts: [fgn_request] = []
  private var isComplete = false

  mutating func add(_ part: fgn_request) {
    parts.append(part)
  }

  /// Takes over the chunks of another request.
  mutating func add(_ other: consuming Request) {
    parts += other.parts
    other.isComplete = true
  }

  /// Lets MPI make progress: many libraries work on an operation only while they are called.
  mutating func progress() throws(MPIError) {
    var isDone: Int32 = 0
    for index in parts.indices {
      let code = fgn_test(&parts[index], &isDone)
      if code != Int32(fgn_success) { throw MPIError(operation: "MPI_Test", code: code) }
    }
  }

  /// Returns when all chunks are done. Completes the operation for this rank; the first failure is thrown at the end.
  consuming func wait() throws(MPIError) {
    isComplete = true
    var failure: Int32?
    for index in parts.indices {
      let code = fgn_wait(&parts[index])
      if code != Int32(fgn_success), failure == nil { failure = code }
    }
    if let failure { throw MPIError(operation: "MPI_Wait", code: failure) }
  }

  deinit {
    precondition(isComplete, "a nonblocking operation was dropped without waiting for it")
  }
}
