import Glibc

/// A regular file that is read from front to back, or in places.
struct InputFile: ~Copyable {
  let path: String
  let size: Int
  private let descriptor: Int32

  init(_ path: String) throws(StorageError) {
    // Without O_NONBLOCK, opening a pipe by mistake would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for reading", code: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw StorageError(
        .contents, path: path, section: "file", problem: "is not a regular file", remedy: "name a safetensors file")
    }
    self.path = path
    self.descriptor = descriptor
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// The next `count` bytes.
  func read(_ count: Int) throws(StorageError) -> [UInt8] {
    try read(count) { bytes, _ in Glibc.read(descriptor, bytes.baseAddress, bytes.count) }
  }

  /// `count` bytes from a place of the file, whatever was read before.
  func read(_ count: Int, at offset: Int) throws(StorageError) -> [UInt8] {
    try read(count) { bytes, done in pread(descriptor, bytes.baseAddress, bytes.count, off_t(offset + done)) }
  }

  private func read(
    _ count: Int, by read: (UnsafeMutableRawBufferPointer, _ done: Int) -> Int
  ) throws(StorageError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let received = bytes.withUnsafeMutableBytes { read(UnsafeMutableRawBufferPointer(rebasing: $0[done...]), done) }
      if received > 0 {
        done += received
      } else if received == 0 {
        throw Safetensors.damaged(path, section: "data", "the file became shorter while it was read")
      } else if errno != EINTR {
        throw StorageError(path: path, operation: "read", code: errno)
      }
    }
    return bytes
  }
}
