/// An array in a file, whose rows are read as they are asked for: in memory for as many as are asked for at a time, whatever
/// the size of the file, also if it is compressed.
final class ArrayStream {
  let layout: ArrayLayout

  private enum Source {
    case plain(DataFile)
    case compressed(CompressedStream)
  }

  private let source: Source
  /// Rows that were read or passed over.
  private var position = 0
  private var buffer: AlignedBuffer?

  var path: String { layout.path }
  /// Of a shape that was checked: any other may have no such number.
  private var rowSize: Int { layout.shape.dropFirst().reduce(layout.type.size, *) }

  /// Opens a file and checks its header, and for a plain file its size. Throws exit code 65, 66 or 74.
  init(_ path: String, format: DataFormat) throws(DataError) {
    let file = try DataFile(path)
    guard file.size > 0 else { throw .badContents(path, "is empty; copy the file again") }
    let start = try Self.allocate(min(file.size, NPY.largestHeader), path)
    try file.read(into: start.bytes, at: 0)
    let bytes = UnsafeRawBufferPointer(start.bytes)
    defer { extendLifetime(start) }
    if try format.resolved(bytes, path) == .npy {
      layout = try NPY.layout(start: bytes, size: file.size, path)
      source = .plain(file)
    } else if let compression = Compression(bytes) {
      let stream = CompressedStream(file, compression)
      layout = try IDX.layout(unpacking: stream, file, compression)
      source = .compressed(stream)
    } else {
      layout = try IDX.layout(start: bytes, size: file.size, path)
      source = .plain(file)
    }
  }

  /// A row of zeros: a type that is not read shows on it, whatever the file holds. The shape must have rows.
  func sample() throws(DataError) -> StoredArray {
    let row = try Self.allocate(rowSize, path)
    row.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    return array(rows: 1, row)
  }

  /// The rows of `range`, as `FeatureSource.read` has them.
  func read(_ range: Range<Int>) throws(DataError) -> StoredArray {
    precondition(
      range.lowerBound >= position && !range.isEmpty && range.upperBound <= layout.shape[0], "rows are read in order")
    try skip(to: range.lowerBound)
    let size = range.count * rowSize
    let room: AlignedBuffer
    if let buffer, buffer.bytes.count >= size { room = buffer } else { room = try Self.allocate(size, path) }
    buffer = room
    let target = UnsafeMutableRawBufferPointer(rebasing: room.bytes[..<size])
    switch source {
    case .plain(let file): try file.read(into: target, at: layout.headerCount + range.lowerBound * rowSize)
    case .compressed(let stream): try unpack(stream, into: target)
    }
    position = range.upperBound
    return array(rows: range.count, room)
  }

  /// As `FeatureSource.skip` has it.
  func skip(to row: Int) throws(DataError) {
    let rows = layout.shape[0]
    precondition(row >= position && row <= rows, "rows are read in order")
    defer { position = row }
    guard case .compressed(let stream) = source else { return }
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

  private func unpack(_ stream: CompressedStream, into target: UnsafeMutableRawBufferPointer) throws(DataError) {
    guard try stream.read(into: target) == target.count else {
      throw .badContents(path, "unpacks to less than the \(layout.shape[0]) examples that its header announces")
    }
  }

  private func array(rows: Int, _ buffer: AlignedBuffer) -> StoredArray {
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
