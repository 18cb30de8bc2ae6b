import Glibc

/// A whole file mapped into memory, read-only; unmapped when the last reference goes.
///
/// The ranks of one machine share the mapped pages. A file that another process truncates afterwards ends this process
/// with SIGBUS, as with every mapping.
package final class MappedFile {
  let file: DataFile
  package var path: String { file.path }
  /// The contents; empty for an empty file. They live as long as this object.
  package let bytes: UnsafeRawBufferPointer

  /// Throws a `DataError` with exit code 66 when `path` is missing, is not a regular file or is not readable.
  package init(_ path: String) throws(DataError) {
    file = try DataFile(path)
    if file.size == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0), base != MAP_FAILED else {
      throw .unreadable(path, "cannot be mapped into memory (\(errorText()))")
    }
    bytes = UnsafeRawBufferPointer(start: base, count: file.size)
    // Readers of compressed files read through the descriptor.
    if Compression(bytes) == nil { file.closeDescriptor() }
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}
