import Glibc

/// A whole file mapped into memory, read-only; unmapped when the last reference goes.
///
/// The ranks of one machine share the mapped pages. A file that another process truncates afterwards ends this process
/// with SIGBUS, as with every mapping.
package final class MappedFile {
  package let path: String
  /// The contents; empty for an empty file. They live as long as this object.
  package let bytes: UnsafeRawBufferPointer

  /// Throws a `DataError` with exit code 66 when `path` is missing, is not a regular file or is not readable.
  package init(_ path: String) throws(DataError) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .unreadable(path, "cannot be opened (\(errorText())); check the path and the permissions")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path, "cannot be examined (\(errorText()))") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      throw .unreadable(path, "is \(isDirectory ? "a directory" : "not a regular file"); name the data file itself")
    }
    self.path = path
    let size = Int(status.st_size)
    if size == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw .unreadable(path, "cannot be mapped into memory (\(errorText()))")
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}

/// The C library's words for the current `errno`.
func errorText() -> String { String(cString: strerror(errno)) }
