/// Arrays in files, whose rows are read on demand, one file after another.
final class ArraySetStream {
  let files: SetFiles
  private let format: DataFormat
  private let role: ArrayStream.Role
  let layouts: [ArrayLayout]
  /// The index of the current file, and its array once it is open. One file is open at a time, since a set may have
  /// more files than a process may open.
  private var file = 0
  private var stream: ArrayStream?

  /// Opens each file and checks its header. Throws exit code 65, 66 or 74.
  init(_ paths: [String], format: DataFormat, as role: ArrayStream.Role) throws(DataError) {
    var layouts: [ArrayLayout] = []
    for path in paths {
      let array = try ArrayStream(path, format: format, as: role)
      layouts.append(array.layout)
      if paths.count == 1 { stream = array }
    }
    self.format = format
    self.role = role
    self.layouts = layouts
    files = SetFiles(layouts.map { ($0.path, $0.shape[0]) })
  }

  /// Calls `body` with the rows of `range` in each file, and the number of their first row within the range. The range
  /// and the validity of the rows are as in `FeatureSource.read`.
  func read(
    _ range: Range<Int>, _ body: (StoredArray, _ firstRow: Int) throws(DataError) -> Void
  ) throws(DataError) {
    try skip(to: range.lowerBound)
    var position = range.lowerBound
    while position < range.upperBound {
      if position == files.range(file).upperBound { try pass() }
      let own = files.range(file)
      let end = min(range.upperBound, own.upperBound)
      let (first, last) = (position - own.lowerBound, end - own.lowerBound)
      try body(open().read(first..<last), first)
      position = end
    }
  }

  /// Skips rows as `FeatureSource.skip` does.
  func skip(to row: Int) throws(DataError) {
    precondition(row >= files.range(file).lowerBound && row <= files.rows, "rows are read in order")
    while file + 1 < files.paths.count && row >= files.range(file).upperBound { try pass() }
    let first = files.range(file).lowerBound
    if row > first { try open().skip(to: row - first) }
  }

  /// Verifies the end of the current file and moves to the next one.
  private func pass() throws(DataError) {
    try open().skip(to: files.range(file).count)
    stream = nil
    file += 1
  }

  private func open() throws(DataError) -> ArrayStream {
    if let stream { return stream }
    let layout = layouts[file]
    let opened = try ArrayStream(layout.path, format: format, as: role)
    guard opened.layout == layout else { throw DataFile.changed(layout.path) }
    stream = opened
    return opened
  }
}
