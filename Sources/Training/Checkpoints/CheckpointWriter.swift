import Foundation

/// Writes the checkpoints of a run on a thread of its own, one at a time, while the run goes on. Only rank 0 has one.
///
/// A step waits for no more than a copy of what is to be saved, unless the checkpoint before is still being written.
package final class CheckpointWriter: @unchecked Sendable {
  /// A checkpoint that has reached the disk.
  package struct Written: Equatable, Sendable {
    package let step: Int
    package let path: String
    package let seconds: Double
  }

  private let files: CheckpointFiles
  private let keep: Int
  /// Guards what follows.
  private let condition = NSCondition()
  private var next: (step: Int, file: TensorFile)?
  private var isWriting = false
  private var results: [Result<Written, StorageError>] = []
  private var isEnding = false

  /// - Parameter keep: how many of the newest checkpoints stay.
  package init(_ files: CheckpointFiles, keep: Int) {
    self.files = files
    self.keep = keep
    // The thread keeps this object alive until `end`.
    Thread.detachNewThread { self.work() }
  }

  /// Begins to write a checkpoint, and returns; waits only for the one before. On any thread.
  ///
  /// - Parameter contents: copies what is to be saved, once the copy before has been given back; nil: nothing is.
  package func begin(_ contents: () -> (step: Int, file: TensorFile)?) {
    condition.withLock {
      waitUntilIdle()
      isWriting = true
    }
    let contents = contents()
    condition.withLock {
      next = contents
      isWriting = contents != nil
      condition.broadcast()
    }
  }

  /// Returns when nothing is being written.
  package func wait() {
    condition.withLock { waitUntilIdle() }
  }

  /// What has been written since the last call, or the first failure.
  package func collect() throws(StorageError) -> [Written] {
    let finished = condition.withLock {
      defer { results = [] }
      return results
    }
    return try finished.map { result throws(StorageError) in try result.get() }
  }

  /// Waits as `wait` does, and gives the thread back.
  package func end() {
    condition.withLock {
      waitUntilIdle()
      isEnding = true
      condition.broadcast()
    }
  }

  private func waitUntilIdle() {
    while isWriting { condition.wait() }
  }

  private func work() {
    condition.lock()
    while true {
      while next == nil, !isEnding { condition.wait() }
      guard let result = writeNext() else { break }
      results.append(result)
      isWriting = false
      condition.broadcast()
    }
    condition.unlock()
  }

  /// Writes what is next, unlocked meanwhile; nil if there is nothing. Its memory is free on return.
  private func writeNext() -> Result<Written, StorageError>? {
    guard let (step, file) = next else { return nil }
    next = nil
    condition.unlock()
    defer { condition.lock() }
    return write(step: step, file)
  }

  private func write(step: Int, _ file: TensorFile) -> Result<Written, StorageError> {
    Result { () throws(StorageError) in
      let start = ContinuousClock.now
      let checkpoint = try files.save(step: step, file)
      try files.prune(keepLast: keep)
      return Written(step: step, path: checkpoint.path, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
  }
}
