import Glibc

/// The lines of a text file, plain or compressed, block by block: in memory for one block, whatever the size of
/// the file, and for the longest line.
final class TextStream {
  private let file: DataFile
  private let compression: Compression?
  /// Unpacks a compressed file from where it was opened or rewound.
  private var unpacked: CompressedStream?
  /// Bytes that were read of a plain file.
  private var offset = 0
  private var isAtEnd = false
  private var isAtStart = true
  /// Whether carriage returns alone end lines, once the first line has told it.
  private var hasReturns: Bool?
  private var buffer: AlignedBuffer
  /// What of the buffer is read and not yet given out: the start of a line.
  private var rest = 0..<0

  var path: String { file.path }
  var version: DataFile.Version { file.version }

  /// How much of the file as it is stored has been read, from 0 to 1.
  var fractionDone: Double { Double(unpacked?.offset ?? offset) / Double(file.size) }

  /// Bytes of a block that has no longer lines.
  static let blockSize = 4 << 20

  /// Throws exit code 66 for a file that cannot be read, 65 for an empty one or one that nothing here unpacks.
  init(_ path: String, blockSize: Int = TextStream.blockSize) throws(DataError) {
    file = try DataFile(path)
    guard file.size > 0 else { throw .badContents(path, "is empty; copy the file again") }
    buffer = try Self.allocate(max(blockSize, 16), path)
    let start = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<min(file.size, 16)])
    try file.read(into: start, at: 0)
    try PackedFile.refuse(path, UnsafeRawBufferPointer(start))
    compression = Compression(UnsafeRawBufferPointer(start))
    rewind()
  }

  /// Starts again at the first line.
  func rewind() {
    unpacked = compression.map { CompressedStream(file, $0) }
    (offset, isAtEnd, isAtStart, hasReturns, rest) = (0, false, true, nil, 0..<0)
  }

  /// The next lines, which end with a newline, also where the file has none at its end; nil behind the last ones. They are
  /// good until the next call.
  ///
  /// Throws exit code 65 for a damaged file, one without text, or one that has changed since it was opened, 74 for one that the system fails
  /// to read.
  func next() throws(DataError) -> UnsafeBufferPointer<UInt8>? {
    memmove(buffer.bytes.baseAddress!, buffer.bytes.baseAddress! + rest.lowerBound, rest.count)
    var filled = rest.count
    while true {
      let start = filled
      filled += try fill(from: filled)
      convertReturns(start..<filled)
      if isAtEnd {
        rest = 0..<0
        let text = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<filled]).bindMemory(to: UInt8.self)
        if isAtStart, TextFile.withoutByteOrderMark(text).isEmpty {
          throw .badContents(path, "is empty; copy the file again")
        }
        if filled == 0 { return nil }
        if buffer.bytes[filled - 1] != TextFile.newline {
          buffer.bytes[filled] = TextFile.newline
          filled += 1
        }
        return lines(filled)
      }
      if let newline = buffer.bytes[..<filled].lastIndex(of: TextFile.newline) {
        rest = newline + 1..<filled
        return lines(newline + 1)
      }
      let grown = try Self.allocate(2 * buffer.bytes.count, path)
      UnsafeMutableRawBufferPointer(rebasing: grown.bytes[..<filled])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer.bytes[..<filled]))
      buffer = grown
    }
  }

  /// Makes the new bytes of the buffer lines that end with newlines.
  private func convertReturns(_ range: Range<Int>) {
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<range.upperBound]).bindMemory(to: UInt8.self)
    let isUnknown = hasReturns == nil
    if isUnknown { hasReturns = CarriageReturns.endFirstLine(of: UnsafeBufferPointer(bytes), isAll: isAtEnd) }
    guard hasReturns == true else { return }
    // The last byte before the new ones may have waited for what follows it.
    let start = isUnknown ? 0 : max(0, range.lowerBound - 1)
    CarriageReturns.replace(in: UnsafeMutableBufferPointer(rebasing: bytes[start...]), isAll: isAtEnd)
  }

  /// Reads to the end of the buffer but for a byte, or to that of the file. The result is the number of bytes.
  private func fill(from start: Int) throws(DataError) -> Int {
    if isAtEnd { return 0 }
    let room = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[start..<buffer.bytes.count - 1])
    let count: Int
    if let unpacked {
      count = try unpacked.read(into: room)
    } else {
      count = min(room.count, file.size - offset)
      try file.read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<count]), at: offset)
      offset += count
    }
    isAtEnd = count < room.count
    if isAtEnd { try file.checkUnchanged() }
    return count
  }

  private func lines(_ end: Int) -> UnsafeBufferPointer<UInt8> {
    let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<end]).bindMemory(to: UInt8.self)
    defer { isAtStart = false }
    return isAtStart ? TextFile.withoutByteOrderMark(bytes) : bytes
  }

  private static func allocate(_ byteCount: Int, _ path: String) throws(DataError) -> AlignedBuffer {
    guard let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(path, "has a line that needs \(byteCount) bytes of memory, which the system does not have")
    }
    return buffer
  }
}
