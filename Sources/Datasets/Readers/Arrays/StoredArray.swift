internal import CKernels
import LinearAlgebra

/// An array as a file stores it, or a range of its rows: in the mapped file or in memory, with any alignment.
struct StoredArray {
  let layout: ArrayLayout
  let base: UnsafeRawPointer
  /// The object that keeps `base` alive.
  let owner: AnyObject

  var path: String { layout.path }
  var shape: [Int] { layout.shape }
  var type: ValueType { layout.type }

  /// Whether the byte order of numbers differs from the processor's.
  var isSwapped: Bool { type.hasByteOrder && layout.isBigEndian }

  /// One row per index of the first axis; the other axes are flattened in the order of the file.
  func features() throws(DataError) -> FeatureMatrix {
    try layout.checkFeatures()
    return FeatureMatrix(
      rows: shape[0], shape: Array(shape.dropFirst()), element: type.element!, isSwapped: isSwapped, base: base,
      owner: owner)
  }

  /// One number per example.
  func numbers() throws(DataError) -> [Double] {
    guard shape.count == 1 || (shape.count == 2 && shape.contains(1)) else {
      throw .badContents(path, "weights need the shape (n), this one is \(shape); save array.reshape(-1)")
    }
    guard type.element != nil else {
      throw .badContents(path, "weights are numbers, and these are \(type); save array.astype(float)")
    }
    return doubles(0..<shape.reduce(1, *))
  }

  /// The values of a range as doubles, counted from 0 in the order of the file. The array must hold numbers.
  func doubles(_ range: Range<Int>) -> [Double] {
    defer { extendLifetime(owner) }
    return [Double](unsafeUninitializedCapacity: range.count) { target, count in
      type.element!.toDoubles(
        base + range.lowerBound * type.size, range.count, isSwapped ? 1 : 0, target.baseAddress)
      count = range.count
    }
  }

  /// This array in row-major order; an array in Fortran order is copied. Throws exit code 65 where there is no memory
  /// for the copy.
  func inRowOrder() throws(DataError) -> StoredArray {
    guard layout.isFortranOrder else { return self }
    let (rows, extents) = (shape[0], shape.dropFirst())
    let columns = extents.reduce(1, *)
    let buffer = try Self.allocate(rows * columns * type.size, path)
    let places = try Self.allocate(columns * MemoryLayout<Int>.size, path)
    let columnPlaces = places.bytes.bindMemory(to: Int.self)
    var index = extents.map { _ in 0 }
    for column in 0..<columns {
      // In Fortran order the first of the remaining indices runs fastest.
      columnPlaces[column] = zip(index, extents).reversed().reduce(0) { $0 * $1.1 + $1.0 }
      for axis in index.indices.reversed() {
        index[axis] += 1
        if index[axis] < extents[extents.startIndex + axis] { break }
        index[axis] = 0
      }
    }
    nonisolated(unsafe) let source = base
    let size = type.size
    nonisolated(unsafe) let target = UnsafeMutableRawPointer(buffer.bytes.baseAddress!)
    nonisolated(unsafe) let from = UnsafePointer<Int>(columnPlaces.baseAddress!)
    Threads.parallel(rows, grain: max(64, (1 << 18) / max(1, columns))) { part in
      fgn_transpose_numbers(source, rows, columns, from, size, part.lowerBound, part.upperBound, target)
    }
    extendLifetime((owner, places))
    var layout = layout
    layout.isFortranOrder = false
    return StoredArray(layout: layout, base: UnsafeRawPointer(target), owner: buffer)
  }

  static func allocate(_ byteCount: Int, _ path: String) throws(DataError) -> AlignedBuffer {
    guard let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(path, "needs \(byteCount) bytes of memory, which the system does not have")
    }
    return buffer
  }
}
