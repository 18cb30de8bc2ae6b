import CZlib
import Datasets
import Glibc

/// Reads and writes safetensors files: the length of the header (8 bytes, little-endian), the header (JSON, padded with
/// blanks to a multiple of 8 bytes) and the tensors' data without gaps. Source:
/// https://github.com/huggingface/safetensors#format
///
/// The format has no checksum, so the writer adds one to the header's strings, as their first entry:
///
///     {"__metadata__":{"checksum":"89abcdef","checksum_scheme":"crc32-file-1", …
///
/// `checksum` is the CRC-32 (zlib's) of the whole file, from its first byte to its last, computed with eight zeros `0`
/// in the place of these eight lowercase digits. It stands at a fixed place, so that it can be verified before any
/// parsing. A CRC-32 finds every change of up to 32 adjacent bits. A file that has one of the two fields must have both
/// and match, which covers a flipped bit in the fields' own names. Files of other programs have neither, and load
/// unless the caller requires the checksum.
package enum Safetensors {
  static let metadataKey = SafetensorsLayout.metadataKey
  private static let checksumKey = "checksum"
  private static let schemeKey = "checksum_scheme"
  private static let scheme = "crc32-file-1"
  private static let beforeChecksum = Array("{\"\(metadataKey)\":{\"\(checksumKey)\":\"".utf8)
  static let checksumRange = beforeChecksum.count..<beforeChecksum.count + 8
  private static let largestHeader = SafetensorsLayout.largestHeader

  // MARK: Writing

  /// Writes `file` to `path` atomically. Equal contents give equal bytes, whatever the order of metadata in memory.
  /// Tensors are written in their order; for alignment, wider types should precede narrower ones.
  package static func save(_ file: TensorFile, to path: String) throws(StorageError) {
    var header = headerBytes(
      file.metadata, file.tensors.map { ($0.name, $0.tensor.dtype, $0.tensor.shape) })
    let length = lengthBytes(of: header)
    var checksum = CRC32()
    checksum.update(length.span.bytes)
    checksum.update(header.span.bytes)
    for entry in file.tensors { checksum.update(entry.tensor.bytes.span.bytes) }
    header.replaceSubrange(checksumRange, with: checksum.digits)

    var output = try AtomicFile(path)
    try output.write(length)
    try output.write(header)
    for entry in file.tensors { try output.write(entry.tensor.bytes) }
    try output.commit()
  }

  /// What precedes a header: its length.
  static func lengthBytes(of header: [UInt8]) -> [UInt8] { littleEndian(UInt64(header.count)) }

  /// The header of a file with these tensors, padded, with zeros for the checksum.
  static func headerBytes(
    _ metadata: [String: String], _ tensors: [(name: String, dtype: Tensor.DataType, shape: [Int])]
  ) -> [UInt8] {
    precondition(
      metadata[checksumKey] == nil && metadata[schemeKey] == nil, "the checksum's fields are the writer's")
    var text = String(decoding: beforeChecksum, as: UTF8.self) + "00000000\",\(quoted(schemeKey)):\(quoted(scheme))"
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      text += ",\(quoted(key)):\(quoted(value))"
    }
    text += "}"
    var end = 0
    for (name, dtype, shape) in tensors {
      let begin = end
      end += shape.reduce(dtype.width, *)
      let extents = shape.map(String.init).joined(separator: ",")
      text += ",\(quoted(name)):{\"dtype\":\"\(dtype.rawValue)\",\"shape\":[\(extents)],"
      text += "\"data_offsets\":[\(begin),\(end)]}"
    }
    text += "}"
    let bytes = Array(text.utf8)
    precondition(bytes.count <= largestHeader, "names and metadata exceed what the format allows")
    return bytes + [UInt8](repeating: UInt8(ascii: " "), count: (8 - bytes.count % 8) % 8)
  }

  /// `text` as a JSON string.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  // MARK: Reading

  /// The checksum that the file at `path` states, unverified; nil where it cannot be read or states none.
  package static func statedChecksum(path: String) -> String? {
    (try? header(path: path))?.checksum.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Reads and checks the whole file at `path`; with `requireChecksum`, a file without a checksum is refused as well.
  /// Throws exit code 65 for contents that are not exactly right, 66 for a missing file, 74 where reading fails.
  package static func load(path: String, requireChecksum: Bool = false) throws(StorageError) -> TensorFile {
    try load(path: path, requireChecksum: requireChecksum, keeping: { _, _ in nil })
  }

  /// Reads and checks the whole file, but keeps of each tensor only the part that `part` gives for its name and shape; nil:
  /// all of it.
  static func load(
    path: String, requireChecksum: Bool, keeping part: (_ name: String, _ shape: [Int]) -> TensorPart?
  ) throws(StorageError) -> TensorFile {
    try load(InputFile(path), requireChecksum: requireChecksum, keeping: part).file
  }

  /// The same of an open file, with the places of its tensors.
  static func load(
    _ input: borrowing InputFile, requireChecksum: Bool, keeping part: (_ name: String, _ shape: [Int]) -> TensorPart?
  ) throws(StorageError) -> (file: TensorFile, entries: [SafetensorsHeader.Entry]) {
    var (file, entries, computed) = try begin(input, requireChecksum: requireChecksum)
    for entry in entries {
      guard let part = part(entry.name, entry.shape) else {
        let bytes = try input.read(entry.range.count)
        if file.checksum != nil { computed.update(bytes.span.bytes) }
        file.add(entry.name, Tensor(dtype: entry.dtype, shape: entry.shape, bytes: bytes))
        continue
      }
      let width = entry.dtype.width
      let kept = try read(part.ranges.map { $0.lowerBound * width..<$0.upperBound * width }, input, entry.range.count) {
        if file.checksum != nil { computed.update($0.span.bytes) }
      }
      file.add(entry.name, Tensor(dtype: entry.dtype, shape: part.shape, bytes: kept), partOf: entry.shape)
    }
    guard file.checksum == nil || file.checksum == computed.digits else {
      throw damaged(input.path, section: "checksum", "the contents do not match it")
    }
    return (file, entries)
  }

  /// Reads the header alone: the strings, and tensors without any of their numbers. Throws as `load`, but finds no damage of the
  /// data.
  static func header(path: String, requireChecksum: Bool = false) throws(StorageError) -> TensorFile {
    var (file, entries, _) = try begin(InputFile(path), requireChecksum: requireChecksum)
    let nothing = TensorPart.nothing.shape
    for entry in entries {
      file.add(entry.name, Tensor(dtype: entry.dtype, shape: nothing, bytes: []), partOf: entry.shape)
    }
    return file
  }

  /// Reads the header: a file without tensors, the tensors that follow, and the checksum of what has been read.
  private static func begin(
    _ input: borrowing InputFile, requireChecksum: Bool
  ) throws(StorageError) -> (TensorFile, [SafetensorsHeader.Entry], CRC32) {
    let path = input.path
    guard input.size >= 8 else { throw damaged(path, section: "header", "the file has only \(input.size) bytes") }
    let lengthBytes = try input.read(8)
    let length = lengthBytes.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard length <= largestHeader, length <= input.size - 8 else {
      if let kind = foreignKind(lengthBytes) {
        throw StorageError(
          .contents, path: path, section: "format", problem: "is \(kind), not safetensors",
          remedy: "name a model or checkpoint (.safetensors)")
      }
      throw damaged(path, section: "header", "its length of \(length) bytes exceeds the file or the format's limit")
    }
    var headerBytes = try input.read(Int(length))
    let header = try SafetensorsHeader(headerBytes, dataCount: input.size - 8 - Int(length), path: path)
    var file = TensorFile()
    file.path = path
    file.metadata = header.metadata.filter { $0.key != checksumKey && $0.key != schemeKey }
    file.checksum = try checksum(of: header, headerBytes, required: requireChecksum, path)
    var computed = CRC32()
    if file.checksum != nil {
      headerBytes.replaceSubrange(checksumRange, with: repeatElement(UInt8(ascii: "0"), count: 8))
      computed.update(lengthBytes.span.bytes)
      computed.update(headerBytes.span.bytes)
    }
    return (file, header.entries, computed)
  }

  /// The bytes of some ranges of the next `count` bytes, all of which pass through `visit` in blocks.
  private static func read(
    _ ranges: [Range<Int>], _ input: borrowing InputFile, _ count: Int, visit: ([UInt8]) -> Void
  ) throws(StorageError) -> [UInt8] {
    var kept: [UInt8] = []
    kept.reserveCapacity(ranges.reduce(0) { $0 + $1.count })
    var next = 0
    for start in stride(from: 0, to: count, by: block) {
      let bytes = try input.read(min(block, count - start))
      visit(bytes)
      let end = start + bytes.count
      while next < ranges.count, ranges[next].lowerBound < end {
        let part = ranges[next].clamped(to: start..<end)
        kept += bytes[part.lowerBound - start..<part.upperBound - start]
        // A range may go on in the next block.
        if ranges[next].upperBound > end { break }
        next += 1
      }
    }
    return kept
  }

  /// The digits of the checksum in the header; nil where it has none and needs none.
  private static func checksum(
    of header: SafetensorsHeader, _ bytes: [UInt8], required: Bool, _ path: String
  ) throws(StorageError) -> [UInt8]? {
    let stated = header.metadata[checksumKey]
    if stated == nil && header.metadata[schemeKey] == nil {
      guard !required else {
        throw StorageError(
          .contents, path: path, section: "checksum", problem: "is missing, so this is no checkpoint of fgn-dist",
          remedy: "name a checkpoint; weights of other programs go to model.initialization")
      }
      return nil
    }
    // The digits are located by their fixed place, so they must be where the parser found them.
    guard let stated, header.metadata[schemeKey] == scheme, bytes.starts(with: beforeChecksum),
      stated.utf8.count == 8, stated.utf8.elementsEqual(bytes[checksumRange])
    else {
      throw StorageError(
        .contents, path: path, section: "checksum", problem: "is not as fgn-dist writes it",
        remedy: "use an undamaged copy; a program that rewrites the file must drop \(checksumKey) and \(schemeKey)")
    }
    return Array(stated.utf8)
  }

  /// The kind of a file of another format, by its first bytes.
  private static func foreignKind(_ start: [UInt8]) -> String? {
    if start.starts(with: [0x93] + Array("NUMPY".utf8)) { return "an array in NPY format" }
    if start.starts(with: Array("PK\u{3}\u{4}".utf8)) {
      return "a ZIP archive, such as numpy.savez and torch.save write"
    }
    if start.starts(with: [0x89] + Array("HDF".utf8)) { return "in HDF5 format" }
    if start.starts(with: [0x80]), start.count > 1, (2...5).contains(start[1]) { return "a pickle" }
    if start.starts(with: [0x1f, 0x8b]) { return "compressed by gzip" }
    let isText = start.allSatisfy { (0x20..<0x7f).contains($0) || (0x09...0x0d).contains($0) }
    return isText ? "text" : nil
  }

  static func damaged(_ path: String, section: String, _ problem: String) -> StorageError {
    StorageError(
      .contents, path: path, section: section, problem: problem,
      remedy: "the file is damaged or not safetensors, use an undamaged copy")
  }
}

/// zlib's CRC-32 of bytes that arrive in pieces.
struct CRC32 {
  private(set) var value: UInt32 = 0

  init() {}

  init(of bytes: UnsafeRawBufferPointer) { update(bytes) }

  mutating func update(_ bytes: RawSpan) { bytes.withUnsafeBytes { update($0) } }

  private mutating func update(_ bytes: UnsafeRawBufferPointer) {
    value = UInt32(crc32_z(UInt(value), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
  }

  /// Goes on with `count` bytes that have the checksum `other` by themselves.
  mutating func append(_ other: UInt32, of count: Int) {
    value = UInt32(crc32_combine(UInt(value), UInt(other), count))
  }

  /// The checksum as eight lowercase hexadecimal digits.
  var digits: [UInt8] {
    let text = String(value, radix: 16)
    return Array((String(repeating: "0", count: 8 - text.count) + text).utf8)
  }
}
