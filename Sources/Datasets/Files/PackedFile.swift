/// Files in compressions that the program does not unpack, and text in UTF-16.
enum PackedFile {
  private static let packers: [(name: String, ending: String, magic: [UInt8], command: String)] = [
    ("xz", ".xz", [0xfd] + Array("7zXZ".utf8), "unxz -k"),
    ("zstd", ".zst", [0x28, 0xb5, 0x2f, 0xfd], "unzstd"),
    ("zip", ".zip", Array("PK\u{3}\u{4}".utf8), "unzip"),
  ]

  /// The endings of the names of such files.
  static let endings = packers.map(\.ending)

  /// Throws exit code 65 for such a file, told by its first bytes or the ending of its name.
  static func refuse(_ path: String, _ start: UnsafeRawBufferPointer) throws(DataError) {
    if start.starts(with: [0xff, 0xfe]) || start.starts(with: [0xfe, 0xff]) {
      throw .badContents(
        path, "is UTF-16 text, and only UTF-8 is read; convert it first: iconv -f UTF-16 -t UTF-8 \(path)")
    }
    let name = path.lowercased()
    let packer = packers.first { packer in
      start.starts(with: packer.magic) || name.hasSuffix(packer.ending)
    }
    guard let packer else { return }
    throw .badContents(
      path,
      "is compressed with \(packer.name), and only gzip and bzip2 are unpacked here; "
        + "unpack it first: \(packer.command) \(path)")
  }
}
