import Glibc

/// A file that appears at its path complete or not at all.
///
/// The bytes go to `.NAME.tmp-PID` in the same folder; `commit()` flushes them to the disk, renames the temporary over
/// the path and flushes the folder. Whatever fails before the rename leaves the old file as it was, and a value that
/// goes away without a commit removes its temporary. Killed processes leave theirs: see `CheckpointFiles.prune`.
package struct AtomicFile: ~Copyable {
  /// Stands in a temporary's name between the final name and the process id.
  static let temporaryMarker = ".tmp-"

  package let path: String
  private let folder: String
  private let temporary: String
  private var descriptor: Int32
  private var isTemporaryLeft = true

  /// Opens the temporary for `path`. The folder must exist.
  package init(_ path: String) throws(StorageError) {
    let nameStart = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    self.path = path
    folder = nameStart == path.startIndex ? "." : String(path[..<nameStart])
    temporary = "\(path[..<nameStart]).\(path[nameStart...])\(Self.temporaryMarker)\(getpid())"
    // In a container the process id repeats from run to run, so a dead run's temporary may have this very name.
    unlink(temporary)
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for writing", code: errno) }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if isTemporaryLeft { unlink(temporary) }
  }

  /// Appends `bytes`, all of them.
  package mutating func write(_ bytes: RawSpan) throws(StorageError) {
    try bytes.writeAll(to: descriptor, path: path)
  }

  package mutating func write(_ bytes: [UInt8]) throws(StorageError) {
    try write(bytes.span.bytes)
  }

  /// Appends `text` in UTF-8.
  package mutating func write(_ text: String) throws(StorageError) {
    try write(Array(text.utf8))
  }

  /// Puts the file in its place. If flushing the folder is what fails, the new file is already there.
  package consuming func commit() throws(StorageError) {
    // A failed fsync is not tried again: the kernel may have dropped the pages and would report success.
    guard flush(descriptor) == 0 else { throw StorageError(path: path, operation: "fsync", code: errno) }
    let closed = close(descriptor)
    descriptor = -1
    // On Linux the descriptor is gone even when close was interrupted.
    guard closed == 0 || errno == EINTR else { throw StorageError(path: path, operation: "close", code: errno) }
    guard rename(temporary, path) == 0 else { throw StorageError(path: path, operation: "rename", code: errno) }
    isTemporaryLeft = false
    try Self.flushFolder(folder)
  }

  /// Writes the file at `path` with `body`, which appends to the writer that it is given.
  /// Throws: `StorageError`, or what `body` throws; the old file, if any, is then unchanged.
  package static func write(_ path: String, _ body: (inout AtomicFile) throws -> Void) throws {
    var file = try AtomicFile(path)
    try body(&file)
    try file.commit()
  }

  /// Makes renames and new names in `folder` durable.
  static func flushFolder(_ folder: String) throws(StorageError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StorageError(path: folder, operation: "open folder", code: errno) }
    defer { close(descriptor) }
    // Some network file systems cannot flush a folder and say EINVAL; there is nothing more to do then.
    guard flush(descriptor) == 0 || errno == EINVAL else {
      throw StorageError(path: folder, operation: "fsync folder", code: errno)
    }
  }
}

extension RawSpan {
  /// Writes all bytes to an open file; `path` is its name in errors.
  package func writeAll(to descriptor: Int32, path: String) throws(StorageError) {
    var rest = self
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
      if written >= 0 {
        rest = rest.extracting(droppingFirst: written)
      } else if errno != EINTR {
        throw StorageError(path: path, operation: "write", code: errno)
      }
    }
  }
}

private func flush(_ descriptor: Int32) -> Int32 {
  while true {
    let result = fsync(descriptor)
    if result == 0 || errno != EINTR { return result }
  }
}
