import LinearAlgebra

/// The rows of consecutive parts of files in the LIBSVM format.
struct SVMLightRows<Scalar: BLASScalar & DecimalScalar> {
  private let parts: [TextPart]
  private let rooms: [Room]
  private let storage: SparseStorage<Scalar>
  private let codes: AlignedBuffer

  /// Where a part's values are, and what their indices are.
  struct Room {
    /// At most.
    let values: Int
    var firstValue = 0
    var valueCount = 0
    var smallestIndex = Int.max
    var largestIndex = -1
    /// The part's line that has the largest index first.
    var largestLine = 0
  }

  var count: Int { parts.rowCount }
  /// `Int.max` where there are no values.
  var smallestIndex: Int { rooms.reduce(.max) { min($0, $1.smallestIndex) } }
  /// -1 where there are no values.
  var largestIndex: Int { rooms.reduce(-1) { max($0, $1.largestIndex) } }
  /// Where the largest index is first.
  var largestPlace: LabelColumn.Place? {
    guard let part = rooms.firstIndex(where: { $0.largestIndex == largestIndex }) else { return nil }
    return .init(path: parts[part].path, line: parts[part].fileLine + rooms[part].largestLine + 1)
  }
  /// Whether the lines begin with labels; nil where there are no rows.
  let hasLabels: Bool?

  /// - Parameters:
  ///   - parts: with their colons counted.
  ///   - indexBase: with `auto` columns are counted as from 1, and that of an index 0 is -1.
  ///   - columns: the number of columns where it is known, with a base that is.
  ///   - hasLabels: whether lines begin with labels, where earlier ones tell it.
  ///
  /// Throws exit code 65 for wrong contents, or more than there is memory for.
  init(
    _ parts: [TextPart], indexBase: SVMLight.IndexBase, columns: Int?, hasLabels: Bool? = nil
  ) throws(DataError) {
    var parts = parts
    // The first line decides for all, so that each of them can be looked at on its own.
    let hasLabels = hasLabels ?? Self.beginWithLabels(parts)
    self.hasLabels = hasLabels
    let path = parts.first?.path ?? ""
    // A value has a colon: this is room for all of them, and for hardly more.
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

  /// What is wrong with the first blank line of parts, of which there is none with data, where lines have no labels.
  static func blankLine(_ parts: [TextPart]) -> DataError? {
    do throws(DataError) {
      _ = try SVMLightRows(parts, indexBase: .auto, columns: nil, hasLabels: false)
      return nil
    } catch {
      return error
    }
  }

  /// Counts the columns from 0 that were counted from 1.
  func shift() {
    Threads.parallel(storage.starts[count], grain: 1 << 17) { range in
      for index in range { storage.indices[index] += 1 }
    }
  }

  func features(columns: Int, _ path: String) -> SparseFeatures {
    SparseFeatures(storage, rows: count, columns: columns, path)
  }

  /// The label of each row as a number of `table`, which gets the new ones; nil where the lines have none.
  func labels(in table: inout LabelTable) -> [Int32]? {
    if hasLabels == false { return nil }
    defer { extendLifetime(codes) }
    return parts.labels(in: &table, codes: codes.bytes.baseAddress!.assumingMemoryBound(to: Int32.self))
  }

  /// Throws exit code 65 for a file without a row.
  func check() throws(DataError) { try parts.checkRows() }

  /// Moves each part's rows and values to where those before it end, and makes its rows start there.
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
