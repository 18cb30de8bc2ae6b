import CZlib

/// Inflates members of gzip files.
final class GzipDecoder: CompressedStream.Decoder {
  // zlib keeps the address of this struct, which therefore must not move.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

  init() {
    stream.initialize(to: z_stream())
    // A window of 15 bits; adding 16 asks for a gzip header. Fails only without memory or with a wrong zlib.
    let code = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(code == Z_OK, "zlib cannot start: code \(code)")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  func reset() { inflateReset(stream) }

  func decode(
    _ source: UnsafeMutableRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> CompressedStream.Progress {
    stream.pointee.next_in = source.baseAddress!.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(source.count)
    stream.pointee.next_out = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(target.count)
    let outcome: CompressedStream.Outcome =
      switch inflate(stream, Z_NO_FLUSH) {
      case Z_OK, Z_BUF_ERROR: .goesOn
      case Z_STREAM_END: .endsMember
      case let code: .isDamaged(stream.pointee.msg.map { String(cString: $0) } ?? "zlib code \(code)")
      }
    return .init(
      consumed: source.count - Int(stream.pointee.avail_in), produced: target.count - Int(stream.pointee.avail_out),
      outcome: outcome)
  }
}
