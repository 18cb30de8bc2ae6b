/// Arrays in safetensors files, in place.
enum SafetensorsArray {
  /// Whether the first bytes of a file of `size` bytes can begin a header.
  static func isSafetensors(_ start: UnsafeRawBufferPointer, size: Int) -> Bool {
    start.count > 8 && start[8] == UInt8(ascii: "{") && headerCount(start).map { $0 <= size - 8 } ?? false
  }

  private static func headerCount(_ start: UnsafeRawBufferPointer) -> Int? {
    Int(exactly: UInt64(littleEndian: start.loadUnaligned(as: UInt64.self)))
  }

  static func read(_ path: String, _ name: ArrayName) throws(DataError) -> StoredArray {
    let file = try MappedFile(name.file)
    let layout = try layout(path, name, file.file)
    return StoredArray(layout: layout, base: file.bytes.baseAddress! + layout.headerCount, owner: file)
  }

  /// The array at a path in an open file. Throws exit code 65 or 74.
  static func layout(_ path: String, _ name: ArrayName, _ file: DataFile) throws(DataError) -> ArrayLayout {
    let file = try file.reopened()
    let prefix = try StoredArray.allocate(8, path)
    defer { extendLifetime(prefix) }
    guard file.size > 8 else { throw .badContents(path, "ends within the safetensors header; copy the file again") }
    try file.read(into: prefix.bytes, at: 0)
    guard let count = headerCount(UnsafeRawBufferPointer(prefix.bytes)), count <= file.size - 8,
      count <= SafetensorsLayout.largestHeader
    else { throw .badContents(path, "is no safetensors file: its header would be larger than the file") }
    let room = try StoredArray.allocate(count, path)
    try file.read(into: room.bytes, at: 8)
    let bytes = Array(room.bytes)
    extendLifetime(room)
    let layout: SafetensorsLayout
    do {
      layout = try SafetensorsLayout(bytes, dataCount: file.size - 8 - count)
    } catch {
      throw .badContents(path, "\(error.section): \(error.problem); copy the file again")
    }
    guard !layout.entries.isEmpty else { throw .badContents(path, "holds no tensors") }
    let entry = layout.entries[try ArrayName.choose(name, among: layout.entries.map(\.name), path)]
    guard let type = types[entry.type] else {
      throw .badContents(
        path,
        "values of type \(entry.type) are not read; save tensor.float(), or one of "
          + types.keys.sorted().joined(separator: ", "))
    }
    return ArrayLayout(
      path: path, shape: entry.shape, type: type, isBigEndian: false, headerCount: 8 + count + entry.range.lowerBound)
  }

  private static let types: [String: ValueType] = [
    "BOOL": .bool, "U8": .uint8, "I8": .int8, "U16": .uint16, "I16": .int16, "U32": .uint32, "I32": .int32,
    "U64": .uint64, "I64": .int64, "F16": .float16, "BF16": .bfloat16, "F32": .float32, "F64": .float64,
  ]
}
