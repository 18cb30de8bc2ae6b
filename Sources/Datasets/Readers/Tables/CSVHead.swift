/// The first lines of a table that are not blank, as many as it takes to tell whether the first one has names.
struct CSVHead {
  struct Line {
    /// The line's number in the file, counted from 0.
    let number: Int
    /// The bytes of the line, including the newline.
    let text: [UInt8]
  }

  let path: String
  private(set) var lines: [Line] = []
  private var lineCount = 0
  private var byteCount = 0

  /// The limits that show enough of the columns; the second line is read whatever its length.
  private static let largestLineCount = 1000
  private static let largestByteCount = 1 << 16

  private var isComplete: Bool {
    lines.count >= 2 && (lines.count >= Self.largestLineCount || byteCount >= Self.largestByteCount)
  }

  /// Reads the lines of the texts that `next` returns.
  private init(_ path: String, _ next: () throws(DataError) -> UnsafeBufferPointer<UInt8>?) throws(DataError) {
    self.path = path
    while !isComplete, let text = try next() { append(text) }
    if lines.isEmpty { throw [TextPart].noRows(path) }
  }

  /// Throws exit code 65 for a file without lines.
  init(_ parts: ArraySlice<TextPart>) throws(DataError) {
    var rest = parts
    try self.init(parts.first!.path) { () throws(DataError) in rest.popFirst()?.text }
  }

  /// Reads the first lines of a file. Throws exit code 66 for a file that cannot be read, 65 for one that is damaged or
  /// has no lines.
  init(path: String) throws(DataError) {
    let stream = try TextStream(path, blockSize: Self.largestByteCount)
    try self.init(path) { () throws(DataError) in try stream.next() }
  }

  private mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
    var cursor = text.baseAddress!
    while cursor < text.baseAddress! + text.count, !isComplete {
      let start = cursor
      CSVField.skipSpaces(&cursor)
      let isBlank = CSVField.isEnd(cursor)
      while cursor.pointee != TextFile.newline { cursor += 1 }
      cursor += 1
      if !isBlank {
        lines.append(Line(number: lineCount, text: Array(start.upTo(cursor))))
        byteCount += cursor - start
      }
      lineCount += 1
    }
  }
}

extension CSVHead {
  /// A field, and the kinds of content that it may be.
  struct Cell {
    let text: String
    let isQuoted: Bool
    /// The value; nil for a text that is not a number.
    let number: Double?
    let isMissing: Bool

    init(_ field: CSVField) {
      text = field.string
      isQuoted = field.isQuoted
      number = field.number(as: Double.self)
      isMissing = number == nil && field.isMissingNumber
    }

    /// The number that the text is the plain decimal of, such as 7 but not 07; nil for other texts.
    var wholeNumber: Int? { Int(text).flatMap { "\($0)" == text ? $0 : nil } }
    /// The text, to be compared.
    var name: ScalarText { text.scalars }
    /// Whether the field is neither a number nor a mark for a missing one.
    var isName: Bool { number == nil && !isMissing }
    var quoted: String { Array(text.utf8).withUnsafeBufferPointer { TextFault.quoted($0) } }
  }

  /// The fields of the first line. Throws exit code 65 for malformed quotes.
  func firstCells(_ separator: UInt8) throws(DataError) -> [Cell] {
    do {
      return try cells(lines[0], separator)
    } catch {
      throw fault(error.message)
    }
  }

  /// The fields of the other lines, as far as lines have this many columns.
  func rows(_ separator: UInt8, columns: Int) -> [[Cell]] {
    lines.dropFirst().compactMap { try? cells($0, separator) }.filter { $0.count == columns }
  }

  /// The number of fields of a line; nil for malformed quotes.
  func fieldCount(_ line: Line, _ separator: UInt8) -> Int? { try? cells(line, separator).count }

  private func cells(_ line: Line, _ separator: UInt8) throws(CSVField.Malformed) -> [Cell] {
    try line.text.withUnsafeBufferPointer { text throws(CSVField.Malformed) in
      try CSVField.all(of: text.baseAddress!, separator: separator).map(Cell.init)
    }
  }

  /// An error for the first line.
  func fault(_ message: String) -> DataError { .badContents(path, "line \(lines[0].number + 1): \(message)") }
}
