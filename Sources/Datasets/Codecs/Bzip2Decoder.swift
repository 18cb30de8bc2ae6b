import CBzip2

/// Unpacks members of bzip2 files.
final class Bzip2Decoder: CompressedStream.Decoder {
  // The library keeps the address of this struct, which therefore must not move.
  private let stream = UnsafeMutablePointer<bz_stream>.allocate(capacity: 1)

  init() { start() }

  deinit {
    BZ2_bzDecompressEnd(stream)
    stream.deallocate()
  }

  func reset() {
    BZ2_bzDecompressEnd(stream)
    start()
  }

  private func start() {
    stream.initialize(to: bz_stream())
    // Verbosity 0, and not the slower mode that saves memory. The call fails only where memory is short.
    let code = BZ2_bzDecompressInit(stream, 0, 0)
    precondition(code == BZ_OK, "libbz2 cannot start: code \(code)")
  }

  func decode(
    _ source: UnsafeMutableRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> CompressedStream.Progress {
    stream.pointee.next_in = source.baseAddress!.assumingMemoryBound(to: CChar.self)
    stream.pointee.avail_in = UInt32(source.count)
    stream.pointee.next_out = target.baseAddress!.assumingMemoryBound(to: CChar.self)
    stream.pointee.avail_out = UInt32(target.count)
    let outcome: CompressedStream.Outcome =
      switch BZ2_bzDecompress(stream) {
      case BZ_OK: .goesOn
      case BZ_STREAM_END: .endsMember
      case BZ_DATA_ERROR: .isDamaged("a block or its checksum")
      case BZ_MEM_ERROR: .isDamaged("or no memory for a block")
      case let code: .isDamaged("libbz2 code \(code)")
      }
    return .init(
      consumed: source.count - Int(stream.pointee.avail_in), produced: target.count - Int(stream.pointee.avail_out),
      outcome: outcome)
  }
}
