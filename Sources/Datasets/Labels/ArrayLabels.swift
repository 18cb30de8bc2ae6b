/// The labels of examples in arrays: class numbers, or texts that name the classes.
package enum ArrayLabels {
  case numbers([Int32])
  case names(LabelColumn)

  /// The labels of files, and the number of rows of each file. Throws exit code 65, also for numbers in one file and
  /// names in another, or 66.
  static func read(
    _ paths: [String], format: DataFormat
  ) throws(DataError) -> (labels: ArrayLabels, counts: [(path: String, rows: Int)]) {
    var counts: [(path: String, rows: Int)] = []
    var numbers: [Int32] = []
    var table = LabelTable()
    var codes: [Int32] = []
    for path in paths {
      let array = try format.read(path).asLabels()
      guard codes.isEmpty && numbers.isEmpty || array.type.isText == numbers.isEmpty else {
        throw .badContents(
          path, "has \(array.type) for labels, and \(paths[0]) has others; the files of a set have names or numbers")
      }
      if array.type.isText {
        codes += array.texts(into: &table)
      } else {
        numbers += try array.labels(firstRow: 0)
      }
      counts.append((path, array.shape[0]))
    }
    return (codes.isEmpty ? .numbers(numbers) : .names(try table.column(codes: codes, ofArrays: true)), counts)
  }
}

extension StoredArray {
  /// The text of each row as a code of the table. The array must hold texts, in the shape of labels.
  func texts(into table: inout LabelTable) -> [Int32] {
    var own = LabelTable()
    let codes = (0..<shape[0]).map { row in
      let bytes = text(ofRow: row)
      return bytes.withUnsafeBufferPointer { own.code(for: $0, line: row) }
    }
    let numbers = table.merge(own, path, firstLine: 0)
    return codes.map { numbers[Int($0)] }
  }

  /// The UTF-8 of a text, without the padding zeros; a text that is not valid Unicode gives bytes that are not UTF-8.
  private func text(ofRow row: Int) -> [UInt8] {
    let start = base + row * type.size
    defer { extendLifetime(owner) }
    guard case .unicode(let count) = type else {
      let bytes = UnsafeRawBufferPointer(start: start, count: type.size)
      return Array(bytes[..<((bytes.lastIndex { $0 != 0 } ?? -1) + 1)])
    }
    var scalars = (0..<count).map { start.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
    if layout.isBigEndian { scalars = scalars.map(\.byteSwapped) }
    let text = scalars[..<((scalars.lastIndex { $0 != 0 } ?? -1) + 1)]
    return text.flatMap { Unicode.Scalar($0).map { Array(String($0).utf8) } ?? [0xff] }
  }
}
