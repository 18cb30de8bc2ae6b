/// Where the entries of sparse rows are in their storage.
package struct SparseRows {
  private let starts: UnsafePointer<Int>
  private let endOffset: Int
  package let count: Int

  /// Row r has the places starts[r]..<starts[r + endOffset]; the storage must outlive this value.
  init(_ starts: UnsafePointer<Int>, _ endOffset: Int, count: Int) {
    (self.starts, self.endOffset, self.count) = (starts, endOffset, count)
  }

  /// The places of a row's entries.
  @inline(__always)
  package subscript(row: Int) -> Range<Int> {
    Range(uncheckedBounds: (starts[row], starts[row + endOffset]))
  }

  /// The number of entries of all rows.
  package var valueCount: Int {
    endOffset == 1 ? starts[count] - starts[0] : (0..<count).reduce(0) { $0 + self[$1].count }
  }
}
