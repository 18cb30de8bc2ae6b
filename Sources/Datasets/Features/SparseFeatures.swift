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
  /// The index of the first of these rows in the storage.
  private let firstRow: Int
  private let storage: Storage

  /// The arrays of a matrix of compressed sparse rows.
  struct Storage {
    /// The type of the values: `float32` or `float64`.
    let element: FeatureMatrix.Element
    /// Where the rows start in `indices` and `values`, and where they end, in 64 bits. The rows follow one another, with
    /// rows + 1 starts, or are chosen from others, with as many ends as starts.
    let starts: AlignedBuffer
    /// How far behind its start the end of a row is in `starts`: 1 where rows follow one another, or else the number of
    /// rows.
    var endOffset = 1
    /// The columns of the values, in 32 bits.
    let indices: AlignedBuffer
    let values: AlignedBuffer
  }

  /// The type of the values: `float32` or `float64`.
  package var element: FeatureMatrix.Element { storage.element }

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
      path: path, rows: rows, columns: columns,
      Storage(
        element: SparseStorage<Scalar>.element, starts: storage.startBuffer, indices: storage.indexBuffer,
        values: storage.valueBuffer))
  }

  /// All rows of `storage`.
  init(path: String, rows: Int, columns: Int, _ storage: Storage) {
    self.path = path
    self.rows = rows
    self.columns = columns
    self.storage = storage
    firstRow = 0
    valueCount = storage.rows(from: 0, count: rows).valueCount
    extendLifetime(storage.starts)
  }

  /// An identifier of the storage, equal in all processes of a host that share these values.
  var place: UInt64? { storage.values.place }

  /// The storage; nil unless the first of these rows is the first of it.
  var wholeStorage: Storage? { firstRow == 0 ? storage : nil }

  /// The rows `rows`, in that order and in place. Throws exit code 65 where there is no memory for their places.
  func selecting(_ rows: [Int]) throws(DataError) -> SparseFeatures {
    guard let buffer = AlignedBuffer(byteCount: 16 * rows.count) else {
      throw .badContents(path, "the places of \(rows.count) rows need more memory than the system has")
    }
    let places = buffer.bytes.bindMemory(to: Int.self)
    let stored = storage.rows(from: firstRow, count: self.rows)
    for (index, row) in rows.enumerated() {
      (places[index], places[rows.count + index]) = (stored[row].lowerBound, stored[row].upperBound)
    }
    extendLifetime(storage.starts)
    return SparseFeatures(
      path: path, rows: rows.count, columns: columns,
      Storage(
        element: element, starts: buffer, endOffset: rows.count, indices: storage.indices, values: storage.values))
  }

  /// The rows of `range` as features of their own, counted from 0.
  package subscript(rows range: Range<Int>) -> SparseFeatures { SparseFeatures(range, of: self) }

  private init(_ range: Range<Int>, of whole: SparseFeatures) {
    precondition(range.lowerBound >= 0 && range.upperBound <= whole.rows, "rows out of range")
    path = whole.path
    rows = range.count
    columns = whole.columns
    storage = whole.storage
    firstRow = whole.firstRow + range.lowerBound
    valueCount = storage.rows(from: firstRow, count: range.count).valueCount
    extendLifetime(storage.starts)
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
    let (indices, values) = (storage.indices, storage.values)
    defer { extendLifetime((storage.starts, indices, values)) }
    return try body(
      storage.rows(from: firstRow, count: rows),
      UnsafeBufferPointer(start: numbers(in: indices), count: indices.bytes.count / MemoryLayout<Int32>.size),
      UnsafeBufferPointer(start: numbers(in: values), count: values.bytes.count / MemoryLayout<Scalar>.size))
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

extension SparseFeatures.Storage {
  /// The places of `count` rows, the first of which is number `first`; they must not outlive `starts`.
  fileprivate func rows(from first: Int, count: Int) -> SparseRows {
    SparseRows(numbers(in: starts) + first, endOffset, count: count)
  }
}

private func numbers<Number: BitwiseCopyable>(in buffer: AlignedBuffer) -> UnsafePointer<Number> {
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
