/// Examples that are read from the first to the last, some at a time.
package protocol FeatureSource {
  var rows: Int { get }
  /// Numbers of one example.
  var columns: Int { get }
  /// Whether the rows come without their zeros.
  var isSparse: Bool { get }

  /// The rows of `range`, counted from 0, which is not empty and begins where the last one ended or behind that. The
  /// result is good until the next call. Throws exit code 65 or 74.
  func read(_ range: Range<Int>) throws(DataError) -> Features

  /// Passes over the rows before `row`; when that is behind the last one, checks the end of the file. Keeps the result of
  /// `read`. Throws exit code 65 or 74.
  func skip(to row: Int) throws(DataError)
}

extension Features: FeatureSource {
  package func read(_ range: Range<Int>) -> Features { self[rows: range] }
  package func skip(to row: Int) {}
}

/// The examples of a file, read as they are asked for: in memory for as many rows as are asked for at a time, whatever
/// the size of the file, also if it is compressed.
package final class FeatureStream: FeatureSource {
  package let rows: Int
  package let columns: Int
  package var isSparse: Bool { false }
  package var path: String { layout.path }

  private enum Source {
    case plain(DataFile)
    case gzip(GzipStream)
  }

  private let layout: ArrayLayout
  private let source: Source
  private let rowSize: Int
  /// Rows that were read or passed over.
  private var position = 0
  private var buffer: AlignedBuffer

  /// Opens a file and checks its header, and for a plain file its size. Throws exit code 65, 66 or 74.
  package init(path: String, format: DataFormat = .auto) throws(DataError) {
    let file = try DataFile(path)
    guard file.size > 0 else { throw .badContents(path, "is empty; copy the file again") }
    let start = try Self.allocate(min(file.size, NPY.largestHeader), path)
    try file.read(into: start.bytes, at: 0)
    let bytes = UnsafeRawBufferPointer(start.bytes)
    defer { extendLifetime(start) }
    if try format.resolved(bytes, path) == .npy {
      layout = try NPY.layout(start: bytes, size: file.size, path)
      source = .plain(file)
    } else if GzipStream.isGzip(bytes) {
      let stream = GzipStream(file)
      layout = try IDX.layout(unpacking: stream, file)
      source = .gzip(stream)
    } else {
      layout = try IDX.layout(start: bytes, size: file.size, path)
      source = .plain(file)
    }
    try layout.checkFeatures()
    rows = layout.shape[0]
    rowSize = layout.shape.dropFirst().reduce(layout.type.size, *)
    buffer = try Self.allocate(rowSize, path)
    // A type that is not read shows on one row, whatever it holds.
    buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    columns = try Self.array(layout, rows: 1, buffer).features().columns
  }

  package func read(_ range: Range<Int>) throws(DataError) -> Features {
    precondition(range.lowerBound >= position && !range.isEmpty && range.upperBound <= rows, "rows are read in order")
    try skip(to: range.lowerBound)
    if buffer.bytes.count < range.count * rowSize { buffer = try Self.allocate(range.count * rowSize, path) }
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<(range.count * rowSize)])
    switch source {
    case .plain(let file): try file.read(into: target, at: layout.headerCount + range.lowerBound * rowSize)
    case .gzip(let stream): try unpack(stream, into: target)
    }
    position = range.upperBound
    return .dense(try Self.array(layout, rows: range.count, buffer).features())
  }

  package func skip(to row: Int) throws(DataError) {
    precondition(row >= position && row <= rows, "rows are read in order")
    defer { position = row }
    guard case .gzip(let stream) = source else { return }
    if row > position {
      let room = try Self.allocate(min((row - position) * rowSize, 1 << 18), path)
      defer { extendLifetime(room) }
      var rest = (row - position) * rowSize
      while rest > 0 {
        let piece = UnsafeMutableRawBufferPointer(rebasing: room.bytes[..<min(rest, room.bytes.count)])
        try unpack(stream, into: piece)
        rest -= piece.count
      }
    }
    if row == rows { try stream.finish(after: layout.headerCount + rows * rowSize) }
  }

  private func unpack(_ stream: GzipStream, into target: UnsafeMutableRawBufferPointer) throws(DataError) {
    guard try stream.read(into: target) == target.count else {
      throw .badContents(path, "unpacks to less than the \(rows) examples that its header announces")
    }
  }

  private static func array(_ layout: ArrayLayout, rows: Int, _ buffer: AlignedBuffer) -> StoredArray {
    var layout = layout
    layout.shape[0] = rows
    return StoredArray(layout: layout, base: UnsafeRawPointer(buffer.bytes.baseAddress!), owner: buffer)
  }

  private static func allocate(_ byteCount: Int, _ path: String) throws(DataError) -> AlignedBuffer {
    guard let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(path, "needs \(byteCount) bytes of memory at a time, which the system does not have")
    }
    return buffer
  }
}
