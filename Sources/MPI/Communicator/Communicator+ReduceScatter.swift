internal import CMPI

extension Communicator {
  /// The first `counts[rank]` elements of `buffer` ← this rank's part of the sum of all ranks' buffers; the other
  /// elements are undefined afterwards. Counts as an allreduce, of which it takes half the traffic. Collective.
  ///
  /// - Precondition: the counts are equal on all ranks, and add up to the count of `buffer`.
  public func reduceScatter<Element: MPIDatatype & BinaryFloatingPoint>(
    _ buffer: UnsafeMutableBufferPointer<Element>, counts: [Int]
  ) throws(MPIError) {
    precondition(counts.count == size && counts.reduce(0, +) == buffer.count, "counts do not describe the buffer")
    // Offsets are counts too, and MPI cannot take offsets beyond the limit.
    guard buffer.count <= chunkLimit else {
      try allreduce(buffer)
      let start = counts[..<rank].reduce(0, +)
      for index in 0..<counts[rank] { buffer[index] = buffer[start + index] }
      return
    }
    let type = Element.datatype
    tally {
      $0.allreduces += 1
      $0.allreducedBytes += buffer.count * type.stride
    }
    guard let handle, let base = UnsafeMutableRawPointer(buffer.baseAddress), !buffer.isEmpty else { return }
    try waiting(.reduceScatter, buffer.count * type.stride) { () throws(MPIError) in
      try check(
        fgn_reduce_scatter(
          base, counts.map { Int32($0) }, type.handle(for: .sum), Reduction.sum.handle, handle),
        "MPI_Reduce_scatter")
    }
  }
}
