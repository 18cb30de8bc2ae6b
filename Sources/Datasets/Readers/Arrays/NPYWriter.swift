import LinearAlgebra

/// Writes one NPY file (version 1.0) piece by piece, so that predictions go to disk batch by batch.
///
/// The file appears at its path with `finish()`; without it nothing is left.
package final class NPYWriter {
  package enum Element: String, Sendable {
    case float32 = "<f4"
    case float64 = "<f8"
    case int64 = "<i8"

    package init<Scalar: BLASScalar>(_: Scalar.Type) {
      self = MemoryLayout<Scalar>.size == 4 ? .float32 : .float64
    }

    var size: Int { self == .float32 ? 4 : 8 }
  }

  private let element: Element
  private let file: PartialFile
  private let headerSize: Int
  private var missingBytes: Int

  /// `shape` is the shape of the complete array: [n] or [n, columns]. Throws exit code 74.
  package init(_ path: String, shape: [Int], element: Element) throws(DataError) {
    precondition(!shape.isEmpty && shape.allSatisfy { $0 >= 0 }, "a shape has extents, none of them negative")
    self.element = element
    missingBytes = shape.reduce(element.size, *)
    file = try PartialFile(path)
    let header = Self.header(shape: shape, element: element)
    headerSize = header.count
    try file.write(header)
  }

  /// Appends elements, row after row. Throws exit code 74.
  package func append<Scalar: BLASScalar>(_ vector: Vector<Scalar>) throws(DataError) {
    precondition(element == Element(Scalar.self), "the file holds \(element.rawValue)")
    try vector.withElements { elements throws(DataError) in try append(UnsafeRawBufferPointer(elements)) }
  }

  /// Appends elements. Throws exit code 74.
  package func append(_ integers: [Int64]) throws(DataError) {
    precondition(element == .int64, "the file holds \(element.rawValue)")
    try integers.span.bytes.withUnsafeBytes { bytes throws(DataError) in try append(bytes) }
  }

  /// Writes a row of a float32 array at its place. Each row is to be written once, in any order, and none appended. Throws
  /// exit code 74.
  package func write(_ row: [Float], at index: Int) throws(DataError) {
    precondition(element == .float32, "the file holds \(element.rawValue)")
    try row.span.bytes.withUnsafeBytes { bytes throws(DataError) in
      precondition(bytes.count <= missingBytes, "more elements than the shape has")
      try file.write(bytes, at: headerSize + index * bytes.count)
      missingBytes -= bytes.count
    }
  }

  /// Ensures that all elements are on disk, as `PartialFile.complete` does. Throws exit code 74; fewer elements than
  /// the shape needs violate a precondition.
  package func complete() throws(DataError) {
    precondition(missingBytes == 0, "\(missingBytes / element.size) elements are missing")
    try file.complete()
  }

  /// Puts the complete file in place. Throws exit code 74; fewer elements than the shape needs violate a precondition.
  package func finish() throws(DataError) {
    precondition(missingBytes == 0, "\(missingBytes / element.size) elements are missing")
    try file.finish()
  }

  /// The header, padded with spaces so that the elements start at a multiple of 64 bytes; NumPy does so for mapping.
  static func header(shape: [Int], element: Element) -> [UInt8] {
    let extents = shape.count == 1 ? "\(shape[0])," : shape.map(String.init).joined(separator: ", ")
    let dictionary = "{'descr': '\(element.rawValue)', 'fortran_order': False, 'shape': (\(extents)), }"
    let prefix = NPY.magic.count + 4
    let total = (prefix + dictionary.utf8.count + 1 + 63) / 64 * 64
    let length = total - prefix
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: length - dictionary.utf8.count - 1)
    return NPY.magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(dictionary.utf8) + padding
      + [UInt8(ascii: "\n")]
  }

  private func append(_ bytes: UnsafeRawBufferPointer) throws(DataError) {
    precondition(bytes.count <= missingBytes, "more elements than the shape has")
    try file.write(bytes)
    missingBytes -= bytes.count
  }
}

extension NPY {
  /// Writes a rows × columns array. Throws exit code 74.
  package static func write<Scalar: BLASScalar>(_ matrix: Matrix<Scalar>, to path: String) throws(DataError) {
    let writer = try NPYWriter(path, shape: [matrix.rows, matrix.columns], element: .init(Scalar.self))
    try writer.append(matrix.elements)
    try writer.finish()
  }

  /// Writes an array of one axis. Throws exit code 74.
  package static func write<Scalar: BLASScalar>(_ vector: Vector<Scalar>, to path: String) throws(DataError) {
    let writer = try NPYWriter(path, shape: [vector.count], element: .init(Scalar.self))
    try writer.append(vector)
    try writer.finish()
  }

  /// Writes an array of one axis. Throws exit code 74.
  package static func write(_ integers: [Int64], to path: String) throws(DataError) {
    let writer = try NPYWriter(path, shape: [integers.count], element: .int64)
    try writer.append(integers)
    try writer.finish()
  }
}
