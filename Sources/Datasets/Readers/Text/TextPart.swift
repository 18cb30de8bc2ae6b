import LinearAlgebra

/// A part of a file for one thread: whole lines, each with at most one row.
struct TextPart {
  /// The lines; the text ends with a newline.
  let text: UnsafeBufferPointer<UInt8>
  /// The file, for errors.
  let path: String
  /// The number of the file's lines before this part.
  private(set) var fileLine = 0
  /// The number of lines in all parts before this one, which also locates the room for this part's rows, since a line
  /// has at most one.
  private(set) var firstLine = 0
  private(set) var lineCount = 0
  /// The number of occurrences of the counted byte.
  private(set) var markCount = 0
  /// The number of rows read.
  var rowCount = 0
  /// The index of the line that names the columns, if this part has it.
  var headerLine: Int?
  var labels = LabelTable()
  var fault: TextFault?

  /// Parts from consecutive pieces of a file's text, with their lines and the bytes `mark` counted; `line` is the
  /// number of the file's lines before them.
  static func parts(
    of chunks: [UnsafeBufferPointer<UInt8>], _ path: String, line: Int = 0, counting mark: UInt8? = nil
  ) -> [TextPart] {
    counted(chunks.map { TextPart(text: $0, path: path, fileLine: line) }, mark)
  }

  /// The parts of files, one file after another.
  static func parts(of files: [TextFile], size: Int, counting mark: UInt8? = nil) -> [TextPart] {
    counted(files.flatMap { file in file.chunks(size: size).map { TextPart(text: $0, path: file.path) } }, mark)
  }

  private init(text: UnsafeBufferPointer<UInt8>, path: String, fileLine: Int = 0) {
    (self.text, self.path, self.fileLine) = (text, path, fileLine)
  }

  private static func counted(_ parts: [TextPart], _ mark: UInt8?) -> [TextPart] {
    var parts = parts
    parts.withUnsafeMutableBufferPointer { parts in
      Threads.share(parts.count) { part, _ in
        parts[part].lineCount = parts[part].text.count(of: TextFile.newline)
        if let mark { parts[part].markCount = parts[part].text.count(of: mark) }
      }
    }
    for part in 1..<max(1, parts.count) {
      let before = parts[part - 1]
      parts[part].firstLine = before.firstLine + before.lineCount
      if parts[part].path == before.path { parts[part].fileLine = before.fileLine + before.lineCount }
    }
    return parts
  }
}

extension MutableCollection<TextPart> {
  /// Marks the line of names in the parts of a file; `line` counts from the start of the file.
  mutating func markHeader(_ line: Int?) {
    guard let line else { return }
    for part in indices where (0..<self[part].lineCount).contains(line - self[part].fileLine) {
      self[part].headerLine = line - self[part].fileLine
    }
  }
}

extension [TextPart] {
  var lineCount: Int { last.map { $0.firstLine + $0.lineCount } ?? 0 }
  var rowCount: Int { reduce(0) { $0 + $1.rowCount } }

  /// Throws exit code 65 for a file without a row.
  func checkRows() throws(DataError) {
    for file in files {
      guard self[file].contains(where: { $0.rowCount > 0 }) else {
        let header = self[file].compactMap { part in part.headerLine.map { part.fileLine + $0 } }.first
        throw Self.noRows(self[file.lowerBound].path, header: header)
      }
    }
  }

  /// The error for a file without a row; `header` is its line of names, counted from 0, if it has one.
  static func noRows(_ path: String, header: Int? = nil) -> DataError {
    let reason = header.map {
      "holds no examples: line \($0 + 1) is taken for the names of columns; if it is an example, say so with data.header: no "
        + "or --header no"
    }
    return .badContents(path, reason ?? "holds no examples; name the file that does")
  }

  /// The range of parts of each file.
  var files: [Range<Int>] {
    var files: [Range<Int>] = []
    for part in indices {
      if part > 0, self[part].path == self[part - 1].path {
        files[files.count - 1] = files.last!.lowerBound..<part + 1
      } else {
        files.append(part..<part + 1)
      }
    }
    return files
  }

  /// Calls `body` for each part, on all threads. Throws exit code 65 with the fault of the first part that has one.
  mutating func read(
    _ body: (_ part: inout TextPart, _ index: Int) throws(TextFault) -> Void
  ) throws(DataError) {
    withUnsafeMutableBufferPointer { parts in
      Threads.share(parts.count) { index, _ in
        do throws(TextFault) {
          try body(&parts[index], index)
        } catch {
          parts[index].fault = error
        }
      }
    }
    for part in self {
      if let fault = part.fault {
        throw .badContents(part.path, "line \(part.fileLine + fault.line + 1): \(fault.message)")
      }
    }
  }

  /// The labels of the rows of all parts as codes of `table`, which gains new texts. `codes` holds the labels of each
  /// part from the place of its first line on, numbered by the part's own table.
  func labels(in table: inout LabelTable, codes: UnsafePointer<Int32>) -> [Int32] {
    var all: [Int32] = []
    all.reserveCapacity(rowCount)
    for part in self {
      let numbers = table.merge(part.labels, part.path, firstLine: part.fileLine)
      for row in 0..<part.rowCount { all.append(numbers[Int(codes[part.firstLine + row])]) }
    }
    return all
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// The number of bytes equal to `byte`.
  func count(of byte: UInt8) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let low = 0x7f &* ones
    let pattern = ones &* UInt64(byte)
    var total = 0
    var index = 0
    while index + 8 <= count {
      // Eight bytes at a time are counted in eight lanes, until a lane could overflow.
      var lanes: UInt64 = 0
      let end = Swift.min(index + 8 * 255, count - 7)
      while index < end {
        let word = UnsafeRawPointer(baseAddress! + index).loadUnaligned(as: UInt64.self)
        // A byte of `differences` is 0 where `byte` occurs, and exactly these bytes have no bit set in the sum.
        let differences = word ^ pattern
        lanes &+= (~(((differences & low) &+ low) | differences) >> 7) & ones
        index += 8
      }
      for lane in 0..<8 { total += Int(lanes >> UInt64(8 * lane) & 0xff) }
    }
    while index < count {
      total += self[index] == byte ? 1 : 0
      index += 1
    }
    return total
  }
}
