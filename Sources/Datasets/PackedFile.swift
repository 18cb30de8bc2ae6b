/// Files that are compressed otherwise than with gzip, which nothing here unpacks.
enum PackedFile {
  private static let packers: [(name: String, ending: String, magic: [UInt8], command: String)] = [
    ("bzip2", ".bz2", Array("BZh".utf8), "bunzip2 -k"),
    ("xz", ".xz", [0xfd] + Array("7zXZ".utf8), "unxz -k"),
    ("zstd", ".zst", [0x28, 0xb5, 0x2f, 0xfd], "unzstd"),
    ("zip", ".zip", Array("PK\u{3}\u{4}".utf8), "unzip"),
  ]

  /// The endings of their names.
  static let endings = packers.map(\.ending)

  /// Throws exit code 65 for such a file, told by its first bytes or the ending of its name.
  static func refuse(_ path: String, _ start: UnsafeRawBufferPointer) throws(DataError) {
    let name = path.lowercased()
    guard let packer = packers.first(where: { start.starts(with: $0.magic) || name.hasSuffix($0.ending) }) else {
      return
    }
    throw .badContents(
      path,
      "is compressed with \(packer.name), and only gzip is unpacked here; unpack it first: \(packer.command) \(path)")
  }
}
