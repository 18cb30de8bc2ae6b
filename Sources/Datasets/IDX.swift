/// The format of the MNIST files: 0, 0, a type byte, the number of axes, their extents as big-endian 32-bit numbers, and
/// the values in row-major order, also big-endian; plain or compressed with gzip.
///
/// http://yann.lecun.com/exdb/mnist/
enum IDX {
  /// Bytes before the extents.
  private static let prefix = 4
  /// No deflate stream unpacks to more than this many times its size (zlib's technical notes).
  private static let largestRatio = 1032

  static func isIDX(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= prefix && bytes[0] == 0 && bytes[1] == 0 && type(code: bytes[2]) != nil
  }

  /// Throws exit code 65 when the header is none, or announces another size than the file has.
  static func read(_ file: MappedFile) throws(DataError) -> StoredArray {
    try GzipStream.isGzip(file.bytes) ? readCompressed(file) : readPlain(file)
  }

  private static func readPlain(_ file: MappedFile) throws(DataError) -> StoredArray {
    guard file.bytes.count >= prefix else { throw tooShort(file.path) }
    let (type, axes) = try parse(prefix: UnsafeRawBufferPointer(rebasing: file.bytes[..<prefix]), file.path)
    let start = prefix + 4 * axes
    guard file.bytes.count >= start else { throw tooShort(file.path) }
    let shape = parse(extents: UnsafeRawBufferPointer(rebasing: file.bytes[prefix..<start]))
    let expected = try StoredArray.byteCount(shape, type, file.path)
    let found = file.bytes.count - start
    guard found == expected else {
      throw .badContents(
        file.path,
        "the header announces \(shape) values of type \(type.rawValue), which is \(expected) bytes, "
          + "and \(found) follow; copy the file again")
    }
    return StoredArray(
      path: file.path, format: .idx, shape: shape, type: type, isBigEndian: true, base: file.bytes.baseAddress! + start,
      owner: file)
  }

  private static func readCompressed(_ file: MappedFile) throws(DataError) -> StoredArray {
    let stream = GzipStream(file)
    let start = try unpack(prefix, of: stream, file.path)
    defer { extendLifetime(start) }
    let (type, axes) = try parse(prefix: UnsafeRawBufferPointer(start.bytes), file.path)
    let extents = try unpack(4 * axes, of: stream, file.path)
    defer { extendLifetime(extents) }
    let shape = parse(extents: UnsafeRawBufferPointer(extents.bytes))
    let expected = try StoredArray.byteCount(shape, type, file.path)
    // Before anything is allocated: a damaged header may announce any size.
    guard expected / largestRatio <= file.bytes.count else {
      throw .badContents(
        file.path,
        "the header announces \(shape) values of type \(type.rawValue), more than a file of "
          + "\(file.bytes.count) bytes can hold")
    }
    let values = try unpack(expected, of: stream, file.path)
    try stream.finish(after: expected + prefix + 4 * axes)
    return StoredArray(
      path: file.path, format: .idx, shape: shape, type: type, isBigEndian: true, base: values.bytes.baseAddress!,
      owner: values)
  }

  private static func unpack(_ count: Int, of stream: GzipStream, _ path: String) throws(DataError) -> AlignedBuffer {
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
  ) throws(DataError) -> (type: NumberType, axes: Int) {
    if prefix.elementsEqual(NPY.magic.prefix(prefix.count)) {
      throw .badContents(path, "is a compressed NPY file; unpack it with gunzip first")
    }
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

  private static func type(code: UInt8) -> NumberType? {
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
