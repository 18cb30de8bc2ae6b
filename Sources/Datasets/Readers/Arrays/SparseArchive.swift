import LinearAlgebra

/// SciPy's archives of sparse matrices: NPZ files with the arrays of compressed sparse rows, as `scipy.sparse.save_npz`
/// writes them.
///
/// https://docs.scipy.org/doc/scipy/reference/generated/scipy.sparse.save_npz.html
package enum SparseArchive {
  /// Whether a file is a sparse matrix and no archive of other arrays. Throws exit code 65, 66 or 74.
  package static func isSparse(_ path: String) throws(DataError) -> Bool {
    let name = ArrayName(path)
    guard name.name == nil else { return false }
    let file = try DataFile(name.file)
    let start = try StoredArray.allocate(min(file.size, 4), path)
    try file.read(into: start.bytes, at: 0)
    defer { extendLifetime(start) }
    guard ZipArchive.isZip(UnsafeRawBufferPointer(start.bytes)) else { return false }
    let names = Set(try ZipArchive(file).entries.map(\.name))
    return names.isSuperset(of: ["format.npy", "shape.npy", "data.npy"])
  }

  /// The rows of the files, one after another; zeros are not stored, whether the files have them or rounding makes them.
  ///
  /// - Parameters:
  ///   - columns: the number of columns that the files must have, where it is known.
  ///   - element: the type of the values, `float32` or `float64`.
  ///
  /// Throws exit code 65 for other formats than compressed sparse rows, columns that are there twice in a row, or damage;
  /// 66 for a file that cannot be read.
  package static func read(
    paths: [String], columns: Int? = nil, element: FeatureMatrix.Element
  ) throws(DataError) -> (features: SparseFeatures, files: SetFiles) {
    switch element {
    case .float32: try read(paths, columns, Float.self)
    case .float64: try read(paths, columns, Double.self)
    default: preconditionFailure("sparse values are float32 or float64")
    }
  }

  private static func read<Scalar: BLASScalar>(
    _ paths: [String], _ columns: Int?, _: Scalar.Type
  ) throws(DataError) -> (features: SparseFeatures, files: SetFiles) {
    let parts = try paths.map { path throws(DataError) in try CompressedRows(path) }
    let expected = columns ?? parts[0].columns
    for part in parts where part.columns != expected {
      throw .badContents(
        part.path,
        "has \(part.columns) columns, and \(columns == nil ? paths[0] : "the training set") has \(expected); save matrices "
          + "of one width")
    }
    guard parts.contains(where: { $0.indices.shape[0] > 0 }) else {
      throw .badContents(paths[0], "its examples have no values; check the file")
    }
    let files = SetFiles(parts.map { ($0.path, $0.rows) })
    let storage = try SparseStorage<Scalar>(
      rows: files.rows, values: parts.reduce(0) { $0 + $1.indices.shape[0] }, paths[0])
    var (row, place) = (0, 0)
    for part in parts { try part.copy(to: storage, row: &row, place: &place) }
    return (SparseFeatures(storage, rows: files.rows, columns: expected, paths[0]), files)
  }
}

extension StoredArray {
  /// Whether the values are whole numbers.
  fileprivate var isWhole: Bool { type.element.map { $0.fullExponent == nil } ?? false }
}

/// The arrays of one file: row r has the values `values[starts[r]..<starts[r + 1]]` in the columns `indices[…]`.
private struct CompressedRows {
  let path: String
  let rows, columns: Int
  let starts, indices, values: StoredArray

