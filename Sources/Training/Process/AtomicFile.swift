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

extension AtomicWriter<StorageError> {
  /// Copies the file at `source` to `path`. Throws exit code 66 or 74.
  static func copy(_ source: String, to path: String) throws(StorageError) {
    let descriptor = open(source, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StorageError(path: source, operation: "open for reading", code: errno) }
    defer { close(descriptor) }
    var file = try AtomicFile(path)
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = read(descriptor, &block, block.count)
      if count == 0 { break }
      guard count > 0 || errno == EINTR else { throw StorageError(path: source, operation: "read", code: errno) }
      if count > 0 { try file.write(Array(block[..<count])) }
    }
    try file.commit()
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
