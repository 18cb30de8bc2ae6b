import Datasets
import Glibc
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

  /// Writes `file` to `path` on rank 0 as `save` does, with the same bytes as a file of whole tensors. The parts pass through
  /// rank 0 in blocks. All ranks fail together. Collective.
  static func save(_ file: SharedTensorFile, to path: String, over communicator: Communicator) throws {
    let output = try communicator.onRoot {
      try SharedFileWriter(path, header: headerBytes(file.metadata, file.entries.map { ($0.name, $0.dtype, $0.shape) }))
    }
    for entry in file.entries {
      for part in entry.parts {
        try part.withBytes { try pass(part, of: entry.dtype.width, $0, to: output, communicator) }
      }
    }
    try communicator.onRoot { try output!.finish() }
  }

  /// Passes a part to rank 0, in the order of the file. Collective.
  private static func pass(
    _ part: SharedTensorFile.Part, of width: Int, _ bytes: UnsafeRawBufferPointer, to output: SharedFileWriter?,
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

/// Rank 0's file while its parts arrive. A failure to write waits for the end, so that the other ranks can pass theirs.
private final class SharedFileWriter {
  private var file: AtomicFile?
  private var failure: StorageError?
  private var checksum = CRC32()

  /// - Parameter header: with zeros for the checksum.
  init(_ path: String, header: [UInt8]) throws(StorageError) {
    file = try AtomicFile(path)
    write(Safetensors.lengthBytes(of: header))
    write(header)
  }

  func write(_ bytes: [UInt8]) {
    checksum.update(bytes.span.bytes)
    if failure != nil { return }
    do throws(StorageError) { try file!.write(bytes) } catch { failure = error }
  }

  /// Puts the file in its place, with its checksum.
  func finish() throws(StorageError) {
    if let failure { throw failure }
    try checksum.digits.span.bytes.withUnsafeBytes { digits throws(StorageError) in
      try file!.write(digits, at: 8 + Safetensors.checksumRange.lowerBound)
    }
    try file.take()!.commit()
  }
}
