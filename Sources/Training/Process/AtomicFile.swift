import Datasets
import Glibc

/// A file of a run, which appears at its path complete or not at all. Killed processes leave their temporaries: see
/// `CheckpointFiles.prune`.
package typealias AtomicFile = AtomicWriter<StorageError>

extension StorageError: FileFailure {
  package init(_ operation: FileOperation, on path: String, code: Int32) {
    self.init(path: path, operation: operation.rawValue, code: code)
  }
}

extension RawSpan {
  /// Writes all bytes to an open file; `path` is its name in errors.
  package func writeAll(to descriptor: Int32, path: String) throws(StorageError) {
    guard withUnsafeBytes({ Datasets.writeAll($0, to: descriptor) }) else {
      throw StorageError(.write, on: path, code: errno)
    }
  }
}
