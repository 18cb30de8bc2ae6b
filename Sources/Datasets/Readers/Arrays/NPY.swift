/// NumPy's file format, versions 1 to 3, memory-mapped.
///
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
package enum NPY {
  static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

  static func isNPY(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: magic) }

  /// The size in bytes above which a header counts as damaged: no array needs as much.
  static let largestHeader = 1 << 20

  /// Throws the errors of `layout`.
  static func read(_ file: MappedFile) throws(DataError) -> StoredArray {
    let layout = try layout(start: file.bytes, size: file.bytes.count, file.path)
    return try StoredArray(layout: layout, base: file.bytes.baseAddress! + layout.headerCount, owner: file).inRowOrder()
  }

  /// The array in a file of `size` bytes; `start` holds its first bytes, at least `largestHeader` unless the file is
  /// shorter.
  ///
  /// Throws exit code 65 for a malformed header, for an unsupported type of values, or for a size that the file does
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
    let (type, isBigEndian) = try type(of: header, path)
    let expected = try ArrayLayout.byteCount(header.shape, type, path)
    let found = size - start - length
    guard found == expected else {
      throw .badContents(
        path,
        "the header announces \(header.shape) values of type \(type), which is \(expected) bytes, "
          + "and \(found) follow; save or copy the file again")
    }
    return ArrayLayout(
      path: path, shape: header.shape, type: type, isBigEndian: isBigEndian,
      // With at most one axis longer than 1, both orders are the same.
      isFortranOrder: header.isFortranOrder && header.shape.count { $0 != 1 } > 1, headerCount: start + length)
  }

  private static func type(
    of header: NPYHeader, _ path: String
  ) throws(DataError) -> (type: ValueType, isBigEndian: Bool) {
    guard let descriptor = header.descriptor, let order = descriptor.first else {
      throw .badContents(path, "holds records and not numbers; save its fields as arrays of their own")
    }
    let kind = descriptor.dropFirst()
    guard let type = types[kind] ?? textType(kind), "<>|".contains(order), order != "|" || !type.hasByteOrder else {
      throw .badContents(path, "values of type '\(descriptor)' are not read; save \(remedy(for: kind))")
    }
    return (type, order == ">")
  }

  private static let types: [Substring: ValueType] = [
    "b1": .bool, "u1": .uint8, "i1": .int8, "u2": .uint16, "i2": .int16, "u4": .uint32, "i4": .int32, "u8": .uint64,
    "i8": .int64, "f2": .float16, "f4": .float32, "f8": .float64,
    // NumPy's name for the bfloat16 of the package ml_dtypes, and for raw bytes.
    "V2": .bfloat16,
  ]

  /// The type of texts, such as `U5` or `S5`.
  private static func textType(_ kind: Substring) -> ValueType? {
    guard let count = Int(kind.dropFirst()), (1...largestText).contains(count) else { return nil }
    return switch kind.first {
    case "U": .unicode(count)
    case "S": .bytes(count)
    default: nil
    }
  }

  /// The length above which texts are refused: no name of a class needs as many characters.
  private static let largestText = 1 << 16

  private static func remedy(for kind: Substring) -> String {
    switch kind.first {
    case "O": "array.astype(numpy.float32), or array.astype(str) for labels"
    case "M", "m": "array.astype(numpy.int64)"
    case "c": "array.real, or both parts as features"
    case "U", "S": "texts of fewer characters"
    case "V": "numbers, or the fields of a record as arrays of their own"
    default: "array.astype(numpy.float32)"
    }
  }

  private static func tooShort(_ path: String) -> DataError {
    .badContents(path, "ends within the NPY header; save or copy the file again")
  }
}
