/// The files that contain the rows of a set, one after another.
package struct SetFiles: Codable, Equatable, Sendable {
  package let paths: [String]
  /// The first row of each file in the set, and the number of rows.
  private let starts: [Int]
  /// The rows of the files that belong to the set; nil for all.
  private var kept: KeptRows?

  init(_ files: [(path: String, rows: Int)]) {
    precondition(!files.isEmpty, "a set has a file")
    paths = files.map(\.path)
    starts = files.reduce(into: [0]) { $0.append($0.last! + $1.rows) }
  }

  package var rows: Int { starts.last! }

  /// These files, for a set that keeps some of their rows.
  func keeping(_ kept: KeptRows) -> SetFiles {
    var files = self
    files.kept = kept
    return files
  }

  /// The rows of the set that are in a file.
  func range(_ file: Int) -> Range<Int> { starts[file]..<starts[file + 1] }

  /// The file that contains a row.
  func file(of row: Int) -> Int {
    precondition(row >= 0 && row < rows, "row out of range")
    return starts[..<paths.count].lastIndex(startingBy: row) { $0 }
  }

  /// Throws exit code 65 unless these examples can be matched by this number of other files: one, or one per file.
  func checkCount(_ others: [String], of kind: String) throws(DataError) {
    guard others.count == 1 || others.count == paths.count else {
      throw .badContents(
        others[0],
        "is the first of \(others.count) files of \(kind), and the examples are in \(paths.count), from \(paths[0]) on; "
          + "give each file of examples one of \(kind), or have all \(kind) in one")
    }
  }

  /// Throws exit code 65 unless the other files have as many rows, file by file or all in one.
  func check(_ others: SetFiles, of kind: String) throws(DataError) {
    try checkCount(others.paths, of: kind)
    if others.paths.count == 1, paths.count > 1 {
      guard others.rows == rows else {
        throw .badContents(
          others.paths[0],
          "has \(others.rows) \(kind), and the \(paths.count) files from \(paths[0]) on have \(rows) examples; name files of "
            + "the same examples")
      }
      return
    }
    for file in paths.indices where range(file).count != others.range(file).count {
      throw .badContents(
        paths[file],
        "has \(range(file).count) examples, and \(others.paths[file]) has \(others.range(file).count) \(kind); name two "
          + "files of the same examples")
    }
  }

  /// The place of a row for errors: its file, and its number in that file.
  package func place(of row: Int) -> (path: String, row: Int) {
    let row = kept?.rows[row] ?? row
    let file = file(of: row)
    return (paths[file], row - starts[file])
  }
}

extension SetFiles? {
  /// The place of a row for errors; where the files are not known, it is a row of the set `name`.
  package func place(of row: Int, in name: String) -> (path: String, row: Int) {
    self?.place(of: row) ?? (path: name, row: row)
  }
}