  init(_ path: String) throws(DataError) {
    self.path = path
    let kind = try Self.array("format", in: path)
    let letters = UnsafeRawBufferPointer(start: kind.base, count: kind.type.size).filter { $0 != 0 }
    extendLifetime(kind.owner)
    let word = String(decoding: letters, as: UTF8.self)
    guard word == "csr" else {
      throw .badContents(
        path, "is a sparse matrix of the format '\(word.prefix(20))'; save compressed sparse rows: matrix.tocsr()")
    }
    let shape = try Self.array("shape", in: path)
    guard shape.shape == [2], shape.isWhole else {
      throw .badContents(path, "its array 'shape' is not that of a matrix; save it again")
    }
    let extents = shape.doubles(0..<2)
    guard extents.allSatisfy({ $0 >= 1 && $0 < 1e15 }) else {
      throw .badContents(path, "holds no examples or no columns: its shape is \(extents.map { Int64($0.rounded()) })")
    }
    (rows, columns) = (Int(extents[0]), Int(extents[1]))
    guard columns <= SparseFeatures.largestColumnCount else {
      throw .badContents(
        path, "has \(columns) columns, more than the \(SparseFeatures.largestColumnCount) that are possible")
    }
    (starts, indices) = (try Self.array("indptr", in: path), try Self.array("indices", in: path))
    values = try Self.array("data", in: path)
    guard starts.isWhole, indices.isWhole, values.type.element != nil,
      [starts, indices, values].allSatisfy({ $0.shape.count == 1 }),
      starts.shape[0] == rows + 1, indices.shape == values.shape
    else { throw Self.damaged(path) }
  }

  /// Appends these rows, from the row and the place of the values on.
  func copy<Scalar: BLASScalar>(
    to storage: SparseStorage<Scalar>, row: inout Int, place: inout Int
  ) throws(DataError) {
    let count = indices.shape[0]
    let ends = starts.doubles(0..<rows + 1)
    guard ends[0] == 0, ends[rows] == Double(count), zip(ends, ends.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      throw Self.damaged(path)
    }
    // Some thousand values at a time, whole rows each.
    var first = 0
    while first < rows {
      let begin = Int(ends[first])
      var last = first + 1
      while last < rows, Int(ends[last + 1]) - begin <= 1 << 16 { last += 1 }
      let range = begin..<Int(ends[last])
      let (columns, numbers) = (indices.doubles(range), values.doubles(range))
      for index in first..<last {
        let entries = Int(ends[index]) - begin..<Int(ends[index + 1]) - begin
        place = try append(entries, columns, numbers, index, to: storage, at: place)
        row += 1
        storage.starts[row] = place
      }
      first = last
    }
  }

  /// Appends the entries of one row at `place`, by columns; returns the place behind them.
  private func append<Scalar: BLASScalar>(
    _ entries: Range<Int>, _ columns: [Double], _ numbers: [Double], _ row: Int, to storage: SparseStorage<Scalar>,
    at start: Int
  ) throws(DataError) -> Int {
    var place = start
    for entry in ordered(entries, columns) {
      let column = columns[entry]
      guard column >= 0, column < Double(self.columns) else {
        throw .badContents(
          path,
          "example \(row) has a value in column \(Int64(column)), and columns go from 0 to \(self.columns - 1); save it again"
        )
      }
      let value = Scalar(numbers[entry])
      if value == 0 { continue }
      if place > start, storage.indices[place - 1] == Int32(column) {
        throw .badContents(
          path, "example \(row) has column \(Int(column)) twice; call matrix.sum_duplicates() before you save it")
      }
      (storage.indices[place], storage.values[place]) = (Int32(column), value)
      place += 1
    }
    return place
  }

  /// The entries of a row in the order of their columns.
  private func ordered(_ entries: Range<Int>, _ columns: [Double]) -> [Int] {
    let isSorted = entries.dropFirst().allSatisfy { columns[$0 - 1] <= columns[$0] }
    return isSorted ? Array(entries) : entries.sorted { columns[$0] < columns[$1] }
  }

  private static func array(_ name: String, in path: String) throws(DataError) -> StoredArray {
    try NPZ.read("\(path):\(name)", ArrayName(file: path, name: name))
  }

  private static func damaged(_ path: String) -> DataError {
    .badContents(path, "is damaged: its rows, columns and values do not fit each other; save it again")
  }
}
