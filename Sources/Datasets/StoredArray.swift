/// The number types that data files hold.
enum NumberType: String {
  case bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, float32, float64

  var size: Int {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .float16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    }
  }
}

/// What the header of a file says about its array, which lies in row-major order.
struct ArrayLayout: Equatable {
  let path: String
  let format: DataFormat
  var shape: [Int]
  let type: NumberType
  let isBigEndian: Bool
  /// Bytes of the header.
  let headerCount: Int

  /// Throws exit code 65 unless this is the shape of examples with values.
  func checkFeatures() throws(DataError) {
    guard shape.count >= 2 else {
      throw .badContents(
        path, "features need an axis of examples and one of values, the shape is \(shape); reshape to (n, d)")
    }
    guard shape[0] > 0 else { throw .badContents(path, "holds no examples; its shape is \(shape)") }
    guard !shape.contains(0) else { throw .badContents(path, "its rows hold no values; its shape is \(shape)") }
  }

  /// Throws exit code 65 unless this is the shape of labels.
  func checkLabels() throws(DataError) {
    guard shape.count == 1 || (shape.count == 2 && shape[1] == 1) else {
      throw .badContents(
        path, "labels need the shape (n), this one is \(shape); save array.argmax(axis=1) of a one-hot array")
    }
    guard shape[0] > 0 else { throw .badContents(path, "holds no labels; its shape is \(shape)") }
  }
}

/// An array as a file holds it, or some of its rows: in the mapped file or in memory.
struct StoredArray {
  let layout: ArrayLayout
  let base: UnsafeRawPointer
  /// What keeps `base` alive.
  let owner: AnyObject

  var path: String { layout.path }
  var shape: [Int] { layout.shape }
  var type: NumberType { layout.type }

