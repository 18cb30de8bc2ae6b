/// An array in a file, whose rows are read on demand. Memory is proportional to the rows of one call, whatever the size
/// of the file, compressed files included. An array in Fortran order is in memory as a whole.
final class ArrayStream {
  let layout: ArrayLayout

  private enum Source {
    case plain(DataFile)
    case compressed(CompressedStream)
    case memory(StoredArray)
  }

  private let source: Source
  /// The number of rows that were read or skipped.
  private var position = 0
  private var buffer: AlignedBuffer?

  var path: String { layout.path }
  private var rowSize: Int { layout.rowSize }

  enum Role {
    case features, labels
  }

  /// Opens the file and checks its header, and the size of a plain file. Throws exit code 65, 66 or 74.
  init(_ path: String, format: DataFormat, as role: Role) throws(DataError) {
    let stored: ArrayLayout
    let name = ArrayName(path)
    let file = try DataFile(name.file)
    guard file.size > 0 else { throw .badContents(path, "is empty; copy the file again") }
    let start = try Self.allocate(min(file.size, NPY.largestHeader), path)
    try file.read(into: start.bytes, at: 0)
    let bytes = UnsafeRawBufferPointer(start.bytes)
    defer { extendLifetime(start) }
    let format = try format.resolved(bytes, size: file.size, path, name)
    var compressed: CompressedStream?
    switch format {
    case .npy: stored = try NPY.layout(start: bytes, size: file.size, path)
    case .npz:
      let member = try NPZ.open(path, name)
      (stored, compressed) = (member.layout, member.stream)
    case .safetensors: stored = try SafetensorsArray.layout(path, name, file)
    case .idx, .auto:
      compressed = Compression(bytes).map { CompressedStream(file, $0) }
      stored =
        if let compressed {
          try IDX.layout(unpacking: compressed, file, Compression(bytes)!)
        } else {
          try IDX.layout(start: bytes, size: file.size, path)
        }
    }
    if stored.isFortranOrder {
      source = .memory(try format.read(path))
    } else {
      source = compressed.map { .compressed($0) } ?? .plain(file)
    }
    switch role {
    case .features:
      try stored.checkFeatures()
      layout = stored
    case .labels: layout = try stored.labels()
    }
  }

  /// The rows of `range`, on the terms of `FeatureSource.read`.
  func read(_ range: Range<Int>) throws(DataError) -> StoredArray {
    precondition(
      range.lowerBound >= position && !range.isEmpty && range.upperBound <= layout.shape[0], "rows are read in order")
    try skip(to: range.lowerBound)
    defer { position = range.upperBound }
    let size = range.count * rowSize
    if case .memory(let array) = source {
      return self.array(rows: range.count, array.base + range.lowerBound * rowSize, array.owner)
    }
    let room: AlignedBuffer
    if let buffer, buffer.bytes.count >= size { room = buffer } else { room = try Self.allocate(size, path) }
    buffer = room
    let target = UnsafeMutableRawBufferPointer(rebasing: room.bytes[..<size])
    switch source {
    case .plain(let file): try file.read(into: target, at: layout.headerCount + range.lowerBound * rowSize)
    case .compressed(let stream): try unpack(stream, into: target)
    case .memory: break
    }
    return array(rows: range.count, UnsafeRawPointer(room.bytes.baseAddress!), room)
  }

  /// Skips rows as `FeatureSource.skip` does.
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

  private func array(rows: Int, _ base: UnsafeRawPointer, _ owner: AnyObject) -> StoredArray {
    var layout = layout
    layout.shape[0] = rows
    layout.isFortranOrder = false
    return StoredArray(layout: layout, base: base, owner: owner)
  }

  private static func allocate(_ byteCount: Int, _ path: String) throws(DataError) -> AlignedBuffer {
    guard let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(path, "needs \(byteCount) bytes of memory at a time, which the system does not have")
    }
    return buffer
  }
}
