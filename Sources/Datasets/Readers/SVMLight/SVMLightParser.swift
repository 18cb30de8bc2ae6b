import LinearAlgebra

/// Reads one part of a file in the LIBSVM format.
///
/// The text ends with a newline, at which every loop over bytes stops, so that no loop tests for the end of the text.
struct SVMLightParser<Scalar: BLASScalar & DecimalScalar> {
  var room: SVMLightRows<Scalar>.Room
  let storage: SparseStorage<Scalar>
  let codes: UnsafeMutablePointer<Int32>
  /// The number subtracted from an index to get the column; a smaller index gives column -1.
  let base: Int
  let smallestIndex: Int
  /// The number of columns; nil where it is not known.
  let columns: Int?
  /// Whether all lines begin with a label, or none.
  let hasLabels: Bool

  private typealias Bytes = UnsafePointer<UInt8>

  /// Writes rows, values and labels to the room of this part.
  mutating func parse(_ part: inout TextPart) throws(TextFault) {
    var cursor = part.text.baseAddress!
    let end = cursor + part.text.count
    let starts = storage.starts + part.firstLine + 1
    let codes = codes + part.firstLine
    var line = 0
    while cursor < end {
      Self.skipBlanks(&cursor)
      if !Self.isEnd(cursor.pointee) {
        codes[part.rowCount] = try label(&cursor, &part.labels, line)
        try values(&cursor, line)
        starts[part.rowCount] = room.valueCount
        part.rowCount += 1
      } else if !hasLabels && cursor.pointee == TextFile.newline {
        throw TextFault(
          line: line,
          message:
            "is empty, and where lines have no labels it could be an example of zeros; write 1:0 for one, else remove it"
        )
      }
      while cursor.pointee != TextFile.newline { cursor += 1 }
      cursor += 1
      line += 1
    }
  }

  /// Whether the first line with data begins with a label, as all others then must; nil without such a line.
  static func beginsWithLabel(_ text: UnsafeBufferPointer<UInt8>) -> Bool? {
    var cursor = text.baseAddress!
    let end = cursor + text.count
    while cursor < end {
      skipBlanks(&cursor)
      if !isEnd(cursor.pointee) {
        let start = cursor
        skipToken(&cursor)
        return !start.upTo(cursor).contains(UInt8(ascii: ":"))
      }
      while cursor.pointee != TextFile.newline { cursor += 1 }
      cursor += 1
    }
    return nil
  }

  /// The label of a line, if lines have labels; also consumes the group that may follow.
  private func label(_ cursor: inout Bytes, _ labels: inout LabelTable, _ line: Int) throws(TextFault) -> Int32 {
    let start = cursor
    Self.skipToken(&cursor)
    let text = start.upTo(cursor)
    let hasColon = text.contains(UInt8(ascii: ":"))
    if hasColon == hasLabels {
      let reason = hasLabels ? "and not with a label, as the lines before" : "and the lines before have no labels"
      throw TextFault(
        line: line, message: "starts with \(TextFault.quoted(text)), \(reason); give all lines a label, or none")
    }
    if hasColon {
      // The values begin here, or after a group.
      if !text.starts(with: "qid:".utf8) { cursor = start }
      return 0
    }
    if text.contains(UInt8(ascii: ",")) {
      throw TextFault(
        line: line,
        message: "has several labels, \(TextFault.quoted(text)); give each example one, multi-label data are not read")
    }
    var group = cursor
    Self.skipBlanks(&group)
    if group.pointee == UInt8(ascii: "q") {
      let start = group
      Self.skipToken(&group)
      if start.upTo(group).starts(with: "qid:".utf8) { cursor = group }
    }
    return labels.code(for: text, line: line)
  }