  /// The product of `shape` times `size`; throws exit code 65 when it is no 63-bit number.
  static func byteCount(_ shape: [Int], _ type: NumberType, _ path: String) throws(DataError) -> Int {
    var product = type.size
    for extent in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw .badContents(path, "the header announces an impossible shape, \(shape)") }
      product = next
    }
    return product
  }

  /// One row for each index of the first axis, the other axes flattened.
  func features() throws(DataError) -> FeatureMatrix {
    try layout.checkFeatures()
    switch (type, layout.isBigEndian) {
    case (.uint8, _): return try matrix(.uint8)
    case (.float32, false): return try matrix(.float32)
    case (.float64, false): return try matrix(.float64)
    case (.int8, _) where layout.format == .idx: return try decoded(Int8.self, .float32) { Float($0) }
    case (.int16, true): return try decoded(Int16.self, .float32) { Float(Int16(bigEndian: $0)) }
    // float32 has 24 bits for an integer.
    case (.int32, true): return try decoded(Int32.self, .float64) { Double(Int32(bigEndian: $0)) }
    case (.float32, true): return try decoded(UInt32.self, .float32) { UInt32(bigEndian: $0) }
    case (.float64, true): return try decoded(UInt64.self, .float64) { UInt64(bigEndian: $0) }
    default:
      throw .badContents(
        path,
        "features of type \(type.rawValue) are not read (uint8, float32 and float64 are); "
          + "save array.astype(numpy.float32)")
    }
  }

  /// One class number for each example; errors count rows from `firstRow`.
  func labels(firstRow: Int = 0) throws(DataError) -> [Int32] {
    try layout.checkLabels()
    switch (type, layout.isBigEndian) {
    case (.uint8, _): return try integers(UInt8.self, firstRow)
    case (.int8, _): return try integers(Int8.self, firstRow)
    case (.int16, true): return try integers(Int16.self, firstRow) { Int16(bigEndian: $0) }
    case (.int32, true): return try integers(Int32.self, firstRow) { Int32(bigEndian: $0) }
    case (.int16, false): return try integers(Int16.self, firstRow)
    case (.int32, false): return try integers(Int32.self, firstRow)
    case (.int64, false): return try integers(Int64.self, firstRow)
    case (.uint16, false): return try integers(UInt16.self, firstRow)
    case (.uint32, false): return try integers(UInt32.self, firstRow)
    case (.uint64, false): return try integers(UInt64.self, firstRow)
    default:
      throw .badContents(
        path,
        "labels must be class numbers of an integer type, these are \(type.rawValue); "
          + "save array.astype(numpy.int64)")
    }
  }

  /// One number for each example.
  func numbers() throws(DataError) -> [Double] {
    guard shape.count == 1 || (shape.count == 2 && shape[1] == 1) else {
      throw .badContents(path, "weights need the shape (n), this one is \(shape); save array.reshape(-1)")
    }
    switch (type, layout.isBigEndian) {
    case (.uint8, _): return numbers(UInt8.self) { Double($0) }
    case (.int8, _): return numbers(Int8.self) { Double($0) }
    case (.int16, let big): return numbers(Int16.self) { Double(big ? Int16(bigEndian: $0) : $0) }
    case (.int32, let big): return numbers(Int32.self) { Double(big ? Int32(bigEndian: $0) : $0) }
    case (.int64, false): return numbers(Int64.self) { Double($0) }
    case (.float32, let big):
      return numbers(UInt32.self) { Double(Float(bitPattern: big ? UInt32(bigEndian: $0) : $0)) }
    case (.float64, let big): return numbers(UInt64.self) { Double(bitPattern: big ? UInt64(bigEndian: $0) : $0) }
    default:
      throw .badContents(path, "weights of type \(type.rawValue) are not read; save array.astype(numpy.float64)")
    }
  }

  private func numbers<Source: BitwiseCopyable>(_: Source.Type, _ convert: (Source) -> Double) -> [Double] {
    defer { extendLifetime(owner) }
    return (0..<shape[0]).map {
      convert(base.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Source>.size, as: Source.self))
    }
  }

  /// The bytes as they are, without a copy unless they lie across the alignment that the processor wants.
  private func matrix(_ element: FeatureMatrix.Element) throws(DataError) -> FeatureMatrix {
    let featureShape = Array(shape.dropFirst())
    guard UInt(bitPattern: base) % UInt(element.size) != 0 else {
      return FeatureMatrix(rows: shape[0], shape: featureShape, element: element, base: base, owner: owner)
    }
    let buffer = try allocate(shape.reduce(element.size, *))
    buffer.bytes.copyMemory(from: UnsafeRawBufferPointer(start: base, count: buffer.bytes.count))
    return FeatureMatrix(rows: shape[0], shape: featureShape, element: element, owner: buffer)
  }

  @inline(__always)
  private func decoded<Source: BitwiseCopyable, Target: BitwiseCopyable>(
    _: Source.Type, _ element: FeatureMatrix.Element, _ convert: (Source) -> Target
  ) throws(DataError) -> FeatureMatrix {
    let count = shape.reduce(1, *)
    let buffer = try allocate(count * element.size)
    let target = buffer.bytes.bindMemory(to: Target.self)
    for index in 0..<count {
      let value = base.loadUnaligned(fromByteOffset: index * MemoryLayout<Source>.size, as: Source.self)
      target.initializeElement(at: index, to: convert(value))
    }
    extendLifetime(owner)
    return FeatureMatrix(rows: shape[0], shape: Array(shape.dropFirst()), element: element, owner: buffer)
  }

  private func integers<Source: FixedWidthInteger & BitwiseCopyable>(
    _: Source.Type, _ firstRow: Int, _ convert: (Source) -> Source = { $0 }
  ) throws(DataError) -> [Int32] {
    defer { extendLifetime(owner) }
    var labels: [Int32] = []
    labels.reserveCapacity(shape[0])
    for row in 0..<shape[0] {
      let value = convert(base.loadUnaligned(fromByteOffset: row * MemoryLayout<Source>.size, as: Source.self))
      guard let label = Int32(exactly: value) else {
        throw .badContents(
          path, "the label of row \(firstRow + row), \(value), is no class number; labels count from 0")
      }
      labels.append(label)
    }
    return labels
  }

  private func allocate(_ byteCount: Int) throws(DataError) -> AlignedBuffer {
    guard let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(path, "needs \(byteCount) bytes of memory, which the system does not have")
    }
    return buffer
  }
}
