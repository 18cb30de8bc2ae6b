import Glibc

/// Writes all the bytes where the descriptor is; false, with `errno`, where the system fails.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
  writeAll(bytes) { rest, _ in write(descriptor, rest.baseAddress, rest.count) }
}

/// As `writeAll`, at a place of the file, without regard for the end of what was written before.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int) -> Bool {
  writeAll(bytes) { rest, done in pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
}

/// Calls `write` with the rest of the bytes, and how many came before it, until there are none.
private func writeAll(_ bytes: UnsafeRawBufferPointer, by write: (UnsafeRawBufferPointer, Int) -> Int) -> Bool {
  var done = 0
  while done < bytes.count {
    let written = write(UnsafeRawBufferPointer(rebasing: bytes[done...]), done)
    if written < 0 && errno == EINTR { continue }
    guard written > 0 else { return false }
    done += written
  }
  return true
}

/// Fills `target` with the bytes from `offset` on, up to the end of the file, and returns their count; on failure
/// returns the count before it, with `errno` set.
func readAll(
  into target: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int
) -> (count: Int, isFailure: Bool) {
  var filled = 0
  while filled < target.count {
    let count = pread(descriptor, target.baseAddress! + filled, target.count - filled, offset + filled)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return (filled, count < 0) }
    filled += count
  }
  return (filled, false)
}

/// fsync(2), also where a signal comes in between. Returns 0, or -1 with `errno`.
package func synchronize(_ descriptor: Int32) -> Int32 {
  while true {
    let result = fsync(descriptor)
    if result == 0 || errno != EINTR { return result }
  }
}
