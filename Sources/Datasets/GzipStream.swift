import CZlib

/// Inflates a gzip file piece by piece, all of its members (as `gzip` itself does), in memory that does not depend on its
/// size.
final class GzipStream {
  private let file: DataFile
  /// A part of the compressed file, of which `pending` is not consumed yet.
  private let window = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
  private var pending = 0..<0
  /// How much of the file has been read into the window.
  private var readCount = 0
  /// The last member is complete and its checksum was right.
  private var isFinished = false
  // zlib keeps the address of this struct, which therefore must not move.
  private let stream: UnsafeMutablePointer<z_stream>

  /// How much of the file is consumed.
  var offset: Int { readCount - pending.count }

  static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
  }

  init(_ file: DataFile) {
    self.file = file
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, and 16 asks for a gzip header. Fails only without memory or with a wrong zlib.
    let code = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(code == Z_OK, "zlib cannot start: code \(code)")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    window.deallocate()
  }

  /// Fills `target`; a result below its size means that the data end there, complete and with a right checksum.
  ///
  /// Throws exit code 65 for truncated or damaged files, 74 for one that the system fails to read.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    var filled = 0
    while filled < target.count && !isFinished {
      if pending.isEmpty { try refill() }
      let room = min(target.count - filled, 1 << 30)
      stream.pointee.next_in = (window.baseAddress! + pending.lowerBound).assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_in = UInt32(pending.count)
      stream.pointee.next_out = (target.baseAddress! + filled).assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(room)
      let code = inflate(stream, Z_NO_FLUSH)
      pending = pending.upperBound - Int(stream.pointee.avail_in)..<pending.upperBound
      filled += room - Int(stream.pointee.avail_out)
      switch code {
      case Z_OK: break
      case Z_STREAM_END: try endMember()
      case Z_BUF_ERROR:
        throw .badContents(file.path, "the compressed data end early, at byte \(offset); copy the file again")
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib code \(code)"
        throw .badContents(file.path, "damaged gzip data near byte \(offset) (\(reason)); copy the file again")
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
    let rest = file.size - offset
    if pending.count < 2 { try refill() }
    if rest == 0 {
      isFinished = true
    } else if Self.isGzip(UnsafeRawBufferPointer(rebasing: window[pending])) {
      inflateReset(stream)
    } else {
      throw .badContents(file.path, "\(rest) bytes follow the compressed data, from byte \(offset)")
    }
  }

  /// Moves what is pending to the front of the window, and reads as much of the file behind it as fits.
  private func refill() throws(DataError) {
    window.copyMemory(from: UnsafeRawBufferPointer(rebasing: window[pending]))
    let count = min(window.count - pending.count, file.size - readCount)
    try file.read(
      into: UnsafeMutableRawBufferPointer(rebasing: window[pending.count..<pending.count + count]), at: readCount)
    pending = 0..<pending.count + count
    readCount += count
  }
}
