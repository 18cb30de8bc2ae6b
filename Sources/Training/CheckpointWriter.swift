import Dispatch
import Synchronization

/// Writes the checkpoints of a run on a thread of its own, one at a time, while the run goes on. Only rank 0 has one.
///
/// A step waits for no more than a copy of what is to be saved, unless the checkpoint before is still being written.
package final class CheckpointWriter: Sendable {
  /// A checkpoint that has reached the disk.
  package struct Written: Equatable, Sendable {
    package let step: Int
    package let path: String
    /// From the copy's completion to that of the file.
    package let seconds: Double
  }

  private let files: CheckpointFiles
  private let keep: Int
  private let queue = DispatchQueue(label: "checkpoints")
  private let results = Mutex<[Result<Written, StorageError>]>([])

  /// - Parameter keep: how many of the newest checkpoints stay.
  package init(_ files: CheckpointFiles, keep: Int) {
    self.files = files
    self.keep = keep
  }

  /// Begins to write the checkpoint of `step`, and returns; waits only for the one before.
  package func begin(step: Int, _ file: TensorFile) {
    wait()
    queue.async { [self] in
      let start = ContinuousClock.now
      let result = Result { () throws(StorageError) in
        let checkpoint = try files.save(step: step, file)
        try files.prune(keepLast: keep)
        return Written(step: step, path: checkpoint.path, seconds: (ContinuousClock.now - start) / .seconds(1))
      }
      results.withLock { $0.append(result) }
    }
  }

  /// Returns when nothing is being written.
  package func wait() { queue.sync {} }

  /// What has been written since the last call, or the first failure.
  package func collect() throws(StorageError) -> [Written] {
    let finished = results.withLock { results in
      defer { results = [] }
      return results
    }
    return try finished.map { result throws(StorageError) in try result.get() }
  }
}
