import LinearAlgebra

/// The values of examples that are mostly zero, #rows × columns: the other values of each row with their columns
/// (compressed sparse rows). Copies share the storage.
package struct SparseFeatures {
  /// The file, for errors.
  package let path: String
  package let rows: Int
  package let columns: Int
  /// The number of stored values of these rows.
  package let valueCount: Int
  /// The type of the values: `float32` or `float64`.
  package let element: FeatureMatrix.Element
  /// The index of the first of these rows in the storage.
  private let firstRow: Int
  /// How far behind its start the end of a row is in `starts`: 1 where rows follow one another.
  private let endOffset: Int
  private let starts: AlignedBuffer
  private let indices: AlignedBuffer
  private let values: AlignedBuffer

  /// The largest number of columns: indices are 32-bit and signed, as gather instructions require.
  package static let largestColumnCount = Int(Int32.max)

  /// Row r has the values of starts[r]..<starts[r + 1] in the columns `indices`, which increase within a row and are
  /// below `columns`. `name` names the examples in errors. Throws exit code 65 where there is no memory.
  package init<Scalar: BLASScalar>(
    name: String, columns: Int, starts: [Int], indices: [Int32], values: [Scalar]
  ) throws(DataError) {
    precondition(starts.first == 0 && starts.last == values.count && indices.count == values.count)
    let isIncreasing = zip(starts, starts.dropFirst()).allSatisfy { start, end in
      start <= end && (start..<end).allSatisfy { indices[$0] >= 0 && indices[$0] < columns }
        && (start..<end).dropFirst().allSatisfy { indices[$0 - 1] < indices[$0] }
    }
    precondition(isIncreasing && columns <= Self.largestColumnCount, "columns increase within a row, and are there")
    let storage = try SparseStorage<Scalar>(rows: starts.count - 1, values: values.count, name)
    storage.starts.update(from: starts, count: starts.count)
    storage.indices.update(from: indices, count: indices.count)
    storage.values.update(from: values, count: values.count)
    self.init(storage, rows: starts.count - 1, columns: columns, name)
  }

  init<Scalar: BLASScalar>(_ storage: SparseStorage<Scalar>, rows: Int, columns: Int, _ path: String) {
    self.init(
      path: path, rows: rows, columns: columns, element: SparseStorage<Scalar>.element, starts: storage.startBuffer,
      indices: storage.indexBuffer, values: storage.valueBuffer)
  }

  /// `starts` (of 64 bits), `indices` (of 32 bits) and `values` of all rows. The rows follow one another, with rows + 1
  /// starts, or are chosen from others, with `endOffset` = rows starts and as many ends.
  init(
    path: String, rows: Int, columns: Int, element: FeatureMatrix.Element, starts: AlignedBuffer, endOffset: Int = 1,
    indices: AlignedBuffer, values: AlignedBuffer
  ) {
    self.path = path
    self.rows = rows
    self.columns = columns
    self.element = element
    firstRow = 0
    (self.starts, self.endOffset, self.indices, self.values) = (starts, endOffset, indices, values)
    valueCount = SparseRows(storage(of: starts), endOffset, count: rows).valueCount
    extendLifetime(starts)
  }

  /// An identifier of the storage, equal in all processes of a host that share these values.
  var place: UInt64? { values.place }

  /// Starts, indices and values, and the offset of the ends; nil unless the first of these rows is the first of the
  /// storage.
  var wholeStorage: (buffers: [AlignedBuffer], endOffset: Int)? {
    firstRow == 0 ? ([starts, indices, values], endOffset) : nil
  }

  /// The rows `rows`, in that order and in place. Throws exit code 65 where there is no memory for their places.
  func selecting(_ rows: [Int]) throws(DataError) -> SparseFeatures {
    guard let buffer = AlignedBuffer(byteCount: 16 * rows.count) else {
      throw .badContents(path, "the places of \(rows.count) rows need more memory than the system has")
    }
    let places = buffer.bytes.bindMemory(to: Int.self)
    let stored = SparseRows(storage(of: starts) + firstRow, endOffset, count: self.rows)
    for (index, row) in rows.enumerated() {
      (places[index], places[rows.count + index]) = (stored[row].lowerBound, stored[row].upperBound)
    }
    extendLifetime(starts)
    return SparseFeatures(
      path: path, rows: rows.count, columns: columns, element: element, starts: buffer, endOffset: rows.count,
      indices: indices, values: values)
  }

  /// The rows of `range` as features of their own, counted from 0.
  package subscript(rows range: Range<Int>) -> SparseFeatures { SparseFeatures(range, of: self) }

  private init(_ range: Range<Int>, of whole: SparseFeatures) {
    precondition(range.lowerBound >= 0 && range.upperBound <= whole.rows, "rows out of range")
    path = whole.path
    rows = range.count
    columns = whole.columns
    element = whole.element
    firstRow = whole.firstRow + range.lowerBound
    (starts, endOffset, indices, values) = (whole.starts, whole.endOffset, whole.indices, whole.values)
    valueCount = SparseRows(storage(of: starts) + firstRow, endOffset, count: range.count).valueCount
    extendLifetime(whole.starts)
  }

  /// The share of values that are stored.
  package var density: Double { Double(valueCount) / (Double(rows) * Double(columns)) }

  /// Calls `body` with the places of each row's entries, and with the column and value at each place. `Scalar` must
  /// match `element`; the buffers must not outlive the call.
  @inline(__always)
  package func withStorage<Scalar: BLASScalar, Result, Failure: Error>(
    as _: Scalar.Type,
    _ body: (
      _ rows: SparseRows, _ columns: UnsafeBufferPointer<Int32>, _ values: UnsafeBufferPointer<Scalar>
    ) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(element.size == MemoryLayout<Scalar>.size, "the values are \(element.rawValue)")
    defer { extendLifetime((starts, indices, values)) }
    return try body(
      SparseRows(storage(of: starts) + firstRow, endOffset, count: rows),
      UnsafeBufferPointer(start: storage(of: indices), count: indices.bytes.count / MemoryLayout<Int32>.size),
      UnsafeBufferPointer(start: storage(of: values), count: values.bytes.count / MemoryLayout<Scalar>.size))
  }

  /// All values in dense storage, zeros included. Throws exit code 65 where there is no memory for them.
  package func dense() throws(DataError) -> FeatureMatrix {
    switch element {
    case .float32: try dense(Float.self)
    case .float64: try dense(Double.self)
    default: preconditionFailure("sparse values are float32 or float64")
    }
  }

  private func dense<Scalar: BLASScalar>(_: Scalar.Type) throws(DataError) -> FeatureMatrix {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    let (byteCount, byteOverflow) = count.multipliedReportingOverflow(by: element.size)
    guard !overflow, !byteOverflow, let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(
        path, "\(rows) × \(columns) values with all their zeros need more memory than there is; keep them sparse")
    }
    scatter(rows: 0..<rows, into: buffer.bytes.baseAddress!.bindMemory(to: Scalar.self, capacity: count))
    return FeatureMatrix(rows: rows, shape: [columns], element: element, owner: buffer)
  }

  /// target ← the rows of a range with their zeros, range.count × columns.
  func scatter<Scalar: BLASScalar>(rows range: Range<Int>, into target: UnsafeMutablePointer<Scalar>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows out of range")
    withStorage(as: Scalar.self) { places, indices, values in
      Threads.parallel(range.count, grain: max(1, 1 << 15 / max(1, columns))) { part in
        for row in part {
          let line = target + row * columns
          line.initialize(repeating: 0, count: columns)
          for index in places[range.lowerBound + row] {
            line[Int(indices[index])] = values[index]
          }
        }
      }
    }
  }

}

