import Glibc

/// A file of examples that appears at its path with `finish()`, complete; what is written goes to `PATH.partial`.
final class PartialFile {
  let path: String
  /// Nil once it is finished.
  private var writer: AtomicWriter<DataError>?

  /// Throws exit code 74.
  init(_ path: String) throws(DataError) {
    self.path = path
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else {
      throw .unwritable(path, "is a directory; name a file in it")
    }
    writer = try AtomicWriter(path, by: .partial)
  }

  /// Throws exit code 74.
  func write(_ bytes: UnsafeRawBufferPointer) throws(DataError) { try writer!.write(bytes) }

  /// Throws exit code 74.
  func write(_ bytes: [UInt8]) throws(DataError) { try writer!.write(bytes) }

  /// Writes at a place of the file. Throws exit code 74.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DataError) { try writer!.write(bytes, at: offset) }

  /// Makes sure that all of the file is on the disk: nothing but its name can fail later. Throws exit code 74.
  func complete() throws(DataError) { try writer!.flush() }

  /// Puts the complete file in place. Throws exit code 74.
  func finish() throws(DataError) {
    guard let writer = writer.take() else { preconditionFailure("the file is finished") }
    try writer.commit()
  }
}

extension DataError: FileFailure {
  package init(_ operation: FileOperation, on path: String, code: Int32) {
    let reason = String(cString: strerror(code))
    self = .unwritable(
      path, "cannot be \(operation == .open ? "created" : "written") (\(reason)); \(remedyOfWriting(code))")
  }
}
