import CZlib

/// Inflates a mapped gzip file piece by piece, all of its members (as `gzip` itself does).
final class GzipStream {
  private let file: MappedFile
  /// How much of the file is consumed.
  private var offset = 0
  /// The last member is complete and its checksum was right.
  private var isFinished = false
  // zlib keeps the address of this struct, which therefore must not move.
  private let stream: UnsafeMutablePointer<z_stream>

  static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
  }

  init(_ file: MappedFile) {
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
  }

  /// Fills `target`; a result below its size means that the data end there, complete and with a right checksum.
  ///
  /// Throws exit code 65 for truncated or damaged files.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    var filled = 0
    while filled < target.count && !isFinished {
      let given = min(file.bytes.count - offset, 1 << 30)
      let room = min(target.count - filled, 1 << 30)
      let source = file.bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + offset) }
      stream.pointee.next_in = source?.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_in = UInt32(given)
      stream.pointee.next_out = (target.baseAddress! + filled).assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(room)
      let code = inflate(stream, Z_NO_FLUSH)
      offset += given - Int(stream.pointee.avail_in)
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
    let rest = UnsafeRawBufferPointer(rebasing: file.bytes[offset...])
    if rest.isEmpty {
      isFinished = true
    } else if Self.isGzip(rest) {
      inflateReset(stream)
    } else {
      throw .badContents(file.path, "\(rest.count) bytes follow the compressed data, from byte \(offset)")
    }
  }
}
