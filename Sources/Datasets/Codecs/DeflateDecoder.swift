import CZlib

/// Inflates the one member of an archive and verifies the checksum that the archive stores elsewhere.
final class DeflateDecoder: CompressedStream.Decoder {
  // zlib keeps the address of this struct, which therefore must not move.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private let checksum: UInt32
  private var computed: UInt = 0

  /// - Parameter checksum: the CRC-32 of the unpacked contents.
  init(checksum: UInt32) {
    self.checksum = checksum
    stream.initialize(to: z_stream())
    // A window of 15 bits; the negative sign means that there is no header. Fails only without memory or with a wrong
    // zlib.
    let code = inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(code == Z_OK, "zlib cannot start: code \(code)")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  func reset() { preconditionFailure("a member is followed by none") }

  func decode(
    _ source: UnsafeMutableRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> CompressedStream.Progress {
    let output = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
    stream.pointee.next_in = source.baseAddress!.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(source.count)
    stream.pointee.next_out = output
    stream.pointee.avail_out = UInt32(target.count)
    let code = inflate(stream, Z_NO_FLUSH)
    let produced = target.count - Int(stream.pointee.avail_out)
    computed = crc32_z(computed, output, produced)
    let outcome: CompressedStream.Outcome =
      switch code {
      case Z_OK, Z_BUF_ERROR: .goesOn
      case Z_STREAM_END where computed == UInt(checksum): .endsMember
      case Z_STREAM_END: .isDamaged("incorrect data check")
      case let code: .isDamaged(stream.pointee.msg.map { String(cString: $0) } ?? "zlib code \(code)")
      }
    return .init(consumed: source.count - Int(stream.pointee.avail_in), produced: produced, outcome: outcome)
  }
}