  /// Writes the values of a line.
  @inline(__always)
  private mutating func values(_ cursor: inout Bytes, _ line: Int) throws(TextFault) {
    let indices = storage.indices + room.firstValue
    let values = storage.values + room.firstValue
    var count = room.valueCount
    var previous = smallestIndex - 1
    let largest = columns.map { $0 - 1 + base } ?? SparseFeatures.largestColumnCount - 1 + smallestIndex
    while true {
      Self.skipBlanks(&cursor)
      let start = cursor
      var index = 0
      while true {
        let digit = cursor.pointee &- UInt8(ascii: "0")
        if digit > 9 { break }
        index = 10 &* index &+ Int(digit)
        cursor += 1
      }
      // 18 digits fit into 64 bits.
      let hasIndex = cursor > start && cursor - start <= 18 && cursor.pointee == UInt8(ascii: ":")
      if !hasIndex && Self.isEnd(start.pointee) { break }
      guard hasIndex && index > previous && index <= largest else {
        throw fault(start, line, previous: previous, largest: largest)
      }
      cursor += 1
      guard let value = DecimalNumber.parse(&cursor, as: Scalar.self), value.isFinite, Self.isDelimiter(cursor.pointee)
      else { throw fault(start, line, previous: previous, largest: largest) }
      if previous < smallestIndex { room.smallestIndex = min(room.smallestIndex, index) }
      previous = index
      indices[count] = Int32(truncatingIfNeeded: index - base)
      values[count] = value
      count += value == 0 ? 0 : 1
    }
    if previous > room.largestIndex { (room.largestIndex, room.largestLine) = (previous, line) }
    room.valueCount = count
  }

  /// The fault of the pair at `start`.
  @inline(never)
  private func fault(_ start: Bytes, _ line: Int, previous: Int, largest: Int) -> TextFault {
    var end = start
    Self.skipToken(&end)
    let pair = start.upTo(end)
    let text = TextFault.quoted(pair)
    func fault(_ message: String) -> TextFault { TextFault(line: line, message: message) }
    guard let colon = pair.firstIndex(of: UInt8(ascii: ":")) else {
      return fault("\(text) is no index:value pair; write one, or # before a comment")
    }
    guard colon > 0, pair[..<colon].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return fault("the index of \(text) is no whole number")
    }
    guard colon <= 18 else { return fault("the index of \(text) has more than 18 digits") }
    let index = pair[..<colon].reduce(0) { 10 * $0 + Int($1 - UInt8(ascii: "0")) }
    guard index >= smallestIndex else {
      return fault(
        "the index of \(text) is 0, and those of the training set, or of all files, count from 1; "
          + "if these count from 0, set data.index_base (--index-base) to zero")
    }
    guard index > previous else {
      return fault("the index of \(text) does not increase, it follows \(previous); sort the pairs of each line")
    }
    guard index <= largest else {
      guard let columns else { return fault("the index of \(text) is too large; the largest is \(largest)") }
      // The last column of a file that counts from 1 has this index.
      let isShifted = base == 0 && smallestIndex == 0 && index == columns
      return fault(
        "the index of \(text) is beyond the \(columns) columns of the training set"
          + (isShifted ? ", which count from 0; if these count from 1, set data.index_base (--index-base) to one" : ""))
    }
    var cursor = start + colon + 1
    let number = DecimalNumber.parse(&cursor, as: Double.self)
    guard let number, cursor == end else { return fault("the value of \(text) is no finite number; replace it") }
    return fault(
      "the value of \(text) is too large for \(SparseStorage<Scalar>.element.rawValue)"
        + (number.isFinite ? "; read the file as float64" : ""))
  }

  @inline(__always)
  private static func skipBlanks(_ cursor: inout Bytes) {
    while isBlank(cursor.pointee) { cursor += 1 }
  }

  @inline(__always)
  private static func skipToken(_ cursor: inout Bytes) {
    while !isDelimiter(cursor.pointee) { cursor += 1 }
  }

  /// A carriage return is a blank, before a newline or elsewhere.
  @inline(__always)
  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
  }

  /// Whether the data of a line ends at `byte`.
  @inline(__always)
  private static func isEnd(_ byte: UInt8) -> Bool { byte == TextFile.newline || byte == UInt8(ascii: "#") }

  @inline(__always)
  private static func isDelimiter(_ byte: UInt8) -> Bool { isBlank(byte) || isEnd(byte) }
}