private func storage<Number: BitwiseCopyable>(of buffer: AlignedBuffer) -> UnsafePointer<Number> {
  UnsafePointer(buffer.bytes.baseAddress!.assumingMemoryBound(to: Number.self))
}

/// Storage for the arrays of sparse rows, uninitialised except for the first start, which is 0.
struct SparseStorage<Scalar: BLASScalar> {
  let startBuffer, indexBuffer, valueBuffer: AlignedBuffer
  let starts: UnsafeMutablePointer<Int>
  let indices: UnsafeMutablePointer<Int32>
  let values: UnsafeMutablePointer<Scalar>

  static var element: FeatureMatrix.Element { MemoryLayout<Scalar>.size == 4 ? .float32 : .float64 }

  /// Throws exit code 65 where there is no memory for so many rows and values.
  init(rows: Int, values count: Int, _ path: String) throws(DataError) {
    guard let starts = AlignedBuffer(byteCount: 8 * (rows + 1)), let indices = AlignedBuffer(byteCount: 4 * count),
      let values = AlignedBuffer(byteCount: MemoryLayout<Scalar>.size * count)
    else {
      throw .badContents(path, "its \(count) values in \(rows) lines need more memory than the system has")
    }
    (startBuffer, indexBuffer, valueBuffer) = (starts, indices, values)
    self.starts = starts.bytes.baseAddress!.bindMemory(to: Int.self, capacity: rows + 1)
    self.indices = indices.bytes.baseAddress!.bindMemory(to: Int32.self, capacity: count)
    self.values = values.bytes.baseAddress!.bindMemory(to: Scalar.self, capacity: count)
    self.starts[0] = 0
  }
}
