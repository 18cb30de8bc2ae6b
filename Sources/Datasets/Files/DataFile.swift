import Glibc

/// A regular file that is open for reading.
final class DataFile {
  let path: String
  private(set) var descriptor: Int32
  let version: Version
  var size: Int { version.size }
  /// An identifier of the file, equal in all processes of a host that have it open.
  let place: UInt64

  /// Size and time of modification, which tell whether a file was written to.
  struct Version: Equatable {
    /// In bytes.
    var size = 0
    /// The time of modification, in seconds and nanoseconds.
    var seconds = 0
    var nanoseconds = 0
  }

  /// Throws a `DataError` with exit code 66 when `path` is missing, is not a regular file or is not readable. `flags`
  /// are added to the flags of `open`.
  init(_ path: String, flags: Int32 = 0) throws(DataError) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags)
    self.path = path
    guard descriptor >= 0 else {
      (version, place) = (Version(), 0)
      throw .unreadable(path, "cannot be opened (\(errorText())); check the path and the permissions")
    }
    var status = stat()
    let isExamined = fstat(descriptor, &status) == 0
    version = Version(status)
    place = status.place
    guard isExamined else { throw .unreadable(path, "cannot be examined (\(errorText()))") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      throw .unreadable(path, "is \(isDirectory ? "a directory" : "not a regular file"); name the data file itself")
    }
  }

  deinit { closeDescriptor() }

  /// Closes the descriptor: a process has few of them, and a set may have many files.
  func closeDescriptor() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  /// Opens the file once more. Throws exit code 65 if the path holds another file or the file was written to, 66 if it
  /// cannot be opened.
  func reopened(flags: Int32 = 0) throws(DataError) -> DataFile {
    let file = try DataFile(path, flags: flags)
    guard file.place == place, file.version == version else { throw Self.changed(path) }
    return file
  }

  /// Fills `target` with the bytes from `offset` on, or at least its first `needed` bytes where the file ends earlier.
  /// Throws exit code 65 for a file that has become shorter, 74 for one that the system fails to read.
  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int, needed: Int? = nil) throws(DataError) {
    let (count, isFailure) = readAll(into: target, from: descriptor, at: offset)
    if count >= needed ?? target.count { return }
    if isFailure {
      throw DataError(
        path: path, message: "cannot be read at byte \(offset + count) (\(errorText())); check the file system",
        exitCode: 74)
    }
    throw .badContents(path, "became shorter while it was read; use a file that nobody is writing")
  }

  /// Throws exit code 65 if the file was written to after it was opened.
  func checkUnchanged() throws(DataError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, Version(status) == version else { throw Self.changed(path) }
  }

  static func changed(_ path: String) -> DataError {
    .badContents(path, "changed while it was read; use a file that nobody is writing")
  }
}

extension DataFile.Version {
  init(_ status: stat) {
    self.init(size: Int(status.st_size), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
  }
}

/// The C library's words for the current `errno`.
func errorText() -> String { String(cString: strerror(errno)) }

extension stat {
  /// The file's number and its file system's number, combined.
  var place: UInt64 { UInt64(st_ino) ^ UInt64(st_dev) << 40 }
}
