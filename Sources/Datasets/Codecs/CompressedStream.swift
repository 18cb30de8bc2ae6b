/// Unpacks a compressed file piece by piece, with all its members (as `gzip` and `bzip2` do), in memory that does not
/// depend on the size of the file.
final class CompressedStream {
  private let file: DataFile
  /// The compression of a file; nil for the member of an archive.
  private let compression: Compression?
  /// The end of the compressed data in the file.
  private let end: Int
  private let decoder: any Decoder
  /// The bytes of the compressed file that are in memory; `pending` is the part that is not consumed yet.
  private let window = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
  private var pending = 0..<0
  /// The offset in the file up to which the window has been filled.
  private var readCount = 0
  /// Whether the last member is complete and its checksum right.
  private var isFinished = false

  /// The number of bytes of the file that are consumed.
  var offset: Int { readCount - pending.count }

  /// Unpacks one member after another.
  protocol Decoder: AnyObject {
    /// Unpacks as much of the source as the target has room for.
    func decode(_ source: UnsafeMutableRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Progress
    /// Prepares the decoder for the next member.
    func reset()
  }

  struct Progress {
    /// Bytes consumed of the source, and bytes produced in the target.
    var consumed, produced: Int
    var outcome: Outcome
  }

  enum Outcome {
    /// There is more to do, if the call had any source and any room.
    case goesOn
    /// The member is complete and its checksum right.
    case endsMember
    case isDamaged(String)
  }

  init(_ file: DataFile, _ compression: Compression) {
    self.file = file
    self.compression = compression
    end = file.size
    decoder = compression.decoder()
  }

  /// The deflated data in a range of a file; `checksum` is the CRC-32 of its contents.
  init(_ file: DataFile, deflated range: Range<Int>, checksum: UInt32) {
    self.file = file
    compression = nil
    (readCount, end) = (range.lowerBound, range.upperBound)
    decoder = DeflateDecoder(checksum: checksum)
  }

  deinit { window.deallocate() }

  /// Fills `target`. A result below its size means that the data ends there, complete and with the right checksum.
  ///
  /// Throws exit code 65 for truncated or damaged files, 74 for one that the system fails to read.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    var filled = 0
    while filled < target.count && !isFinished {
      if pending.isEmpty { try refill() }
      let progress = decoder.decode(
        UnsafeMutableRawBufferPointer(rebasing: window[pending]),
        into: UnsafeMutableRawBufferPointer(rebasing: target[filled..<min(target.count, filled + 1 << 30)]))
      pending.removeFirst(progress.consumed)
      filled += progress.produced
      switch progress.outcome {
      case .goesOn where progress.consumed == 0 && progress.produced == 0:
        throw .badContents(file.path, "the compressed data end early, at byte \(offset); copy the file again")
      case .goesOn: break
      case .endsMember: try endMember()
      case .isDamaged(let reason):
        throw .badContents(
          file.path,
          "damaged \(compression?.rawValue ?? "deflate") data near byte \(offset) (\(reason)); copy the file again")
      }
    }
    return filled
  }

  /// Checks that nothing but the checksum is left.
  func finish(after expected: Int) throws(DataError) {
    var byte: UInt8 = 0
    let extra = try withUnsafeMutableBytes(of: &byte) { buffer throws(DataError) in try read(into: buffer) }
    guard extra == 0 else {
      throw .badContents(file.path, "unpacks to more than the \(expected) bytes that its header announces")
    }
  }

  private func endMember() throws(DataError) {
    let rest = end - offset
    if pending.count < Compression.startCount { try refill() }
    if rest == 0 {
      isFinished = true
    } else if let compression, Compression(UnsafeRawBufferPointer(rebasing: window[pending])) == compression {
      decoder.reset()
    } else {
      throw .badContents(file.path, "\(rest) bytes follow the compressed data, from byte \(offset)")
    }
  }

  /// Moves the pending bytes to the front of the window, and reads as much of the file behind them as fits.
  private func refill() throws(DataError) {
    window.copyMemory(from: UnsafeRawBufferPointer(rebasing: window[pending]))
    let count = min(window.count - pending.count, end - readCount)
    try file.read(
      into: UnsafeMutableRawBufferPointer(rebasing: window[pending.count..<pending.count + count]), at: readCount)
    pending = 0..<pending.count + count
    readCount += count
  }
}
