/// The file formats that are read.
package enum DataFormat: String, Codable, CaseIterable, Sendable {
  /// Told by the file's first bytes.
  case auto
  /// The format of the MNIST files, plain or compressed.
  case idx
  /// NumPy's.
  case npy

  /// NumPy's archives of arrays.
  case npz
  case safetensors

  /// The array of a path, which may have the name of one of several behind it. Throws a `DataError` with exit code 65 for a
  /// format that is none of these, and those of the readers.
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

  /// The format of a file of `size` bytes, where `auto` goes by the first bytes of the file. Throws exit code 65 for a format
  /// that is none of these.
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
