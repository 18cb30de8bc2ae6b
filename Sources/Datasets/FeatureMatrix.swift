/// The values of all examples, #rows × columns in row-major order, in the type that the file has: mapped from it or in
/// memory. Copies share the storage.
package struct FeatureMatrix {
  package enum Element: String, Codable, Sendable {
    case uint8, float32, float64

    package var size: Int {
      switch self {
      case .uint8: 1
      case .float32: 4
      case .float64: 8
      }
    }
  }

  package let rows: Int
  package let columns: Int
  /// The axes of one example, such as [28, 28]; their product is `columns`.
  package let shape: [Int]
  package let element: Element
  /// Aligned for `element`.
  let base: UnsafeRawPointer
  /// What keeps `base` alive.
  let owner: AnyObject

  /// The examples of a file. Throws exit code 65 or 66.
  package init(path: String, format: DataFormat = .auto) throws(DataError) {
    self = try format.read(path).features()
  }

  /// Rows of the extents `shape`, one after another in `values`, whose count must be a multiple of the row's.
  package init(_ values: [UInt8], shape: [Int]) { self.init(copying: values, shape, .uint8) }
  package init(_ values: [Float], shape: [Int]) { self.init(copying: values, shape, .float32) }
  package init(_ values: [Double], shape: [Int]) { self.init(copying: values, shape, .float64) }

  init(rows: Int, shape: [Int], element: Element, base: UnsafeRawPointer, owner: AnyObject) {
    self.rows = rows
    self.columns = shape.reduce(1, *)
    self.shape = shape
    self.element = element
    self.base = base
    self.owner = owner
  }

  init(rows: Int, shape: [Int], element: Element, owner: AlignedBuffer) {
    self.init(rows: rows, shape: shape, element: element, base: owner.bytes.baseAddress!, owner: owner)
  }

  private init<Value: BitwiseCopyable>(copying values: [Value], _ shape: [Int], _ element: Element) {
    let columns = shape.reduce(1, *)
    precondition(columns > 0 && values.count % columns == 0, "\(values.count) values are no rows of \(shape)")
    guard let buffer = AlignedBuffer(byteCount: values.count * element.size) else { fatalError("out of memory") }
    values.withUnsafeBytes { buffer.bytes.copyMemory(from: $0) }
    self.init(rows: values.count / columns, shape: shape, element: element, owner: buffer)
  }

  /// The rows of `range` alone, counted from 0.
  subscript(rows range: Range<Int>) -> FeatureMatrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows out of range")
    return FeatureMatrix(
      rows: range.count, shape: shape, element: element, base: base + range.lowerBound * columns * element.size,
      owner: owner)
  }

  /// The same for all processes of a host that have these values in one place: they are those of one file.
  var place: UInt64? { (owner as? MappedFile)?.file.place ?? (owner as? AlignedBuffer)?.place }

  /// The bytes of the rows of `range`; the buffer must not outlive the call.
  func withBytes<Result>(in range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows out of range")
    defer { extendLifetime(owner) }
    let rowSize = columns * element.size
    return body(UnsafeRawBufferPointer(start: base + range.lowerBound * rowSize, count: range.count * rowSize))
  }
}
