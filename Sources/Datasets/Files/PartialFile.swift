import Glibc

/// A file that appears at its path complete or not at all: what is written goes to `PATH.partial`, and `finish()` gives
/// that its name; without it nothing is left.
final class PartialFile {
  let path: String
  private let descriptor: Int32
  private var isComplete = false
  private var isFinished = false

  private var partialPath: String { path + ".partial" }

  /// Throws exit code 74.
  init(_ path: String) throws(DataError) {
    self.path = path
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else {
      descriptor = -1
      throw .unwritable(path, "is a directory; name a file in it")
    }
    descriptor = open(path + ".partial", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .unwritable(path, "cannot be created (\(errorText()))") }
  }

  deinit {
    if !isFinished && descriptor >= 0 {
      close(descriptor)
      unlink(partialPath)
    }
  }

  /// Throws exit code 74.
  func write(_ bytes: UnsafeRawBufferPointer) throws(DataError) {
    guard writeAll(bytes, to: descriptor) else { throw failure() }
  }

  /// Throws exit code 74.
  func write(_ bytes: [UInt8]) throws(DataError) {
    try bytes.span.bytes.withUnsafeBytes { bytes throws(DataError) in try write(bytes) }
  }

  /// Makes sure that all of the file is on the disk, where it has no name of its own yet: nothing but that can fail later.
  /// Throws exit code 74.
  func complete() throws(DataError) {
    guard fsync(descriptor) == 0 else { throw failure() }
    isComplete = true
  }

  /// Puts the complete file in place. Throws exit code 74.
  func finish() throws(DataError) {
    precondition(!isFinished, "the file is finished")
    if !isComplete { try complete() }
    guard rename(partialPath, path) == 0 else { throw failure() }
    isFinished = true
    close(descriptor)
  }

  private func failure() -> DataError { .unwritable(path, "cannot be written (\(errorText()))") }
}
