import LinearAlgebra

/// The rows of consecutive parts of files in the LIBSVM format.
struct SVMLightRows<Scalar: BLASScalar & DecimalScalar> {
  private let parts: [TextPart]
  private let rooms: [Room]
  private let storage: SparseStorage<Scalar>
  private let codes: AlignedBuffer

  /// The range of a part's values in the storage, and the extremes of its indices.
  struct Room {
    /// The largest possible number of values.
    let values: Int
    var firstValue = 0
    var valueCount = 0
    var smallestIndex = Int.max
    var largestIndex = -1
    /// The part's first line with the largest index.
    var largestLine = 0
  }

  var count: Int { parts.rowCount }
  /// The smallest index; `Int.max` where there are no values.
  var smallestIndex: Int { rooms.reduce(.max) { min($0, $1.smallestIndex) } }
  /// The largest index; -1 where there are no values.
  var largestIndex: Int { rooms.reduce(-1) { max($0, $1.largestIndex) } }
  /// The first place of the largest index.
  var largestPlace: LabelColumn.Place? {
    guard let part = rooms.firstIndex(where: { $0.largestIndex == largestIndex }) else { return nil }
    return .init(path: parts[part].path, line: parts[part].fileLine + rooms[part].largestLine + 1)
  }
  /// Whether lines begin with labels; nil where there are no rows.
  let hasLabels: Bool?

  /// - Parameters:
  ///   - parts: the text, with its colons counted.
  ///   - indexBase: with `auto`, columns are computed as if indices counted from 1; index 0 gives column -1.
  ///   - columns: the number of columns where it is known; requires a known base.
  ///   - hasLabels: whether lines begin with labels, where earlier lines decide it.
  ///
  /// Throws exit code 65 for wrong contents, or where there is no memory for them.
  init(
    _ parts: [TextPart], indexBase: SVMLight.IndexBase, columns: Int?, hasLabels: Bool? = nil
  ) throws(DataError) {
    var parts = parts
    // The first line decides for all lines, so that each can be checked on its own.
    let hasLabels = hasLabels ?? Self.beginWithLabels(parts)
    self.hasLabels = hasLabels
    let path = parts.first?.path ?? ""
    // Each value has a colon, so the count of colons is an upper bound, and hardly too large.
    var rooms = parts.map { Room(values: $0.markCount) }
    for part in 1..<max(1, rooms.count) { rooms[part].firstValue = rooms[part - 1].firstValue + rooms[part - 1].values }
    let storage = try SparseStorage<Scalar>(
      rows: parts.lineCount, values: rooms.last.map { $0.firstValue + $0.values } ?? 0, path)
    guard let codes = AlignedBuffer(byteCount: 4 * parts.lineCount) else {
      throw .badContents(path, "its \(parts.lineCount) labels need more memory than the system has")
    }
    let target = codes.bytes.baseAddress!.bindMemory(to: Int32.self, capacity: parts.lineCount)
    try rooms.withUnsafeMutableBufferPointer { rooms throws(DataError) in
      try parts.read { part, index throws(TextFault) in
        var parser = SVMLightParser(
          room: rooms[index], storage: storage, codes: target, base: indexBase == .zero ? 0 : 1,
          smallestIndex: indexBase == .one ? 1 : 0, columns: columns, hasLabels: hasLabels ?? true)
        try parser.parse(&part)
        rooms[index] = parser.room
      }
    }
    (self.parts, self.rooms, self.storage, self.codes) = (parts, rooms, storage, codes)
    closeGaps()
  }

  /// Whether lines begin with labels; nil without a line of data.
  static func beginWithLabels(_ parts: [TextPart]) -> Bool? {
    parts.lazy.compactMap { SVMLightParser<Scalar>.beginsWithLabel($0.text) }.first
  }

  /// The error for the first blank line, where lines have no labels and the parts have no line of data.
  static func blankLine(_ parts: [TextPart]) -> DataError? {
    do throws(DataError) {
      _ = try SVMLightRows(parts, indexBase: .auto, columns: nil, hasLabels: false)
      return nil
    } catch {
      return error
    }
  }

  /// Adds 1 to all columns, which were computed for a base of 1: the base is 0.
  func shift() {
    Threads.parallel(storage.starts[count], grain: 1 << 17) { range in
      for index in range { storage.indices[index] += 1 }
    }
  }

  func features(columns: Int, _ path: String) -> SparseFeatures {
    SparseFeatures(storage, rows: count, columns: columns, path)
  }

  /// The label of each row as a code of `table`, which gains new texts; nil where lines have no labels.
  func labels(in table: inout LabelTable) -> [Int32]? {
    if hasLabels == false { return nil }
    defer { extendLifetime(codes) }
    return parts.labels(in: &table, codes: codes.bytes.baseAddress!.assumingMemoryBound(to: Int32.self))
  }

  /// Throws exit code 65 for a file without a row.
  func check() throws(DataError) { try parts.checkRows() }

  /// Moves the rows and values of each part to the end of the previous part, and adjusts the starts of its rows.
  private func closeGaps() {
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
}
