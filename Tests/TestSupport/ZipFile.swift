import CZlib

/// Archives in the form of NumPy, and in the form of larger ones.
package enum ZipFile {
  package struct Member {
    package let name: String
    package let contents: [UInt8]
    package let isDeflated: Bool
    /// Whether sizes and places are in 64-bit fields, as beyond 4 GB.
    package let isWide: Bool

    package init(name: String, contents: [UInt8], isDeflated: Bool = false, isWide: Bool = false) {
      self.name = name
      self.contents = contents
      self.isDeflated = isDeflated
      self.isWide = isWide
    }
  }

  package static func bytes(_ members: [Member]) -> [UInt8] {
    var (bytes, directory): ([UInt8], [UInt8]) = ([], [])
    for member in members {
      let packed = member.isDeflated ? deflated(member.contents) : member.contents
      let checksum = Int(crc32_z(0, member.contents, member.contents.count))
      let name = Array(member.name.utf8)
      let wide =
        little(1, 2) + little(24, 2) + [member.contents.count, packed.count, bytes.count].flatMap { little($0, 8) }
      let sizes = [packed.count, member.contents.count].flatMap { little(member.isWide ? 0xffff_ffff : $0, 4) }
      let common =
        little(member.isDeflated ? 8 : 0, 2) + little(0, 4) + little(checksum, 4) + sizes + little(name.count, 2)
      directory += little(0x0201_4b50, 4) + little(45, 2) + little(45, 2) + little(0, 2) + common
      directory += little(member.isWide ? wide.count : 0, 2) + little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4)
      directory += little(member.isWide ? 0xffff_ffff : bytes.count, 4) + name + (member.isWide ? wide : [])
      bytes += little(0x0403_4b50, 4) + little(45, 2) + little(0, 2) + common
      bytes += little(member.isWide ? 20 : 0, 2) + name
      if member.isWide {
        bytes += little(1, 2) + little(16, 2) + little(member.contents.count, 8) + little(packed.count, 8)
      }
      bytes += packed
    }
    let isWide = members.contains(where: \.isWide)
    let (start, count) = (bytes.count, members.count)
    bytes += directory
    if isWide {
      let place = bytes.count
      bytes += little(0x0606_4b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4) + little(0, 4)
      bytes += [count, count, directory.count, start].flatMap { little($0, 8) }
      bytes += little(0x0706_4b50, 4) + little(0, 4) + little(place, 8) + little(1, 4)
    }
    bytes +=
      little(0x0605_4b50, 4) + little(0, 4) + little(isWide ? 0xffff : count, 2) + little(isWide ? 0xffff : count, 2)
    return bytes + little(directory.count, 4) + little(isWide ? 0xffff_ffff : start, 4) + little(0, 2)
  }

  private static func deflated(_ contents: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    precondition(
      deflateInit2_(
        &stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
    defer { deflateEnd(&stream) }
    var (input, output) = (contents, [UInt8](repeating: 0, count: contents.count + 1024))
    let count = input.withUnsafeMutableBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output in
        (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
        (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(output.count))
        precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
        return Int(stream.total_out)
      }
    }
    return Array(output[..<count])
  }

  private static func little(_ number: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
}
