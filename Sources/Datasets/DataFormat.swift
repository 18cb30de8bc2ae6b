/// The file formats that are read.
package enum DataFormat: String, Codable, CaseIterable, Sendable {
  /// Told by the file's first bytes.
  case auto
  /// The format of the MNIST files, plain or compressed with gzip.
  case idx
  /// NumPy's.
  case npy

  /// Throws a `DataError` with exit code 65 for a format that is none of these, and those of the readers.
  func read(_ path: String) throws(DataError) -> StoredArray {
    let file = try MappedFile(path)
    defer { extendLifetime(file) }
    guard !file.bytes.isEmpty else { throw .badContents(path, "is empty; copy the file again") }
    switch self {
    case .idx: return try IDX.read(file)
    case .npy: return try NPY.read(file)
    case .auto: break
    }
    if NPY.isNPY(file.bytes) { return try NPY.read(file) }
    if IDX.isIDX(file.bytes) || GzipStream.isGzip(file.bytes) { return try IDX.read(file) }
    if file.bytes.starts(with: "PK".utf8) {
      throw .badContents(path, "is a zip archive (NPZ?); save each of its arrays with numpy.save")
    }
    throw .badContents(path, "is neither an NPY nor an IDX file; save the array with numpy.save")
  }
}
