/// The file formats that are read.
package enum DataFormat: String, Codable, CaseIterable, Sendable {
  /// Told by the file's first bytes.
  case auto
  /// The format of the MNIST files, plain or compressed.
  case idx
  /// NumPy's.
  case npy

  /// Throws a `DataError` with exit code 65 for a format that is none of these, and those of the readers.
  func read(_ path: String) throws(DataError) -> StoredArray {
    let file = try MappedFile(path)
    defer { extendLifetime(file) }
    guard !file.bytes.isEmpty else { throw .badContents(path, "is empty; copy the file again") }
    return try resolved(file.bytes, path) == .npy ? NPY.read(file) : IDX.read(file)
  }

  /// `idx` or `npy`, where `auto` goes by the first bytes of the file. Throws exit code 65 for a format that is none of
  /// these.
  func resolved(_ start: UnsafeRawBufferPointer, _ path: String) throws(DataError) -> DataFormat {
    if start.starts(with: "PK".utf8) {
      throw .badContents(path, "is a zip archive (NPZ?); save each of its arrays with numpy.save")
    }
    try PackedFile.refuse(path, start)
    guard self == .auto else { return self }
    if NPY.isNPY(start) { return .npy }
    if IDX.isIDX(start) || Compression(start) != nil { return .idx }
    throw .badContents(path, "is neither an NPY nor an IDX file; save the array with numpy.save")
  }
}
