import LinearAlgebra

/// A part of a file that one thread reads: whole lines, each of which holds at most one row.
struct TextPart {
  /// Ends with a newline.
  let text: UnsafeBufferPointer<UInt8>
  /// The file, for errors.
  let path: String
  /// Lines of the file before this part.
  private(set) var fileLine = 0
  /// Lines of all parts before this one. Since no line has two rows, it is also where there is room for this part's rows.
  private(set) var firstLine = 0
  private(set) var lineCount = 0
  /// How often the byte is there that was to be counted.
  private(set) var markCount = 0
  /// Rows that were read.
  var rowCount = 0
  /// The part's line that names the columns, if it has one.
  var headerLine: Int?
  var labels = LabelTable()
  var fault: TextFault?

  /// Consecutive pieces of a file's text as parts, with their lines counted and the bytes `mark`; `line` is the number of
  /// the file's lines before them.
  static func parts(
    of chunks: [UnsafeBufferPointer<UInt8>], _ path: String, line: Int = 0, counting mark: UInt8? = nil
  ) -> [TextPart] {
    counted(chunks.map { TextPart(text: $0, path: path, fileLine: line) }, mark)
  }

  /// The parts of files, one file's behind the other's.
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
  /// Says which line of the file of these parts has names, counted from its start, if one has.
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

  /// The places of each file's parts.
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

  /// Calls `body` with each part, on all threads. Throws exit code 65 with what it finds wrong in the first line of those.
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

  /// The labels of all parts' rows as numbers of `table`, which gets the new ones; `codes` has those of each part from its
  /// first line on, as its own table numbers them.
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
  /// How many of the bytes are `byte`.
  func count(of byte: UInt8) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let low = 0x7f &* ones
    let pattern = ones &* UInt64(byte)
    var total = 0
    var index = 0
    while index + 8 <= count {
      // Eight bytes at a time are counted in eight lanes, as often as these can count.
      var lanes: UInt64 = 0
      let end = Swift.min(index + 8 * 255, count - 7)
      while index < end {
        let word = UnsafeRawPointer(baseAddress! + index).loadUnaligned(as: UInt64.self)
        // The bytes looked for are 0 in `differences`, and exactly those have no bit set in the sum.
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
