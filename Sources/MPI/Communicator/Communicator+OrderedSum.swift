internal import CMPI

extension Communicator {
  /// buffer ← the sum over all ranks, one rank after another: 0, then `add` on rank 0, then on rank 1, …. If `add` adds
  /// its terms one by one, the sum has the same bits for any distribution of the terms over the ranks in order.
  /// Collective.
  ///
  /// The sum passes from rank to rank in pieces, so that all ranks work at the same time, and from the last rank back
  /// to all: about twice the buffer on the wire per rank. Counts as one allreduce.
  ///
  /// - Parameters:
  ///   - piece: the number of elements that travel together.
  ///   - add: adds this rank's terms to the elements of `buffer` in a range.
  ///   - finish: may change the complete sum; called on one rank, whose result all ranks get.
  package func orderedSum<Element: MPIDatatype & BinaryFloatingPoint>(
    _ buffer: UnsafeMutableBufferPointer<Element>, piece: Int = 1 << 16, add: (Range<Int>) -> Void,
    finish: () -> Void = {}
  ) throws(MPIError) {
    precondition(piece > 0, "a piece has elements")
    tally {
      $0.allreduces += 1
      $0.allreducedBytes += buffer.count * MemoryLayout<Element>.stride
    }
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

  /// Calls `message`, which sends or receives, with each stretch of `bytes` that fits into one message.
  private func exchange(
    _ bytes: UnsafeMutableRawBufferPointer, _ message: (UnsafeMutableRawPointer, Int32) -> Int32
  ) throws(MPIError) {
    try waiting(.message, bytes.count) { () throws(MPIError) in
      try forEachChunk(of: bytes.count) { offset, count throws(MPIError) in
        try check(message(bytes.baseAddress! + offset, count), "a message of an ordered sum")
      }
    }
  }
}
