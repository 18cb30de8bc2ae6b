/// NumPy's archives of arrays: zip files of NPY files, stored or deflated.
enum NPZ {
  /// An array in an archive.
  struct Member {
    let layout: ArrayLayout
    /// The contents behind the header; nil for a stored array, whose place in the file the layout tells.
    let stream: CompressedStream?
    let file: DataFile
    let count: Int
  }

  /// The array at a path: stored ones in place, deflated ones in memory. Throws exit code 65, 66 or 74.
  static func read(_ path: String, _ name: ArrayName) throws(DataError) -> StoredArray {
    let member = try open(path, name)
    let layout = member.layout
    guard let stream = member.stream else {
      let file = try MappedFile(name.file)
      guard file.file.version == member.file.version else { throw DataFile.changed(path) }
      return try StoredArray(layout: layout, base: file.bytes.baseAddress! + layout.headerCount, owner: file)
        .inRowOrder()
    }
    let expected = member.count - layout.headerCount
    let values = try IDX.unpack(expected, of: stream, path)
    try stream.finish(after: member.count)
    return try StoredArray(layout: layout, base: values.bytes.baseAddress!, owner: values).inRowOrder()
  }

  /// Finds the array and reads its header. Throws exit code 65, 66 or 74.
  static func open(_ path: String, _ name: ArrayName) throws(DataError) -> Member {
    let file = try DataFile(name.file)
    let arrays = try ZipArchive(file).entries.filter { $0.name.hasSuffix(".npy") }
    let names = arrays.map { String($0.name.dropLast(4)) }
    guard !arrays.isEmpty else {
      throw .badContents(path, "is a zip archive without NumPy arrays; unpack it first: unzip \(name.file)")
    }
    let entry = arrays[try ArrayName.choose(name, among: names, path)]
    switch entry.method {
    case .stored:
      let start = try StoredArray.allocate(min(entry.count, NPY.largestHeader), path)
      try file.read(into: start.bytes, at: entry.range.lowerBound)
      var layout = try NPY.layout(start: UnsafeRawBufferPointer(start.bytes), size: entry.count, path)
      layout.headerCount += entry.range.lowerBound
      extendLifetime(start)
      return Member(layout: layout, stream: nil, file: file, count: entry.count)
    case .deflated:
      // This check precedes the allocation, since a damaged directory may announce any size.
      guard entry.count / Compression.gzip.largestRatio <= entry.range.count else { throw ZipArchive.damaged(path) }
      let stream = CompressedStream(file, deflated: entry.range, checksum: entry.checksum)
      let layout = try NPY.layout(unpacking: stream, size: entry.count, path)
      return Member(layout: layout, stream: stream, file: file, count: entry.count)
    case nil:
      throw .badContents(
        path, "is encrypted or compressed as NumPy does not; save it with numpy.savez or numpy.savez_compressed")
    }
  }
}

extension NPY {
  /// The array of `size` bytes that a stream unpacks to; the header is consumed. Throws the errors of `layout`.
  static func layout(unpacking stream: CompressedStream, size: Int, _ path: String) throws(DataError) -> ArrayLayout {
    // Magic, version, and the length of the header in 2 or 4 bytes.
    let prefix = 12
    guard size >= prefix else { throw .badContents(path, "ends within the NPY header; save it again") }
    let room = try StoredArray.allocate(min(size, largestHeader), path)
    defer { extendLifetime(room) }
    func fill(_ range: Range<Int>) throws(DataError) {
      let found = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: room.bytes[range]))
      guard found == range.count else { throw ZipArchive.damaged(path) }
    }
    try fill(0..<prefix)
    let start = room.bytes[magic.count] == 1 ? 10 : prefix
    let length = room.bytes[magic.count + 2..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    let count = min(room.bytes.count, start + length)
    if count > prefix { try fill(prefix..<count) }
    return try layout(
      start: UnsafeRawBufferPointer(rebasing: room.bytes[..<max(count, prefix)]), size: size, path)
  }
}

extension ArrayName {
  /// The index of the requested array among the arrays of a file. Throws exit code 65 where none or several match.
  static func choose(_ name: ArrayName, among names: [String], _ path: String) throws(DataError) -> Int {
    let list = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "")
    if let wanted = name.name {
      guard let index = names.firstIndex(where: { $0.scalars == wanted.scalars }) else {
        throw .badContents(path, "\(name.file) has no array '\(wanted)'; it has \(list)")
      }
      return index
    }
    guard names.count == 1 else {
      throw .badContents(
        path, "has \(names.count) arrays; name one of them as \(name.file):\(names.first ?? "name"): \(list)")
    }
    return 0
  }
}
