import Glibc

extension FeatureMatrix {
  /// Whether rows are read from their files on demand.
  package var isMapped: Bool { pieces.contains { $0.owner is MappedFile } }

  /// Bytes of the rows that are read from their files on demand.
  package var mappedSize: Int {
    pieces.reduce(0) { $0 + ($1.owner is MappedFile ? $1.rows.count * rowSize : 0) }
  }

  /// Tells the system that rows are read in random order, so that it does not read ahead. Where a file does not fit
  /// into memory, pages read ahead would drive out pages that are needed.
  package func expectRandomAccess() {
    guard isMapped else { return }
    // One call for the span of all pieces of a file: rows between pieces would cut the mapping into very many.
    var first = 0
    for next in 1...pieces.count {
      let last = pieces[next - 1]
      if next < pieces.count, pieces[next].owner === last.owner, pieces[next].base >= last.base { continue }
      let start = pieces[first].base
      advise(
        UnsafeRawBufferPointer(start: start, count: last.base - start + last.rows.count * rowSize), MADV_RANDOM)
      first = next
    }
    extendLifetime(pieces)
  }

  /// Starts reading rows that are not in memory, without waiting for them.
  package func prefetch(_ rows: some Collection<Int>) {
    guard isMapped, var run = rows.first.map({ $0..<$0 }) else { return }
    for row in rows {
      if row != run.upperBound {
        advise(run, MADV_WILLNEED)
        run = row..<row
      }
      run = run.lowerBound..<row + 1
    }
    advise(run, MADV_WILLNEED)
  }

  /// Advises the system about the pages of a range of rows.
  private func advise(_ range: Range<Int>, _ advice: some BinaryInteger) {
    forEachPiece(in: range) { _, bytes in advise(bytes, advice) }
  }

  /// Advises the system about pages. The values do not depend on whether it follows the advice.
  private func advise(_ bytes: UnsafeRawBufferPointer, _ advice: some BinaryInteger) {
    guard let start = bytes.baseAddress else { return }
    let offset = Int(bitPattern: start) % pageSize
    _ = madvise(UnsafeMutableRawPointer(mutating: start - offset), bytes.count + offset, numericCast(advice))
  }
}

let pageSize = sysconf(Int32(_SC_PAGESIZE))
