/// The kinds of compression that the program unpacks.
enum Compression: String, CaseIterable {
  case gzip, bzip2

  /// Bytes at the start of a file that tell how it is compressed.
  static let startCount = 10

  /// The compression of a file, or of one of its members, told by its first bytes.
  init?(_ start: UnsafeRawBufferPointer) {
    let compression = Self.allCases.first { compression in
      compression.starts.contains { start.starts(with: $0) { $1 == nil || $0 == $1 } }
    }
    guard let compression else { return nil }
    self = compression
  }

  /// The first bytes that a file may have; nil stands for any byte.
  private var starts: [[UInt8?]] {
    switch self {
    case .gzip: [[0x1f, 0x8b]]
    // The digit is the block size; a block or the end of the stream follows.
    case .bzip2: [Array("1AY&SY".utf8), [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]].map { Array("BZh".utf8) + [nil] + $0 }
    }
  }

  /// The ending of the names of such files.
  var ending: String {
    switch self {
    case .gzip: ".gz"
    case .bzip2: ".bz2"
    }
  }

  /// The command that unpacks a file and keeps it.
  var unpacker: String {
    switch self {
    case .gzip: "gunzip -k"
    case .bzip2: "bunzip2 -k"
    }
  }

  /// The largest ratio of unpacked to packed size: no file unpacks to more than this times its size, plus one block.
  var largestRatio: Int {
    switch self {
    // From zlib's technical notes.
    case .gzip: 1032
    // A block unpacks to 900000 bytes, where 5 bytes may stand for 259 equal ones, and takes at least 32 bytes.
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
