internal import CSystem
import Glibc
import LinearAlgebra

/// Zeroed memory that begins at a cache line, of this process or shared by another process of this host. It is freed
/// when the last process that holds it lets go.
final class AlignedBuffer {
  let bytes: UnsafeMutableRawBufferPointer
  /// The memory as a file, by which other processes map it; -1 where the system has no such files.
  private let descriptor: Int32
  /// An identifier of the memory, equal in all processes of a host that share it; nil where it is not a file.
  let place: UInt64?

  /// The information by which another process finds a buffer while this process holds it.
  struct Address: Codable, Equatable {
    let process: Int32
    let descriptor: Int32
    let byteCount: Int
    /// Identifies the memory: process numbers differ between containers.
    let place: UInt64
  }

  /// nil where the system lacks the memory. The size may come from a damaged file, so this is not a trap. The system
  /// itself would promise any amount, and end the process when the memory is used.
  init?(byteCount: Int) {
    if byteCount > MemoryLimit.bytes { return nil }
    let length = max(1, byteCount)
    var descriptor = fgn_memory_file("fgn-dist examples")
    if descriptor >= 0, ftruncate(descriptor, length) != 0 {
      close(descriptor)
      descriptor = -1
    }
    let kind = descriptor >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS
    guard let base = mmap(nil, length, PROT_READ | PROT_WRITE, kind, descriptor, 0), base != MAP_FAILED else {
      if descriptor >= 0 { close(descriptor) }
      return nil
    }
    var status = stat()
    place = descriptor >= 0 && fstat(descriptor, &status) == 0 ? status.place : nil
    self.descriptor = descriptor
    bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  /// Maps the memory of another process, read-only; nil where it is gone or not accessible.
  init?(_ address: Address) {
    let descriptor = open("/proc/\(address.process)/fd/\(address.descriptor)", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.place == address.place,
      Int(status.st_size) >= max(1, address.byteCount),
      let base = mmap(nil, max(1, address.byteCount), PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED
    else { return nil }
    self.descriptor = -1
    place = address.place
    bytes = UnsafeMutableRawBufferPointer(start: base, count: address.byteCount)
  }

  /// The address for other processes; nil where the memory belongs to another process or is not a file.
  var address: Address? {
    guard descriptor >= 0, let place else { return nil }
    return Address(process: getpid(), descriptor: descriptor, byteCount: bytes.count, place: place)
  }

  deinit {
    munmap(bytes.baseAddress, max(1, bytes.count))
    if descriptor >= 0 { close(descriptor) }
  }
}
