import LinearAlgebra

/// The text format of LIBSVM, LIBLINEAR and SVMlight, plain or compressed with gzip: a line for each example,
/// `label index:value index:value … # comment`, where the values that are not there are zero.
///
/// https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/
package enum SVMLight {
  /// The index of the first column.
  package enum IndexBase: String, Codable, CaseIterable, Sendable {
    /// 0 if any index of the file is 0, else 1.
    case auto
    case zero, one
  }

  /// The examples of a file: their values as `element`, `float32` or `float64`, and their labels as text.
  ///
  /// `columns` is the number of columns where it is known, as that of the training set; else the largest index tells it.
  /// Zeros are not stored, whether the text has them or rounding made them. Blank lines and comments are passed over, as
  /// is `qid:N` behind a label: it groups examples to be ranked, and means nothing to a classifier.
  ///
  /// Throws exit code 66 for a file that cannot be read, 65 for one with wrong contents; its message names the line.
  package static func read(
    path: String, indexBase: IndexBase = .auto, columns: Int? = nil, element: FeatureMatrix.Element = .float32
  ) throws(DataError) -> (features: SparseFeatures, labels: LabelColumn) {
    try read(TextFile(path), indexBase: indexBase, columns: columns, element: element)
  }

  static func read(
    _ file: TextFile, indexBase: IndexBase = .auto, columns: Int? = nil, element: FeatureMatrix.Element = .float32,
    chunkSize: Int = TextFile.chunkSize
  ) throws(DataError) -> (features: SparseFeatures, labels: LabelColumn) {
    switch element {
    case .float32: try read(file, indexBase, columns, Float.self, chunkSize)
    case .float64: try read(file, indexBase, columns, Double.self, chunkSize)
    case .uint8: preconditionFailure("sparse values are float32 or float64")
    }
  }

  private static func read<Scalar: BLASScalar & DecimalScalar>(
    _ file: TextFile, _ indexBase: IndexBase, _ columns: Int?, _: Scalar.Type, _ chunkSize: Int
  ) throws(DataError) -> (features: SparseFeatures, labels: LabelColumn) {
    // A value has a colon: this is room for all of them, and for hardly more.
    var parts = TextPart.parts(of: file, size: chunkSize, counting: UInt8(ascii: ":"))
    var rooms = parts.map { Room(values: $0.markCount) }
    for part in 1..<max(1, rooms.count) { rooms[part].firstValue = rooms[part - 1].firstValue + rooms[part - 1].values }
    let storage = try SparseStorage<Scalar>(
      rows: parts.lineCount, values: rooms.last.map { $0.firstValue + $0.values } ?? 0, file.path)
    guard let codes = AlignedBuffer(byteCount: 4 * parts.lineCount) else {
      throw .badContents(file.path, "its \(parts.lineCount) labels need more memory than the system has")
    }
    let target = codes.bytes.baseAddress!.bindMemory(to: Int32.self, capacity: parts.lineCount)
    // 1-based unless a 0 turns up.
    let limit = indexBase == .auto ? nil : columns
    try rooms.withUnsafeMutableBufferPointer { rooms throws(DataError) in
      try parts.read(file.path) { part, index throws(TextFault) in
        var parser = SVMLightParser(
          room: rooms[index], storage: storage, codes: target, base: indexBase == .zero ? 0 : 1,
          smallestIndex: indexBase == .one ? 1 : 0, columns: limit)
        try parser.parse(&part)
        rooms[index] = parser.room
      }
    }
    let isZeroBased = indexBase == .zero || (indexBase == .auto && rooms.contains { $0.smallestIndex == 0 })
    let count = rooms.reduce(-1) { max($0, $1.largestIndex) } + (isZeroBased ? 1 : 0)
    if let columns, count > columns {
      // Now that the base is known, the line is found where the index is too large.
      return try read(file, isZeroBased ? .zero : .one, columns, Scalar.self, chunkSize)
    }
    guard columns ?? count > 0 else { throw .badContents(file.path, "its examples have no values; check the file") }
    close(gaps: parts, rooms, storage)
    if isZeroBased && indexBase == .auto { shift(storage, parts.rowCount) }
    let labels = try parts.labels(path: file.path, codes: target)
    extendLifetime(codes)
    return (SparseFeatures(storage, rows: parts.rowCount, columns: columns ?? count, file.path), labels)
  }

  /// Moves each part's rows and values to where those before it end, and makes its rows start there.
  private static func close<Scalar: BLASScalar>(
    gaps parts: [TextPart], _ rooms: [Room], _ storage: SparseStorage<Scalar>
  ) {
    var row = 0
    var value = 0
    for (part, room) in zip(parts, rooms) {
      if value != room.firstValue {
        (storage.indices + value).update(from: storage.indices + room.firstValue, count: room.valueCount)
        (storage.values + value).update(from: storage.values + room.firstValue, count: room.valueCount)
      }
      for index in 0..<part.rowCount {
        storage.starts[row + index + 1] = value + storage.starts[part.firstLine + index + 1]
      }
      row += part.rowCount
      value += room.valueCount
    }
  }

  /// Counts the columns from 0 that were counted from 1.
  private static func shift<Scalar: BLASScalar>(_ storage: SparseStorage<Scalar>, _ rows: Int) {
    Threads.parallel(storage.starts[rows], grain: 1 << 17) { range in
      for index in range { storage.indices[index] += 1 }
    }
  }

  /// Where a part's values are, and what their indices are.
  struct Room {
    /// At most.
    let values: Int
    var firstValue = 0
    var valueCount = 0
    var smallestIndex = Int.max
    var largestIndex = -1
  }
}
