/// How files are compressed that are unpacked here.
enum Compression: String, CaseIterable {
  case gzip, bzip2

  /// Bytes at the start of a file that tell how it is compressed.
  static let startCount = 10

  /// That of a file or of one of its members, by its first bytes.
  init?(_ start: UnsafeRawBufferPointer) {
    let compression = Self.allCases.first { compression in
      compression.starts.contains { start.starts(with: $0) { $1 == nil || $0 == $1 } }
    }
    guard let compression else { return nil }
    self = compression
  }

  /// What a file may begin with; nil is any byte.
  private var starts: [[UInt8?]] {
    switch self {
    case .gzip: [[0x1f, 0x8b]]
    // The size of the blocks, and a block or the end.
    case .bzip2: [Array("1AY&SY".utf8), [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]].map { Array("BZh".utf8) + [nil] + $0 }
    }
  }

  /// The ending of a file's name.
  var ending: String {
    switch self {
    case .gzip: ".gz"
    case .bzip2: ".bz2"
    }
  }

  /// What unpacks a file and keeps it.
  var unpacker: String {
    switch self {
    case .gzip: "gunzip -k"
    case .bzip2: "bunzip2 -k"
    }
  }

  /// No file unpacks to more than this many times its size and the size of one block.
  var largestRatio: Int {
    switch self {
    // zlib's technical notes.
    case .gzip: 1032
    // 900000 bytes, of which 5 may stand for 259 of one value, in a block of at least 32 bytes.
    case .bzip2: 46_620_000 / 32
    }
  }

  func decoder() -> any CompressedStream.Decoder {
    switch self {
    case .gzip: GzipDecoder()
    case .bzip2: Bzip2Decoder()
    }
  }
}
