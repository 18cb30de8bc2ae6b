/// The distinct label texts of some rows, numbered in the order of their first appearance. This is a hash table over
/// bytes, since a `String` for each row would take longer than reading it.
struct LabelTable {
  private var bytes: [UInt8] = []
  /// The end of each code's text in `bytes`.
  private var ends: [Int] = []
  /// The line of its file on which each text first appears.
  private var lines: [Int] = []
  /// The files in which texts first appear, each with the code of its first new text.
  private var origins: [(code: Int, path: String)] = []
  /// An open hash table of codes, -1 where free; its size is a power of two, and at most half of it is taken.
  private var slots = [Int32](repeating: -1, count: 64)

  var count: Int { ends.count }

  /// The code of a text, new or seen before.
  mutating func code(for text: UnsafeBufferPointer<UInt8>, line: Int) -> Int32 {
    var slot = Self.hash(text) & (slots.count - 1)
    while slots[slot] >= 0 {
      if matches(slots[slot], text) { return slots[slot] }
      slot = (slot + 1) & (slots.count - 1)
    }
    let code = Int32(count)
    slots[slot] = code
    bytes.append(contentsOf: text)
    ends.append(bytes.count)
    lines.append(line)
    if 2 * count > slots.count { grow() }
    return code
  }

  /// Adds the texts of `other` and returns their codes here. Lines of `other` are counted from line `firstLine` of the
  /// file.
  mutating func merge(_ other: LabelTable, _ path: String, firstLine: Int) -> [Int32] {
    if origins.last?.path != path { origins.append((count, path)) }
    return other.bytes.withUnsafeBufferPointer { bytes in
      (0..<other.count).map { code in
        self.code(for: UnsafeBufferPointer(rebasing: bytes[other.range(code)]), line: firstLine + other.lines[code])
      }
    }
  }

  /// Throws exit code 65 for a text that is not UTF-8 or stands for a missing label. Lines count from 0, and are rows
  /// for arrays.
  func column(codes: [Int32], ofArrays isArray: Bool = false) throws(DataError) -> LabelColumn {
    var texts: [String] = []
    var places: [LabelColumn.Place] = []
    texts.reserveCapacity(count)
    places.reserveCapacity(count)
    var origin = 0
    for code in 0..<count {
      while origin + 1 < origins.count && origins[origin + 1].code <= code { origin += 1 }
      places.append(.init(path: origins[origin].path, line: lines[code] + 1, isArray: isArray))
      guard let text = String(validating: bytes[range(code)], as: UTF8.self) else {
        throw .badContents(
          places[code].path, "\(places[code].text): the label is no UTF-8 text; convert the file with iconv")
      }
      texts.append(text)
    }
    if let missing = MissingLabel.first(in: texts) {
      throw .badContents(
        places[missing].path,
        "\(places[missing].text): the label '\(texts[missing])' stands for a missing one; fill it in, or remove "
          + "such \(isArray ? "rows" : "lines")")
    }
    return LabelColumn(texts: texts, places: places, codes: codes)
  }

  private func range(_ code: Int) -> Range<Int> { (code == 0 ? 0 : ends[code - 1])..<ends[code] }

  private func matches(_ code: Int32, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let range = range(Int(code))
    guard range.count == text.count else { return false }
    for index in 0..<text.count where bytes[range.lowerBound + index] != text[index] { return false }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: 4 * slots.count)
    bytes.withUnsafeBufferPointer { bytes in
      for code in 0..<count {
        var slot = Self.hash(UnsafeBufferPointer(rebasing: bytes[range(code)])) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Int32(code)
      }
    }
  }

  /// FNV-1a, with the high bits folded into the low bits, which are the ones in use.
  private static func hash(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ (hash >> 29))
  }
}
