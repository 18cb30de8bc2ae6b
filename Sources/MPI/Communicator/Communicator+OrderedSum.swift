internal import CMPI

extension Communicator {
  /// buffer ← the sum of what all ranks add to it, one rank after the other: 0, then `add` on rank 0, then on rank 1, …
  /// Where `add` adds terms one by one, their sum has the same bits however they are shared out among the ranks in their
  /// order. Collective.
  ///
  /// The sum goes from rank to rank in pieces, so that all are at work, and from the last rank back to all: about twice the
  /// buffer on the wire for each rank. Counts as one allreduce.
  ///
  /// - Parameters:
  ///   - piece: elements that travel together.
  ///   - add: adds this rank's terms to the elements of `buffer` in a range.
  ///   - finish: may change the complete sum; called on one rank, whose result is that of all.
  package func orderedSum<Element: MPIDatatype & BinaryFloatingPoint>(
    _ buffer: UnsafeMutableBufferPointer<Element>, piece: Int = 1 << 16, add: (Range<Int>) -> Void,
    finish: () -> Void = {}
  ) throws(MPIError) {
    precondition(piece > 0, "a piece has elements")
    statistics.allreduces += 1
    statistics.allreducedBytes += buffer.count * MemoryLayout<Element>.stride
    if rank == 0 { buffer.update(repeating: 0) }
    guard let handle else {
      add(0..<buffer.count)
      return finish()
    }
    for start in Swift.stride(from: 0, to: buffer.count, by: piece) {
      let range = start..<min(start + piece, buffer.count)
      let part = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[range]))
      if rank > 0 {
        try exchange(part) { fgn_receive($0, $1, Int32(rank - 1), handle) }
      }
      add(range)
      if rank < size - 1 {
        try exchange(part) { fgn_send($0, $1, Int32(rank + 1), handle) }
      }
    }
    if rank == size - 1 { finish() }
    try broadcast(buffer, root: size - 1)
  }

  /// Calls `message`, which sends or receives, with each stretch of `bytes` that one message may have.
  private func exchange(
    _ bytes: UnsafeMutableRawBufferPointer, _ message: (UnsafeMutableRawPointer, Int32) -> Int32
  ) throws(MPIError) {
    try waiting { () throws(MPIError) in
      try forEachChunk(of: bytes.count) { offset, count throws(MPIError) in
        try check(message(bytes.baseAddress! + offset, count), "a message of an ordered sum")
      }
    }
  }
}
