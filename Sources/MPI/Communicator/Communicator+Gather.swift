internal import CMPI

extension Communicator {
  /// The parts of all ranks in the order of ranks, on `root`; nil elsewhere. Collective.
  ///
  /// - Precondition: all parts have the same count.
  public func gather<Element: MPIDatatype>(_ part: [Element], root: Int = 0) throws(MPIError) -> [Element]? {
    try gather(part, counts: Array(repeating: part.count, count: size), root: root)
  }

  /// The bytes of each rank, of any length, on `root`; nil elsewhere. Collective.
  public func gatherBytes(_ bytes: [UInt8], root: Int = 0) throws(MPIError) -> [[UInt8]]? {
    let counts = try allgather([bytes.count], counts: Array(repeating: 1, count: size))
    return try gather(bytes, counts: counts, root: root).map { Self.cut($0, into: counts) }
  }

  /// The text of each rank on `root`; nil elsewhere. Collective.
  public func gatherStrings(_ text: String, root: Int = 0) throws(MPIError) -> [String]? {
    try gatherBytes(Array(text.utf8), root: root)?.map { String(decoding: $0, as: UTF8.self) }
  }

  /// The parts of all ranks, of any count, in the order of ranks. Collective.
  public func allgather<Element: MPIDatatype>(_ part: [Element]) throws(MPIError) -> [Element] {
    try allgather(part, counts: allgather([part.count], counts: Array(repeating: 1, count: size)))
  }

  /// The parts of all ranks in the order of ranks, where all ranks know all counts, which saves a message. Collective.
  public func allgather<Element: MPIDatatype>(_ part: [Element], counts: [Int]) throws(MPIError) -> [Element] {
    precondition(counts.count == size && part.count == counts[rank], "counts do not describe the parts")
    let offset = counts[..<rank].reduce(0, +)
    var result = [Element](repeating: 0, count: counts.reduce(0, +))
    result.replaceSubrange(offset..<offset + part.count, with: part)
    try result.withUnsafeMutableBufferPointer { buffer throws(MPIError) in try allgather(into: buffer, counts: counts) }
    return result
  }

  /// Completes `buffer`, in which each rank has filled in its part of `counts[rank]` elements, in the order of ranks.
  /// Collective.
  ///
  /// - Precondition: the counts are equal on all ranks, and add up to the count of `buffer`.
  public func allgather<Element: MPIDatatype>(
    into buffer: UnsafeMutableBufferPointer<Element>, counts: [Int]
  ) throws(MPIError) {
    precondition(counts.count == size && counts.reduce(0, +) == buffer.count, "counts do not describe the buffer")
    let stride = MemoryLayout<Element>.stride
    try allgather(UnsafeMutableRawBufferPointer(buffer), counts: counts.map { $0 * stride })
  }

  /// The bytes of each rank, of any length, on every rank. Collective.
  public func allgatherBytes(_ bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    let counts = try allgather([bytes.count], counts: Array(repeating: 1, count: size))
    return Self.cut(try allgather(bytes, counts: counts), into: counts)
  }

  /// The bytes of an allgather that ranks of one host pass through memory that they share: smaller ones are faster as messages,
  /// and larger ones as copies from process to process.
  private static let sizesInMemory = 1 << 18..<1 << 24

  private func allgather(_ bytes: UnsafeMutableRawBufferPointer, counts: [Int]) throws(MPIError) {
    tally {
      $0.allgathers += 1
      $0.allgatheredBytes += bytes.count
    }
    guard let handle, let base = bytes.baseAddress, bytes.count > 0 else { return }
    let offsets = Self.offsets(counts)
    guard bytes.count > chunkLimit else {
      let memory = Self.sizesInMemory.contains(bytes.count) ? try hostMemory() : nil
      return try waiting(.allgather, bytes.count) { () throws(MPIError) in
        if let memory {
          return try memory.allgather(base, counts: counts, offsets: offsets, rank: rank) { () throws(MPIError) in
            try check(fgn_barrier(handle), "MPI_Barrier")
          }
        }
        try check(
          fgn_allgather(base, counts.map { Int32($0) }, offsets.map { Int32($0) }, handle), "MPI_Allgatherv")
      }
    }
    // Offsets are counts too, and MPI cannot take offsets beyond the limit.
    for source in 0..<size {
      try broadcast(UnsafeMutableRawBufferPointer(start: base + offsets[source], count: counts[source]), root: source)
    }
  }

  /// The parts of all ranks in the order of ranks, on `root`, where all ranks know all counts; nil elsewhere.
  /// Collective.
  public func gather<Element: MPIDatatype>(
    _ part: [Element], counts: [Int], root: Int = 0
  ) throws(MPIError) -> [Element]? {
    precondition(root >= 0 && root < size, "no such rank")
    guard handle != nil else { return part }
    let stride = MemoryLayout<Element>.stride
    let byteCounts = counts.map { $0 * stride }
    var result = [Element](repeating: 0, count: rank == root ? counts.reduce(0, +) : 0)
    // `withUnsafeBytes` would lose the type of the error.
    try result.withUnsafeMutableBufferPointer { result throws(MPIError) in
      try part.withUnsafeBufferPointer { part throws(MPIError) in
        try gather(
          UnsafeRawBufferPointer(part), into: UnsafeMutableRawBufferPointer(result), counts: byteCounts, root: root)
      }
    }
    return rank == root ? result : nil
  }

  private func gather(
    _ part: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer, counts: [Int], root: Int
  ) throws(MPIError) {
    let total = counts.reduce(0, +)
    guard let handle, total > 0 else { return }
    let offsets = Self.offsets(counts)
    if total <= chunkLimit {
      return try waiting(.gather, total) { () throws(MPIError) in
        try check(
          fgn_gather(
            part.baseAddress, Int32(part.count), buffer.baseAddress, counts.map { Int32($0) },
            offsets.map { Int32($0) }, Int32(root), handle), "MPI_Gatherv")
      }
    }
    // Beyond the limit of offsets, messages come from one rank after another.
    if rank != root {
      return try waiting { () throws(MPIError) in
        try forEachChunk(of: part.count) { offset, count throws(MPIError) in
          try check(fgn_send(part.baseAddress! + offset, count, Int32(root), handle), "MPI_Send")
        }
      }
    }
    for source in 0..<size where counts[source] > 0 {
      let target = buffer.baseAddress! + offsets[source]
      if source == root {
        target.copyMemory(from: part.baseAddress!, byteCount: part.count)
        continue
      }
      try waiting { () throws(MPIError) in
        try forEachChunk(of: counts[source]) { offset, count throws(MPIError) in
          try check(fgn_receive(target + offset, count, Int32(source), handle), "MPI_Recv")
        }
      }
    }
  }

  private static func offsets(_ counts: [Int]) -> [Int] {
    var sum = 0
    return counts.map { count in
      defer { sum += count }
      return sum
    }
  }

  private static func cut(_ bytes: [UInt8], into counts: [Int]) -> [[UInt8]] {
    zip(offsets(counts), counts).map { offset, count in Array(bytes[offset..<offset + count]) }
  }
}
