import Glibc
import LinearAlgebra

/// Shuffles examples in memory that does not grow with their number. Each row goes to one of many buckets at random,
/// which are kept in an unnamed file; at the end the rows of each bucket are shuffled.
///
/// All orders are equally likely; seed and number of rows alone determine the order.
final class RowShuffle<Scalar: BLASScalar>: ExampleSink {
  /// Rows as bytes: class, columns where rows are sparse, and values.
  private struct Bucket {
    /// The ranges of the bucket's rows in the file, in order.
    var pieces: [Range<Int>] = []
    /// Rows that are not yet in the file.
    var pending: [UInt8] = []
  }

  private let file: ScratchFile
  private let columns: Int
  private var generator: SplitMix64
  private var buckets: [Bucket]
  private var isSparse = false
  private var hasClasses = false
  private var rows = 0

  /// Bytes of a bucket that are written at once.
  private static var pieceSize: Int { 1 << 16 }
  /// Bytes of the class and of the number of values, which precede each row.
  private static var headerSize: Int { 8 }

  /// The file is in the directory of `path` while this object lives. Throws exit code 74.
  init(beside path: String, columns: Int, seed: UInt64, buckets count: Int = 1024) throws(DataError) {
    file = try ScratchFile(beside: path)
    self.columns = columns
    buckets = Array(repeating: Bucket(), count: count)
    generator = SplitMix64(seed: seed)
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func append(_ rows: Matrix<Scalar>, classes: ArraySlice<Int32>?) throws(DataError) {
    precondition(rows.columns == columns && (self.rows == 0 || !isSparse), "all rows are alike")
    hasClasses = classes != nil
    try rows.elements.withElements { values throws(DataError) in
      for row in 0..<rows.rows {
        try append(
          class: classes.map { $0[$0.startIndex + row] },
          [UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(values)[rowBytes(row)])], count: columns)
      }
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func append(_ rows: SparseFeatures, classes: [Int32]?) throws(DataError) {
    precondition(rows.columns == columns && (self.rows == 0 || isSparse), "all rows are alike")
    isSparse = true
    hasClasses = classes != nil
    try rows.withStorage(as: Scalar.self) { places, columns, values throws(DataError) in
      for row in 0..<rows.rows {
        let range = places[row]
        try append(
          class: classes?[row],
          [
            UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: columns[range])),
            UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: values[range])),
          ], count: range.count)
      }
    }
  }

  /// Passes all rows on to `target`, a block at a time, and calls `report` with the fraction that is done. Throws the
  /// errors of both, and exit code 74.
  func drain(into target: any ExampleSink<Scalar>, _ report: (Double) throws -> Void) throws {
    var done = 0
    for index in buckets.indices {
      let bytes = try take(index)
      try bytes.withUnsafeBytes { bytes in
        let order = shuffledRows(bytes)
        let rowsAtATime = isSparse ? order.count : max(1, (1 << 20) / columns)
        for start in stride(from: 0, to: order.count, by: max(1, rowsAtATime)) {
          let rows = order[start..<min(start + rowsAtATime, order.count)]
          let classes = hasClasses ? rows.map { bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self) } : nil
          if isSparse {
            try target.append(sparse(rows, of: bytes), classes: classes)
          } else {
            try target.append(dense(rows, of: bytes), classes: classes?[...])
          }
        }
        done += order.count
      }
      try report(Double(done) / Double(max(1, rows)))
    }
  }

  private func rowBytes(_ row: Int) -> Range<Int> {
    let size = columns * MemoryLayout<Scalar>.size
    return row * size..<(row + 1) * size
  }

  private func append(class number: Int32?, _ parts: [UnsafeRawBufferPointer], count: Int) throws(DataError) {
    let index = Int(generator.next(below: UInt64(buckets.count)))
    rows += 1
    withUnsafeBytes(of: (number ?? 0, Int32(count))) { buckets[index].pending.append(contentsOf: $0) }
    for part in parts { buckets[index].pending.append(contentsOf: part) }
    guard buckets[index].pending.count >= Self.pieceSize else { return }
    buckets[index].pieces.append(try file.append(buckets[index].pending))
    buckets[index].pending.removeAll(keepingCapacity: true)
  }

  /// Removes and returns the rows of a bucket. Throws exit code 74.
  private func take(_ index: Int) throws -> [UInt8] {
    let bucket = buckets[index]
    buckets[index] = Bucket()
    var bytes = [UInt8](repeating: 0, count: bucket.pieces.reduce(0) { $0 + $1.count })
    try bytes.withUnsafeMutableBytes { bytes in
      var start = 0
      for piece in bucket.pieces {
        try file.read(piece, into: UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + piece.count]))
        start += piece.count
      }
    }
    return bytes + bucket.pending
  }

  /// The offsets of the rows, in random order.
  private func shuffledRows(_ bytes: UnsafeRawBufferPointer) -> [Int] {
    let valueSize = MemoryLayout<Scalar>.size + (isSparse ? MemoryLayout<Int32>.size : 0)
    var order: [Int] = []
    var position = 0
    while position < bytes.count {
      order.append(position)
      position += Self.headerSize + valueSize * valueCount(position, of: bytes)
    }
    generator.shuffle(&order)
    return order
  }

  /// The number of values of the row that begins at `position`.
  private func valueCount(_ position: Int, of bytes: UnsafeRawBufferPointer) -> Int {
    Int(bytes.loadUnaligned(fromByteOffset: position + 4, as: Int32.self))
  }

  private func dense(_ rows: ArraySlice<Int>, of bytes: UnsafeRawBufferPointer) -> Matrix<Scalar> {
    let values = Vector<Scalar>(zeros: rows.count * columns)
    values.withElements { values in
      let target = UnsafeMutableRawBufferPointer(values)
      for (row, position) in rows.enumerated() {
        let start = position + Self.headerSize
        UnsafeMutableRawBufferPointer(rebasing: target[rowBytes(row)]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + rowBytes(row).count]))
      }
    }
    return Matrix(values, rows.count, columns)
  }

  private func sparse(_ rows: ArraySlice<Int>, of bytes: UnsafeRawBufferPointer) throws(DataError) -> SparseFeatures {
    let counts = rows.map { valueCount($0, of: bytes) }
    let storage = try SparseStorage<Scalar>(rows: rows.count, values: counts.reduce(0, +), file.path)
    var start = 0
    for (row, (position, count)) in zip(rows, counts).enumerated() {
      let columns = bytes.baseAddress! + position + Self.headerSize
      let values = columns + count * MemoryLayout<Int32>.size
      UnsafeMutableRawPointer(storage.indices + start).copyMemory(
        from: columns, byteCount: count * MemoryLayout<Int32>.size)
      UnsafeMutableRawPointer(storage.values + start).copyMemory(
        from: values, byteCount: count * MemoryLayout<Scalar>.size)
      start += count
      storage.starts[row + 1] = start
    }
    return SparseFeatures(storage, rows: rows.count, columns: columns, file.path)
  }
}

/// An unnamed file in the directory of another file; nothing is left of it, however the process ends.
private final class ScratchFile {
  /// The other file, for errors.
  let path: String
  private let descriptor: Int32
  private var size = 0

  /// Throws exit code 74.
  init(beside path: String) throws(DataError) {
    self.path = path
    var template = Array((path + ".XXXXXX").utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw DataError(.open, on: path, code: errno) }
    unlink(template)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Appends bytes and returns their range in the file. Throws exit code 74.
  func append(_ bytes: [UInt8]) throws(DataError) -> Range<Int> {
    guard bytes.withUnsafeBytes({ writeAll($0, to: descriptor) }) else {
      throw .unwritable(path, "cannot be written (shuffled rows: \(errorText()))")
    }
    defer { size += bytes.count }
    return size..<size + bytes.count
  }

  /// Throws exit code 74.
  func read(_ range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(DataError) {
    guard readAll(into: target, from: descriptor, at: range.lowerBound).count == range.count else {
      throw .unwritable(path, "cannot be written (shuffled rows cannot be read back)")
    }
  }
}
