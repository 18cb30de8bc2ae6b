import Glibc

/// An error that says which operation on a file the system refused.
package protocol FileFailure: Error {
  /// `code` is an errno.
  init(_ operation: FileOperation, on path: String, code: Int32)
}

package enum FileOperation: String, Sendable {
  case open = "open for writing"
  case write, fsync, close, rename
  case openFolder = "open folder"
  case flushFolder = "fsync folder"
}

/// The name under which a file waits until it is complete, in the folder where it will be.
package enum TemporaryName: Sendable {
  /// `.NAME.tmp-PID`, among files that programs look through.
  case hidden
  /// `NAME.partial`, for a person to see.
  case partial

  /// Stands in a hidden name between the final name and the process id.
  package static let marker = ".tmp-"

  func path(for path: String) -> String {
    switch self {
    case .hidden: Self.hidden(path, marker: Self.marker)
    case .partial: path + ".partial"
    }
  }

  /// `.NAME`, the marker and the process id, in the folder of `path`.
  package static func hidden(_ path: String, marker: String) -> String {
    let start = nameStart(path)
    return "\(path[..<start]).\(path[start...])\(marker)\(getpid())"
  }

  fileprivate static func nameStart(_ path: String) -> String.Index {
    path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
  }
}

/// A file that appears at its path complete or not at all.
///
/// The bytes go to a temporary in the same folder; `commit()` flushes them to the disk and renames the temporary over the
/// path. A hidden temporary is one's own, and its folder is flushed as well; a partial one is written over. Whatever fails
/// before the rename leaves the old file as it was, and a value that goes away without a commit removes its temporary.
/// Killed processes leave theirs.
package struct AtomicWriter<Failure: FileFailure>: ~Copyable {
  package let path: String
  private let name: TemporaryName
  /// The name of the file until then.
  package let temporary: String
  private var descriptor: Int32 = -1
  private var isTemporaryLeft = false

  /// Opens the temporary for `path`. The folder must exist.
  package init(_ path: String, by name: TemporaryName = .hidden) throws(Failure) {
    self.path = path
    self.name = name
    temporary = name.path(for: path)
    // A rename would replace a device or a pipe, such as /dev/null, for everybody.
    var information = stat()
    if stat(path, &information) == 0, information.st_mode & S_IFMT != S_IFREG {
      throw Failure(.open, on: path, code: information.st_mode & S_IFMT == S_IFDIR ? EISDIR : EOPNOTSUPP)
    }
    switch name {
    case .hidden:
      // In a container the process id repeats from run to run, so a dead run's temporary may have this very name.
      unlink(temporary)
      descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    case .partial:
      descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    }
    guard descriptor >= 0 else { throw Failure(.open, on: path, code: errno) }
    isTemporaryLeft = true
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if isTemporaryLeft { unlink(temporary) }
  }

  /// Appends `bytes`, all of them.
  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    guard writeAll(bytes, to: descriptor) else { throw Failure(.write, on: path, code: errno) }
  }

  /// Writes `bytes`, all of them, at a place of the file.
  package mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
    guard writeAll(bytes, to: descriptor, at: offset) else { throw Failure(.write, on: path, code: errno) }
  }

  package mutating func write(_ bytes: [UInt8]) throws(Failure) {
    try bytes.span.bytes.withUnsafeBytes { bytes throws(Failure) in try write(bytes) }
  }

  /// Appends `text` in UTF-8.
  package mutating func write(_ text: String) throws(Failure) {
    try write(Array(text.utf8))
  }

  /// Makes sure that all bytes are on the disk, where the file has no name of its own yet.
  package mutating func flush() throws(Failure) {
    // A failed fsync is not tried again: the kernel may have dropped the pages and would report success.
    guard synchronize(descriptor) == 0 else { throw Failure(.fsync, on: path, code: errno) }
  }

  /// Puts the file in its place. If flushing the folder is what fails, the new file is already there.
  package consuming func commit() throws(Failure) {
    try flush()
    let closed = close(descriptor)
    descriptor = -1
    // On Linux the descriptor is gone even when close was interrupted.
    guard closed == 0 || errno == EINTR else { throw Failure(.close, on: path, code: errno) }
    guard rename(temporary, path) == 0 else { throw Failure(.rename, on: path, code: errno) }
    isTemporaryLeft = false
    if case .hidden = name {
      let start = TemporaryName.nameStart(path)
      try Self.flushFolder(start == path.startIndex ? "." : String(path[..<start]))
    }
  }

  /// Writes the file at `path` with `body`, which appends to the writer that it is given.
  /// Throws: `Failure`, or what `body` throws; the old file, if any, is then unchanged.
  package static func write(_ path: String, _ body: (inout AtomicWriter) throws -> Void) throws {
    var file = try AtomicWriter(path)
    try body(&file)
    try file.commit()
  }

  /// Makes renames and new names in `folder` durable.
  package static func flushFolder(_ folder: String) throws(Failure) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(.openFolder, on: folder, code: errno) }
    defer { close(descriptor) }
    // Some network file systems cannot flush a folder and say EINVAL; there is nothing more to do then.
    guard synchronize(descriptor) == 0 || errno == EINVAL else {
      throw Failure(.flushFolder, on: folder, code: errno)
    }
  }
}
