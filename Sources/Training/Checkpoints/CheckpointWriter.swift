import Foundation

/// Writes the checkpoints of a run on a separate thread, one at a time, while the run goes on. Only rank 0 has one.
///
/// A step waits only for a copy of the state, unless the previous checkpoint is still being written.
package final class CheckpointWriter: @unchecked Sendable {
  /// A checkpoint that has reached the disk.
  package struct Written: Equatable, Sendable {
    package let step: Int
    package let path: String
    package let seconds: Double
  }

  private let files: CheckpointFiles
  private let options: Configuration.CheckpointOptions
  /// Guards the properties that follow.
  private let condition = NSCondition()
  private var next: (step: Int, file: TensorFile)?
  private var isWriting = false
  private var results: [Result<Written, StorageError>] = []
  private var isEnding = false

  /// - Parameter options: how many checkpoints stay, and whether they are read again.
  package init(_ files: CheckpointFiles, _ options: Configuration.CheckpointOptions) {
    self.files = files
    self.options = options
    // The thread keeps this object alive until `end`.
    Thread.detachNewThread { self.work() }
  }

  /// Starts writing a checkpoint and returns; waits only for the previous one. May be called on any thread.
  ///
  /// - Parameter contents: copies the state, once the previous copy has been released; nil writes nothing.
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

  /// Returns when no checkpoint is being written.
  package func wait() {
    condition.withLock { waitUntilIdle() }
  }

  /// What has become of the checkpoints since the last call, in their order.
  package func collect() -> [Result<Written, StorageError>] {
    condition.withLock {
      defer { results = [] }
      return results
    }
  }

  /// Waits as `wait` does, and ends the thread.
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

  /// Writes the next checkpoint, unlocked meanwhile; nil if there is none. The copy is released on return.
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
      try files.finish(checkpoint.path, options, soundStep: RunState.soundStep(of: file))
      return Written(step: step, path: checkpoint.path, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
  }
}
