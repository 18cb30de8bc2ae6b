/// NumPy's file format, versions 1 to 3, memory-mapped.
///
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
package enum NPY {
  static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

  static func isNPY(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: magic) }

  /// More than the header of any array has.
  static let largestHeader = 1 << 20

  /// Throws as `layout` does.
  static func read(_ file: MappedFile) throws(DataError) -> StoredArray {
    let layout = try layout(start: file.bytes, size: file.bytes.count, file.path)
    return StoredArray(layout: layout, base: file.bytes.baseAddress! + layout.headerCount, owner: file)
  }

  /// The array in a file of `size` bytes, of which `start` has the first, as many as `largestHeader` if there are.
  ///
  /// Throws exit code 65 for a malformed header, a layout other than little-endian C order, or a size that the file does
  /// not have.
  static func layout(start bytes: UnsafeRawBufferPointer, size: Int, _ path: String) throws(DataError) -> ArrayLayout {
    guard isNPY(bytes) else { throw .badContents(path, "is no NPY file: it does not start with \\x93NUMPY") }
    guard bytes.count > magic.count else { throw tooShort(path) }
    let version = bytes[magic.count]
    guard (1...3).contains(version) else {
      throw .badContents(path, "NPY version \(version) is not known (byte 6); versions 1 to 3 are")
    }
    // Magic, major and minor version, and the length of the header in 2 or 4 bytes.
    let start = magic.count + 2 + (version == 1 ? 2 : 4)
    guard bytes.count >= start else { throw tooShort(path) }
    let length = bytes[magic.count + 2..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard size - start >= length else { throw tooShort(path) }
    guard start + length <= largestHeader else {
      throw .badContents(path, "announces an NPY header of \(length) bytes, more than any array has; save it again")
    }
    let header: NPYHeader
    do {
      header = try NPYHeader(parsing: UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
    } catch {
      throw .badContents(path, "\(error.message), at byte \(start + error.offset) of the NPY header")
    }
    let type = try type(of: header, path)
    let expected = try StoredArray.byteCount(header.shape, type, path)
    let found = size - start - length
    guard found == expected else {
      throw .badContents(
        path,
        "the header announces \(header.shape) values of type \(type.rawValue), which is \(expected) bytes, "
          + "and \(found) follow; save or copy the file again")
    }
    return ArrayLayout(
      path: path, format: .npy, shape: header.shape, type: type, isBigEndian: false, headerCount: start + length)
  }

  private static func type(of header: NPYHeader, _ path: String) throws(DataError) -> NumberType {
    guard let descriptor = header.descriptor, let order = descriptor.first else {
      throw .badContents(path, "holds records and not numbers; save its fields as arrays of their own")
    }
    guard let type = types[descriptor.dropFirst()], order != "|" || type.size == 1 else {
      throw .badContents(path, "values of type '\(descriptor)' are not read; save array.astype(numpy.float32)")
    }
    guard order == "<" || order == "|" || (order == ">" && type.size == 1) else {
      throw .badContents(
        path, "the values are not little-endian ('\(descriptor)'); save array.astype('<\(descriptor.dropFirst())')")
    }
    guard !header.isFortranOrder else {
      throw .badContents(path, "the values lie in Fortran order; save numpy.ascontiguousarray(array)")
    }
    return type
  }

  private static let types: [Substring: NumberType] = [
    "b1": .bool, "u1": .uint8, "i1": .int8, "u2": .uint16, "i2": .int16, "u4": .uint32, "i4": .int32, "u8": .uint64,
    "i8": .int64, "f2": .float16, "f4": .float32, "f8": .float64,
  ]

  private static func tooShort(_ path: String) -> DataError {
    .badContents(path, "ends within the NPY header; save or copy the file again")
  }
}
