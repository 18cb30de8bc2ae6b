import Glibc

/// A regular file that is open for reading.
final class DataFile {
  let path: String
  /// In bytes, when it was opened.
  let size: Int
  let descriptor: Int32
  private let modified: timespec

  /// Throws a `DataError` with exit code 66 when `path` is missing, is not a regular file or is not readable.
  init(_ path: String) throws(DataError) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    self.path = path
    guard descriptor >= 0 else {
      (size, modified) = (0, timespec())
      throw .unreadable(path, "cannot be opened (\(errorText())); check the path and the permissions")
    }
    var status = stat()
    let isExamined = fstat(descriptor, &status) == 0
    (size, modified) = (Int(status.st_size), status.st_mtim)
    guard isExamined else { throw .unreadable(path, "cannot be examined (\(errorText()))") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      throw .unreadable(path, "is \(isDirectory ? "a directory" : "not a regular file"); name the data file itself")
    }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Fills `target` with the bytes from `offset` on. Throws exit code 65 for a file that has become shorter, 74 for one
  /// that the system fails to read.
  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) throws(DataError) {
    var filled = 0
    while filled < target.count {
      let count = pread(descriptor, target.baseAddress! + filled, target.count - filled, offset + filled)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw DataError(
          path: path, message: "cannot be read at byte \(offset + filled) (\(errorText())); check the file system",
          exitCode: 74)
      }
      guard count > 0 else {
        throw .badContents(path, "became shorter while it was read; use a file that nobody is writing")
      }
      filled += count
    }
  }

  /// Throws exit code 65 if the file was written to since it was opened.
  func checkUnchanged() throws(DataError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size == size, status.st_mtim.tv_sec == modified.tv_sec,
      status.st_mtim.tv_nsec == modified.tv_nsec
    else { throw .badContents(path, "changed while it was read; use a file that nobody is writing") }
  }
}

/// The C library's words for the current `errno`.
func errorText() -> String { String(cString: strerror(errno)) }
