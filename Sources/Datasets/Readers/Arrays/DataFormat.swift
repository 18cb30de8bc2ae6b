/// The file formats of arrays.
package enum DataFormat: String, Codable, CaseIterable, Sendable {
  /// The format that the file's first bytes show.
  case auto
  /// The format of the MNIST files, plain or compressed.
  case idx
  /// NumPy's format for one array.
  case npy

  /// NumPy's format for archives of arrays.
  case npz
  case safetensors

  /// The array at a path, which may end in the name of one of several arrays. Throws a `DataError` with exit code 65
  /// for an unknown format, and the errors of the readers.
  func read(_ path: String) throws(DataError) -> StoredArray {
    let name = ArrayName(path)
    let file = try MappedFile(name.file)
    defer { extendLifetime(file) }
    guard !file.bytes.isEmpty else { throw .badContents(path, "is empty; copy the file again") }
    switch try resolved(file.bytes, size: file.bytes.count, path, name) {
    case .npz: return try NPZ.read(path, name)
    case .safetensors: return try SafetensorsArray.read(path, name)
    case .npy: return try NPY.read(file)
    case .idx, .auto: return try IDX.read(file)
    }
  }

  /// The format of a file of `size` bytes; `auto` goes by its first bytes. Throws exit code 65 for an unknown format.
  func resolved(
    _ start: UnsafeRawBufferPointer, size: Int, _ path: String, _ name: ArrayName
  ) throws(DataError) -> DataFormat {
    let format: DataFormat
    if ZipArchive.isZip(start) {
      format = .npz
    } else if self == .npz {
      throw .badContents(path, "is no NPZ file: it is no zip archive; save the arrays with numpy.savez")
    } else {
      try PackedFile.refuse(name.file, start)
      if self != .auto {
        format = self
      } else if NPY.isNPY(start) {
        format = .npy
      } else if SafetensorsArray.isSafetensors(start, size: size) {
        format = .safetensors
      } else if IDX.isIDX(start) || Compression(start) != nil {
        format = .idx
      } else {
        throw .badContents(
          path, "is none of the formats of arrays: NPY, NPZ, safetensors and IDX; save the array with numpy.save")
      }
    }
    if let member = name.name, format == .npy || format == .idx {
      throw .badContents(path, "\(name.file) has one array, without a name; leave ':\(member)' out")
    }
    return format
  }
}
