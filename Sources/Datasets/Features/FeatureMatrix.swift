/// The values of all examples, #rows × columns in row-major order, in the type of the file: mapped or in memory, in one
/// piece or, for a set of files, in several. Copies share the storage.
package struct FeatureMatrix {
  package let rows: Int
  package let columns: Int
  /// The axes of one example, such as [28, 28]; their product is `columns`.
  package let shape: [Int]
  package let element: Element
  /// Whether the byte order of numbers differs from the processor's.
  let isSwapped: Bool
  /// Whether all numbers are aligned, which files do not guarantee.
  let isAligned: Bool
  /// All rows in order, in at least one piece.
  let pieces: [Piece]

  /// Consecutive rows that are contiguous in memory.
  struct Piece {
    let rows: Range<Int>
    let base: UnsafeRawPointer
    /// The object that keeps `base` alive.
    let owner: AnyObject
  }

  /// The examples of a file. Throws exit code 65 or 66.
  package init(path: String, format: DataFormat = .auto) throws(DataError) {
    self = try format.read(path).features()
  }

  /// The examples of files, in the order of `paths`; mapped files stay in place. Throws exit code 65 or 66.
  package init(paths: [String], format: DataFormat = .auto) throws(DataError) {
    let parts = try paths.map { path throws(DataError) in try FeatureMatrix(path: path, format: format) }
    try Self.checkKinds(parts.map(\.kind), paths)
    self.init(joining: parts)
  }

  /// The properties that all files of a set share.
  struct Kind: Equatable {
    /// The axes of one example.
    let shape: [Int]
    let element: Element
    let isSwapped: Bool
  }

  var kind: Kind { Kind(shape: shape, element: element, isSwapped: isSwapped) }

  /// Throws exit code 65 unless all files are of the first one's kind.
  static func checkKinds(_ kinds: [Kind], _ paths: [String]) throws(DataError) {
    for (kind, path) in zip(kinds, paths).dropFirst() where kind != kinds[0] {
      throw .badContents(
        path, "has \(kind), and \(paths[0]) has \(kinds[0]); the files of a set must have one shape and type")
    }
  }

  /// Rows with the axes `shape`, one after another in `values`, whose count must be a multiple of the row's.
  package init(_ values: [UInt8], shape: [Int]) { self.init(copying: values, shape, .uint8) }
  package init(_ values: [Float], shape: [Int]) { self.init(copying: values, shape, .float32) }
  package init(_ values: [Double], shape: [Int]) { self.init(copying: values, shape, .float64) }

  init(
    rows: Int, shape: [Int], element: Element, isSwapped: Bool = false, base: UnsafeRawPointer, owner: AnyObject
  ) {
    self.init(
      rows: rows, shape: shape, element: element, isSwapped: isSwapped,
      pieces: [Piece(rows: 0..<rows, base: base, owner: owner)])
  }

  init(rows: Int, shape: [Int], element: Element, owner: AlignedBuffer) {
    self.init(rows: rows, shape: shape, element: element, base: owner.bytes.baseAddress!, owner: owner)
  }

  /// A matrix of the same kind with other rows, in at least one piece.
  func like(rows: Int, _ pieces: [Piece]) -> FeatureMatrix {
    FeatureMatrix(rows: rows, shape: shape, element: element, isSwapped: isSwapped, pieces: pieces)
  }

  /// The rows of all matrices, which share one shape and type; their values are not copied.
  init(joining parts: [FeatureMatrix]) {
    precondition(!parts.isEmpty, "nothing to join")
    precondition(parts.allSatisfy { $0.kind == parts[0].kind }, "the parts are of several kinds")
    var rows = 0
    var pieces: [Piece] = []
    for part in parts {
      pieces += part.pieces.map {
        Piece(rows: rows + $0.rows.lowerBound..<rows + $0.rows.upperBound, base: $0.base, owner: $0.owner)
      }
      rows += part.rows
    }
    self = parts[0].like(rows: rows, pieces)
  }

  init(rows: Int, shape: [Int], element: Element, isSwapped: Bool = false, pieces: [Piece]) {
    self.rows = rows
    self.columns = shape.reduce(1, *)
    self.shape = shape
    self.element = element
    self.isSwapped = isSwapped
    isAligned = pieces.allSatisfy { UInt(bitPattern: $0.base) % UInt(element.size) == 0 }
    self.pieces = pieces
  }

  /// Copies values whose size is that of `element`.
  init<Value: BitwiseCopyable>(copying values: [Value], _ shape: [Int], _ element: Element) {
    let columns = shape.reduce(1, *)
    precondition(columns > 0 && values.count % columns == 0, "\(values.count) values are no rows of \(shape)")
    guard let buffer = AlignedBuffer(byteCount: values.count * element.size) else { fatalError("out of memory") }
    values.withUnsafeBytes { buffer.bytes.copyMemory(from: $0) }
    self.init(rows: values.count / columns, shape: shape, element: element, owner: buffer)
  }

  /// Bytes of a row.
  package var rowSize: Int { columns * element.size }

  /// The rows of `range` as a matrix of their own, counted from 0.
  subscript(rows range: Range<Int>) -> FeatureMatrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows out of range")
    var parts = pieces.filter { $0.rows.overlaps(range) }.map { piece in
      let part = piece.rows.clamped(to: range)
      return Piece(
        rows: part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound,
        base: piece.base + (part.lowerBound - piece.rows.lowerBound) * rowSize, owner: piece.owner)
    }
    // A matrix without rows still needs one piece.
    if parts.isEmpty { parts = [Piece(rows: 0..<0, base: pieces[0].base, owner: pieces[0].owner)] }
    return like(rows: range.count, parts)
  }

  /// An identifier of the storage, equal in all processes of a host that share these values. The pieces belong to one
  /// set of files.
  package var place: UInt64? {
    let places = pieces.compactMap { ($0.owner as? MappedFile)?.file.place ?? ($0.owner as? AlignedBuffer)?.place }
    return places.count < pieces.count ? nil : places.dropFirst().reduce(places[0]) { $0 &* 31 &+ $1 }
  }

  /// Calls `body` with the bytes of the rows of `range`, piece by piece; the buffers must not outlive the calls.
  func forEachPiece(in range: Range<Int>, _ body: (_ firstRow: Int, UnsafeRawBufferPointer) -> Void) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows out of range")
    if range.isEmpty { return }
    for piece in pieces[pieces.index(of: range.lowerBound)...] {
      let part = piece.rows.clamped(to: range)
      if part.isEmpty { break }
      let start = piece.base + (part.lowerBound - piece.rows.lowerBound) * rowSize
      body(part.lowerBound, UnsafeRawBufferPointer(start: start, count: part.count * rowSize))
      extendLifetime(piece.owner)
    }
  }
}

extension FeatureMatrix.Kind: CustomStringConvertible {
  /// The kind of an array of features.
  init(_ layout: ArrayLayout) {
    self.init(
      shape: Array(layout.shape.dropFirst()), element: layout.type.element!,
      isSwapped: layout.isBigEndian && layout.type.hasByteOrder)
  }

  var description: String {
    "examples of \(shape.map(String.init).joined(separator: " × ")) \(isSwapped ? "big-endian " : "")\(element.rawValue) "
      + "values"
  }
}

extension RandomAccessCollection<FeatureMatrix.Piece> where Index == Int {
  /// The index of the piece that contains a row.
  func index(of row: Int) -> Int { lastIndex(startingBy: row) { $0.rows.lowerBound } }
}

extension RandomAccessCollection where Index == Int {
  /// The index of the last element that starts at `row` or before. Elements are in the order of their starts, and the
  /// first one must qualify.
  @inline(__always)
  func lastIndex(startingBy row: Int, start: (Element) -> Int) -> Int {
    var (low, high) = (startIndex, endIndex)
    while high - low > 1 {
      let middle = (low + high) / 2
      if start(self[middle]) <= row { low = middle } else { high = middle }
    }
    return low
  }
}
