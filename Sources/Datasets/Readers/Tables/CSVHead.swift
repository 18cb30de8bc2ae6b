/// The first lines of a table that are not blank, as far as it takes to tell what the first of them is.
struct CSVHead {
  struct Line {
    /// Counted from 0, in the file.
    let number: Int
    /// With the newline.
    let text: [UInt8]
  }

  let path: String
  private(set) var lines: [Line] = []
  private var lineCount = 0
  private var byteCount = 0

  /// Enough to see what columns hold; the second line counts however long it is.
  private static let largestLineCount = 1000
  private static let largestByteCount = 1 << 16

  private var isComplete: Bool {
    lines.count >= 2 && (lines.count >= Self.largestLineCount || byteCount >= Self.largestByteCount)
  }

  /// Of a file whose lines come in `texts`.
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

  /// Reads as much of a file. Throws exit code 66 for one that cannot be read, 65 for a damaged one or one without lines.
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
  /// A field as what it is taken for.
  struct Cell {
    let text: String
    let isQuoted: Bool
    /// Of a text that is a number.
    let number: Double?
    let isMissing: Bool

    init(_ field: CSVField) {
      text = field.string
      isQuoted = field.isQuoted
      number = field.number(as: Double.self)
      isMissing = number == nil && field.isMissingNumber
    }

    /// Whether it is neither a number nor what stands for a missing one.
    var isName: Bool { number == nil && !isMissing }
    var quoted: String { Array(text.utf8).withUnsafeBufferPointer { TextFault.quoted($0) } }
  }

  /// The fields of the first line. Throws exit code 65 for quotes that are wrong.
  func firstCells(_ separator: UInt8) throws(DataError) -> [Cell] {
    do {
      return try cells(lines[0], separator)
    } catch {
      throw fault(error.message)
    }
  }

  /// Those of the lines behind it, as far as they have as many.
  func rows(_ separator: UInt8, columns: Int) -> [[Cell]] {
    lines.dropFirst().compactMap { try? cells($0, separator) }.filter { $0.count == columns }
  }

  /// nil for quotes that are wrong.
  func fieldCount(_ line: Line, _ separator: UInt8) -> Int? { try? cells(line, separator).count }

  private func cells(_ line: Line, _ separator: UInt8) throws(CSVField.Malformed) -> [Cell] {
    try line.text.withUnsafeBufferPointer { text throws(CSVField.Malformed) in
      try CSVField.all(of: text.baseAddress!, separator: separator).map(Cell.init)
    }
  }

  /// What is wrong with the first line.
  func fault(_ message: String) -> DataError { .badContents(path, "line \(lines[0].number + 1): \(message)") }
}
