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
    advise(0..<rows, MADV_RANDOM)
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

  /// Advises the system about the pages of a range of rows. The values do not depend on whether it follows the advice.
  private func advise(_ range: Range<Int>, _ advice: some BinaryInteger) {
    forEachPiece(in: range) { _, bytes in
      guard let start = bytes.baseAddress else { return }
      let offset = Int(bitPattern: start) % pageSize
      _ = madvise(UnsafeMutableRawPointer(mutating: start - offset), bytes.count + offset, numericCast(advice))
    }
  }
}

let pageSize = sysconf(Int32(_SC_PAGESIZE))
