import MPI

/// A safetensors file whose tensors ranks hold in parts. No rank has all of one.
struct SharedTensorFile {
  struct Entry {
    let name: String
    let dtype: Tensor.DataType
    let shape: [Int]
    /// The parts that follow each other.
    let parts: [Part]
  }

  /// Numbers of which each rank has some.
  struct Part {
    /// The number of elements of each rank.
    let counts: [Int]
    /// Into how many equal runs those of each rank are cut: first come the first runs of all ranks in their order, then the
    /// second ones.
    var runs = 1
    /// Calls its argument with this rank's elements.
    let withBytes: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  }

  var metadata: [String: String] = [:]
  private(set) var entries: [Entry] = []

  /// Appends a tensor. Precondition: its parts fill its shape.
  mutating func add(_ entry: Entry) {
    precondition(
      entry.shape.reduce(1, *) == entry.parts.reduce(0) { $0 + $1.counts.reduce(0, +) }, "parts must fill the shape")
    entries.append(entry)
  }
}

extension Safetensors {
  /// The bytes that travel at once.
  static let block = 4 << 20

  /// Writes `file` to `path` on rank 0 as `save` does, with the same bytes as a file of whole tensors. Where all ranks see it,
  /// each of them writes its parts itself; else, and with `throughRoot`, the parts pass through rank 0 in blocks. All ranks fail
  /// together. Collective.
  static func save(
    _ file: SharedTensorFile, to path: String, over communicator: Communicator, throughRoot: Bool = false
  ) throws {
    let header = headerBytes(file.metadata, file.entries.map { ($0.name, $0.dtype, $0.shape) })
    let stamp = Array("\(UInt64.random(in: .min ... .max))".utf8)
    let output = try communicator.onRoot { try SafetensorsWriter(path, header, stamp: stamp) }
    if !throughRoot, communicator.size > 1,
      let joint = try JointFile(output?.temporary ?? "", stamp: stamp, path: path, over: communicator)
    {
      try write(file, to: joint, behind: 8 + header.count, output, communicator)
    } else {
      for entry in file.entries {
        for part in entry.parts {
          try part.withBytes { try pass(part, of: entry.dtype.width, $0, to: output, communicator) }
        }
      }
    }
    try communicator.onRoot { try output!.finish() }
  }

  /// Writes this rank's parts, and tells rank 0 their checksums. Collective.
  private static func write(
    _ file: SharedTensorFile, to joint: JointFile, behind header: Int, _ output: SafetensorsWriter?,
    _ communicator: Communicator
  ) throws {
    // The bytes of each rank in a run, for each run of the file in their order.
    var runs: [[Int]] = []
    var checksums: [UInt32] = []
    var start = header
    for entry in file.entries {
      for part in entry.parts {
        let sizes = part.counts.map { $0 / part.runs * entry.dtype.width }
        let (own, all) = (sizes[communicator.rank], sizes.reduce(0, +))
        let offset = start + sizes[..<communicator.rank].reduce(0, +)
        try part.withBytes { bytes in
          precondition(bytes.count == own * part.runs, "a rank has other numbers than it should")
          for run in 0..<part.runs {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[run * own..<(run + 1) * own])
            joint.write(piece, at: offset + run * all)
            checksums.append(CRC32(of: piece).value)
          }
        }
        runs += repeatElement(sizes, count: part.runs)
        start += part.runs * all
      }
    }
    try communicator.collectively { try joint.finish() }
    guard let all = try communicator.gather(checksums.map { Int($0) }) else { return }
    for (index, sizes) in runs.enumerated() {
      for (rank, size) in sizes.enumerated() {
        output?.skip(size, checksum: UInt32(all[rank * runs.count + index]))
      }
    }
  }

  /// Passes a part to rank 0, in the order of the file. Collective.
  private static func pass(
    _ part: SharedTensorFile.Part, of width: Int, _ bytes: UnsafeRawBufferPointer, to output: SafetensorsWriter?,
    _ communicator: Communicator
  ) throws {
    let sizes = part.counts.map { $0 / part.runs * width }
    let own = sizes[communicator.rank]
    precondition(bytes.count == own * part.runs, "a rank has other numbers than it should")
    if part.runs == 1 {
      for (rank, size) in sizes.enumerated() {
        for start in stride(from: 0, to: size, by: block) {
          var counts = [Int](repeating: 0, count: sizes.count)
          counts[rank] = min(block, size - start)
          let piece = rank == communicator.rank ? Array(bytes[start..<start + counts[rank]]) : []
          if let all = try communicator.gather(piece, counts: counts) { output?.write(all) }
        }
      }
      return
    }
    let width = sizes.reduce(0, +)
    let height = max(1, block / max(1, width))
    for start in stride(from: 0, to: part.runs, by: height) {
      let count = min(height, part.runs - start)
      let piece = Array(bytes[start * own..<(start + count) * own])
      guard let all = try communicator.gather(piece, counts: sizes.map { $0 * count }) else { continue }
      var ordered: [UInt8] = []
      ordered.reserveCapacity(all.count)
      for run in 0..<count {
        var first = 0
        for size in sizes {
          ordered += all[first + run * size..<first + (run + 1) * size]
          first += count * size
        }
      }
      output?.write(ordered)
    }
  }
}
