/// A text file with the name of one class per line, class 0 on the first.
package struct ClassNames: Equatable {
  package let names: [String]
  /// The file, for errors.
  let path: String
  private let map: ClassMap
  /// The class number in the file of each class of the map.
  private let numbers: [Int32]

  /// Throws exit code 66 for a file that cannot be read, 65 for one that is empty, not UTF-8, has a name twice, or has one
  /// that no label can be.
  package init(path: String) throws(DataError) {
    let file = try MappedFile(path)
    let bytes = TextFile.withoutByteOrderMark(file.bytes.bindMemory(to: UInt8.self))
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badContents(path, "is no UTF-8 text; convert it with iconv")
    }
    extendLifetime(file)
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0.last == "\r" ? $0.dropLast() : $0) }
    if lines.last == "" { lines.removeLast() }
    guard !lines.isEmpty else { throw .badContents(path, "holds no names; write each class on a line of its own") }
    if let line = MissingLabel.first(in: lines) {
      throw .badContents(
        path,
        lines[line].isEmpty
          ? "line \(line + 1) is empty; name a class on each line"
          : "line \(line + 1) has '\(lines[line])', which stands for a missing label; rename this class")
    }
    self.path = path
    names = lines
    map = ClassMap(texts: lines)
    var numbers = [Int32](repeating: -1, count: map.count)
    for (line, name) in lines.enumerated() {
      let place = Int(map.classNumber(of: name)!)
      guard numbers[place] < 0 else {
        throw .badContents(path, "line \(line + 1) has '\(name)', as line \(numbers[place] + 1) does; remove one")
      }
      numbers[place] = Int32(line)
    }
    self.numbers = numbers
  }

  /// The classes where numbers in arrays are their names: all names are numbers, and others than the positions 0 …
  /// C − 1. nil elsewhere, where such numbers are positions.
  var values: ClassMap? { map.isNumeric && !names.arePositions ? map : nil }

  /// The class of each number of a column of `values`, and a remark for the user. Numbers that are exactly the positions
  /// 0 … C − 1, and not all names, are these positions: `convert` writes them so.
  ///
  /// Throws exit code 65 for other numbers that are not among these names.
  func numbers(ofValues labels: LabelColumn) throws(DataError) -> (numbers: [Int32], note: String) {
    let positions = labels.texts.map { Int32($0) ?? -1 }
    if labels.texts.contains(where: { map.classNumber(of: $0) == nil }),
      positions.sorted() == names.indices.map({ Int32($0) })
    {
      return (positions, "positions in \(path), from 0")
    }
    return (try numbers(of: labels), "the names in \(path), not their positions")
  }

  /// The class of each text of a column, compared as `ClassMap` does. Throws exit code 65 for a text that is not among
  /// these names.
  func numbers(of labels: LabelColumn) throws(DataError) -> [Int32] {
    var result: [Int32] = []
    for (text, place) in zip(labels.texts, labels.places) {
      guard let number = map.classNumber(of: text) else {
        throw .badContents(
          place.path,
          "\(place.text): the label '\(text)' is none of the \(names.count) classes of \(path), "
            + "\(TableColumns.list(names)); add it there, or remove such rows")
      }
      result.append(numbers[Int(number)])
    }
    return result
  }

  /// Writes a file of names. Throws exit code 74, also for a name with a line break.
  static func write(_ names: [String], to path: String) throws(DataError) -> TextWriter {
    var text = try TextWriter(path)
    for name in names {
      guard !name.utf8.contains(where: { "\r\n".utf8.contains($0) }) else {
        let name = Array(name.utf8).withUnsafeBufferPointer { TextFault.quoted($0) }
        throw .unwritable(path, "the class \(name) has a line break; rename it")
      }
      text.append(name)
      try text.endLine()
    }
    return text
  }
}
