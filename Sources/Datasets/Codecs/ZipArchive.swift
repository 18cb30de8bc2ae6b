/// The directory of a zip archive, including archives beyond 4 GB (zip64).
///
/// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
struct ZipArchive {
  struct Entry {
    let name: String
    let method: Method?
    let checksum: UInt32
    /// The range of the compressed contents in the file.
    let range: Range<Int>
    /// Bytes of the unpacked contents.
    let count: Int
  }

  enum Method: Equatable {
    case stored, deflated
  }

  let entries: [Entry]

  static func isZip(_ start: UnsafeRawBufferPointer) -> Bool {
    start.starts(with: "PK\u{3}\u{4}".utf8) || start.starts(with: "PK\u{5}\u{6}".utf8)
  }

  /// The size in bytes above which a directory counts as damaged: no archive of arrays needs as much.
  private static let largestDirectory = 1 << 26

  /// Throws exit code 65 for a damaged archive, 74 for one that the system fails to read.
  init(_ file: DataFile) throws(DataError) {
    let directory = try Self.directory(file)
    let bytes = try Fields(file, directory.range)
    var entries: [Entry] = []
    var offset = 0
    for _ in 0..<directory.count {
      guard bytes.signature(offset) == 0x0201_4b50, let nameCount = bytes.number(offset + 28, 2),
        let extraCount = bytes.number(offset + 30, 2), let commentCount = bytes.number(offset + 32, 2),
        let name = bytes.text(offset + 46, nameCount), let flags = bytes.number(offset + 8, 2),
        let method = bytes.number(offset + 10, 2), let checksum = bytes.number(offset + 16, 4),
        var packed = bytes.number(offset + 20, 4), var count = bytes.number(offset + 24, 4),
        var place = bytes.number(offset + 42, 4), offset + 46 + nameCount + extraCount + commentCount <= bytes.count
      else { throw Self.damaged(file.path) }
      // Numbers that do not fit are in an extra field, in this order.
      var wide = try Self.wideNumbers(bytes, offset + 46 + nameCount, extraCount, file.path)[...]
      if count == 0xffff_ffff { count = wide.popFirst() ?? count }
      if packed == 0xffff_ffff { packed = wide.popFirst() ?? packed }
      if place == 0xffff_ffff { place = wide.popFirst() ?? place }
      let start = try Self.contentsStart(of: place, in: file)
      guard start <= directory.range.lowerBound, packed <= directory.range.lowerBound - start,
        method != 0 || packed == count
      else { throw Self.damaged(file.path) }
      let isEncrypted = flags & 1 != 0
      entries.append(
        Entry(
          name: name, method: isEncrypted ? nil : method == 0 ? .stored : method == 8 ? .deflated : nil,
          checksum: UInt32(checksum), range: start..<start + packed, count: count))
      offset += 46 + nameCount + extraCount + commentCount
    }
    self.entries = entries
  }

  /// The range of the directory in the file, and its number of entries, from the record at the end of the file.
  private static func directory(_ file: DataFile) throws(DataError) -> (range: Range<Int>, count: Int) {
    let start = max(0, file.size - 65557)
    let tail = try Fields(file, start..<file.size)
    var place = tail.count - 22
    while place >= 0, tail.signature(place) != 0x0605_4b50 || tail.number(place + 20, 2) != tail.count - place - 22 {
      place -= 1
    }
    guard place >= 0, var count = tail.number(place + 10, 2), var size = tail.number(place + 12, 4),
      var offset = tail.number(place + 16, 4)
    else { throw damaged(file.path) }
    if count == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff {
      guard place >= 20, tail.signature(place - 20) == 0x0706_4b50, let record = tail.number(place - 12, 8),
        record <= file.size - 56
      else { throw damaged(file.path) }
      let wide = try Fields(file, record..<record + 56)
      guard wide.signature(0) == 0x0606_4b50, let wideCount = wide.number(32, 8), let wideSize = wide.number(40, 8),
        let wideOffset = wide.number(48, 8)
      else { throw damaged(file.path) }
      (count, size, offset) = (wideCount, wideSize, wideOffset)
    }
    guard size <= largestDirectory, offset <= start + place, size <= start + place - offset, count <= size / 46 else {
      throw damaged(file.path)
    }
    return (offset..<offset + size, count)
  }

  /// The 64-bit numbers among an entry's extra fields.
  private static func wideNumbers(
    _ bytes: Fields, _ start: Int, _ count: Int, _ path: String
  ) throws(DataError) -> [Int] {
    var place = start
    while place + 4 <= start + count {
      guard let kind = bytes.number(place, 2), let size = bytes.number(place + 2, 2), place + 4 + size <= start + count
      else { throw damaged(path) }
      if kind == 1 {
        var numbers: [Int] = []
        for index in 0..<min(size / 8, 3) {
          guard let number = bytes.number(place + 4 + 8 * index, 8) else { throw damaged(path) }
          numbers.append(number)
        }
        return numbers
      }
      place += 4 + size
    }
    return []
  }

  /// The offset of the contents of the entry whose local header is at `place`.
  private static func contentsStart(of place: Int, in file: DataFile) throws(DataError) -> Int {
    guard place <= file.size - 30 else { throw damaged(file.path) }
    let header = try Fields(file, place..<place + 30)
    guard header.signature(0) == 0x0403_4b50, let name = header.number(26, 2), let extra = header.number(28, 2) else {
      throw damaged(file.path)
    }
    return place + 30 + name + extra
  }

  static func damaged(_ path: String) -> DataError {
    .badContents(path, "is a damaged zip archive; copy the file again")
  }
}

/// Bytes of a file that are read field by field, with bounds checked.
private struct Fields {
  private let bytes: [UInt8]

  var count: Int { bytes.count }

  init(_ file: DataFile, _ range: Range<Int>) throws(DataError) {
    let room = try StoredArray.allocate(range.count, file.path)
    try file.read(into: room.bytes, at: range.lowerBound)
    bytes = Array(room.bytes)
    extendLifetime(room)
  }

  /// The little-endian number of `size` bytes; nil beyond the end, and where 64 bits exceed an `Int`.
  func number(_ place: Int, _ size: Int) -> Int? {
    guard place >= 0, place + size <= bytes.count else { return nil }
    let number = bytes[place..<place + size].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    return Int(exactly: number)
  }

  func signature(_ place: Int) -> Int? { number(place, 4) }

  func text(_ place: Int, _ count: Int) -> String? {
    place + count <= bytes.count ? String(decoding: bytes[place..<place + count], as: UTF8.self) : nil
  }
}
