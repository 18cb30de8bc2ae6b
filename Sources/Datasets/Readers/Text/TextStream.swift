import Glibc

/// The lines of a text file, plain or compressed, block by block. Memory holds one block, or the longest line if that
/// is longer, whatever the size of the file.
final class TextStream {
  private let file: DataFile
  private let compression: Compression?
  /// Unpacks a compressed file, from its start or from the last rewind on.
  private var unpacked: CompressedStream?
  /// The number of bytes read of a plain file.
  private var offset = 0
  private var isAtEnd = false
  private var isAtStart = true
  /// Whether lone carriage returns end lines; nil until the first line shows it.
  private var hasReturns: Bool?
  private var buffer: AlignedBuffer
  /// The range of the buffer that is read and not yet returned: the start of a line.
  private var rest = 0..<0

  var path: String { file.path }
  var version: DataFile.Version { file.version }

  /// The fraction of the stored file that has been read, from 0 to 1.
  var fractionDone: Double { Double(unpacked?.offset ?? offset) / Double(file.size) }

  /// Bytes of a block, unless a line is longer.
  static let blockSize = 4 << 20

  /// Throws exit code 66 for a file that cannot be read, 65 for one that is empty or in an unsupported compression.
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

  /// Restarts at the first line.
  func rewind() {
    unpacked = compression.map { CompressedStream(file, $0) }
    (offset, isAtEnd, isAtStart, hasReturns, rest) = (0, false, true, nil, 0..<0)
  }

  /// The next lines, each ending with a newline, which is added if the file lacks it at its end; nil at the end. Valid
  /// until the next call.
  ///
  /// Throws exit code 65 for a file that is damaged, has no text, or has changed since it was opened; 74 for one that
  /// the system fails to read.
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

  /// Makes all line ends in the new bytes of the buffer newlines.
  private func convertReturns(_ range: Range<Int>) {
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<range.upperBound]).bindMemory(to: UInt8.self)
    let isUnknown = hasReturns == nil
    if isUnknown { hasReturns = CarriageReturns.endFirstLine(of: UnsafeBufferPointer(bytes), isAll: isAtEnd) }
    guard hasReturns == true else { return }
    // A carriage return at the end of the previous bytes is decided by the byte that follows it.
    let start = isUnknown ? 0 : max(0, range.lowerBound - 1)
    CarriageReturns.replace(in: UnsafeMutableBufferPointer(rebasing: bytes[start...]), isAll: isAtEnd)
  }

  /// Fills the buffer except for one byte, or up to the end of the file. Returns the number of new bytes.
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
