/// The format of the MNIST files: 0, 0, a type byte, the number of axes, their extents as big-endian 32-bit numbers,
/// and the values in row-major order, also big-endian. Files may be plain or compressed.
///
/// http://yann.lecun.com/exdb/mnist/
enum IDX {
  /// The number of bytes before the extents.
  private static let prefix = 4

  static func isIDX(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= prefix && bytes[0] == 0 && bytes[1] == 0 && type(code: bytes[2]) != nil
  }

  /// Throws exit code 65 for a malformed header, or where the header announces a size that the file does not have.
  static func read(_ file: MappedFile) throws(DataError) -> StoredArray {
    if let compression = Compression(file.bytes) { return try unpack(file, compression) }
    return try readPlain(file)
  }

  private static func readPlain(_ file: MappedFile) throws(DataError) -> StoredArray {
    let layout = try layout(start: file.bytes, size: file.bytes.count, file.path)
    return StoredArray(layout: layout, base: file.bytes.baseAddress! + layout.headerCount, owner: file)
  }

  /// The array in a plain file of `size` bytes; `start` holds the first bytes, with the whole header unless the file is
  /// shorter. Throws exit code 65 for a malformed header, or for a size that the file does not have.
  static func layout(start bytes: UnsafeRawBufferPointer, size: Int, _ path: String) throws(DataError) -> ArrayLayout {
    guard bytes.count >= prefix else { throw tooShort(path) }
    let (type, axes) = try parse(prefix: UnsafeRawBufferPointer(rebasing: bytes[..<prefix]), path)
    let start = prefix + 4 * axes
    guard bytes.count >= start else { throw tooShort(path) }
    let shape = parse(extents: UnsafeRawBufferPointer(rebasing: bytes[prefix..<start]))
    let expected = try ArrayLayout.byteCount(shape, type, path)
    let found = size - start
    guard found == expected else {
      throw .badContents(
        path,
        "the header announces \(shape) values of type \(type), which is \(expected) bytes, "
          + "and \(found) follow; copy the file again")
    }
    return ArrayLayout(
      path: path, shape: shape, type: type, isBigEndian: true, headerCount: start)
  }

  private static func unpack(_ file: MappedFile, _ compression: Compression) throws(DataError) -> StoredArray {
    let stream = CompressedStream(file.file, compression)
    let layout = try layout(unpacking: stream, file.file, compression)
    let expected = try ArrayLayout.byteCount(layout.shape, layout.type, file.path)
    let values = try unpack(expected, of: stream, file.path)
    try stream.finish(after: expected + layout.headerCount)
    return StoredArray(layout: layout, base: values.bytes.baseAddress!, owner: values)
  }

  /// The array in a compressed file, whose header is read from `stream`. Throws exit code 65 for a malformed header, or
  /// for a size that no such file unpacks to.
  static func layout(
    unpacking stream: CompressedStream, _ file: DataFile, _ compression: Compression
  ) throws(DataError) -> ArrayLayout {
    let start = try unpack(prefix, of: stream, file.path)
    defer { extendLifetime(start) }
    if start.bytes.elementsEqual(NPY.magic.prefix(prefix)) {
      throw .badContents(
        file.path, "is a compressed NPY file; unpack it first: \(compression.unpacker) \(file.path)")
    }
    let (type, axes) = try parse(prefix: UnsafeRawBufferPointer(start.bytes), file.path)
    let extents = try unpack(4 * axes, of: stream, file.path)
    defer { extendLifetime(extents) }
    let shape = parse(extents: UnsafeRawBufferPointer(extents.bytes))
    let expected = try ArrayLayout.byteCount(shape, type, file.path)
    // This check precedes the allocation, since a damaged header may announce any size.
    guard expected / compression.largestRatio <= file.size else {
      throw .badContents(
        file.path,
        "the header announces \(shape) values of type \(type), more than a file of "
          + "\(file.size) bytes can hold")
    }
    return ArrayLayout(
      path: file.path, shape: shape, type: type, isBigEndian: true, headerCount: prefix + 4 * axes)
  }

  /// The next `count` bytes of a stream, in memory. Throws exit code 65 where the stream has fewer.
  static func unpack(_ count: Int, of stream: CompressedStream, _ path: String) throws(DataError)
    -> AlignedBuffer
  {
    guard let buffer = AlignedBuffer(byteCount: count) else {
      throw .badContents(path, "unpacks to \(count) bytes, for which the system has no memory")
    }
    let found = try stream.read(into: buffer.bytes)
    guard found == count else {
      throw .badContents(path, "unpacks to \(count - found) bytes less than its header announces")
    }
    return buffer
  }

  private static func parse(
    prefix: UnsafeRawBufferPointer, _ path: String
  ) throws(DataError) -> (type: ValueType, axes: Int) {
    guard prefix[0] == 0, prefix[1] == 0, let type = type(code: prefix[2]) else {
      let bytes = prefix.map { String($0, radix: 16) }.joined(separator: " ")
      throw .badContents(path, "is no IDX file: it starts with \(bytes) (hexadecimal), not with 0 0 and a type code")
    }
    guard prefix[3] > 0 else { throw .badContents(path, "the IDX header announces no axes (byte 3)") }
    return (type, Int(prefix[3]))
  }

  private static func parse(extents: UnsafeRawBufferPointer) -> [Int] {
    stride(from: 0, to: extents.count, by: 4).map {
      Int(UInt32(bigEndian: extents.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
    }
  }

  private static func type(code: UInt8) -> ValueType? {
    switch code {
    case 0x08: .uint8
    case 0x09: .int8
    case 0x0b: .int16
    case 0x0c: .int32
    case 0x0d: .float32
    case 0x0e: .float64
    default: nil
    }
  }

  private static func tooShort(_ path: String) -> DataError {
    .badContents(path, "ends within the IDX header; copy the file again")
  }
}
