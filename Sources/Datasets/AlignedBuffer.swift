import Glibc

/// The owner of one allocation, aligned to a cache line and not initialised.
final class AlignedBuffer {
  let bytes: UnsafeMutableRawBufferPointer

  /// nil when the system has no such amount of memory: the size may come from a damaged file, so this is no trap.
  init?(byteCount: Int) {
    let (padded, overflow) = byteCount.addingReportingOverflow(63)
    guard !overflow, let base = aligned_alloc(64, max(64, padded & ~63)) else { return nil }
    bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  deinit { free(bytes.baseAddress) }
}
