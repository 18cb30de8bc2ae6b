internal import CMPI

extension Communicator {
  /// The largest of the ranks' values, once all have arrived. Collective.
  ///
  /// The messages have the same form whether or not a rank yields, so that ranks can use this to agree on yielding.
  /// Rank 0 listens to the others in turn, so that it knows which rank it waits for.
  func rollCall(_ value: Int32 = 0, _ watch: StartupWatch? = nil) throws(MPIError) -> Int32 {
    guard var handle else { return value }
    handle.yields = 1
    let bytes = Int32(MemoryLayout<Int32>.size)
    var (result, other) = (value, Int32(0))
    if rank == 0 {
      for peer in 1..<size {
        watch?.await(peer)
        try check(fgn_receive(&other, bytes, Int32(peer), handle), "a roll call")
        result = max(result, other)
      }
      for peer in 1..<size { try check(fgn_send(&result, bytes, Int32(peer), handle), "a roll call") }
    } else {
      watch?.await(0)
      try check(fgn_send(&result, bytes, 0, handle), "a roll call")
      try check(fgn_receive(&result, bytes, 0, handle), "a roll call")
    }
    watch?.await(-1)
    return result
  }
}
