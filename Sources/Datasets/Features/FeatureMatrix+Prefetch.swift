import Glibc

extension FeatureMatrix {
  /// Whether rows are read from their files as they are needed.
  package var isMapped: Bool { pieces.contains { $0.owner is MappedFile } }

  /// Bytes of the rows that are read from their files as they are needed.
  package var mappedSize: Int {
    pieces.reduce(0) { $0 + ($1.owner is MappedFile ? $1.rows.count * rowSize : 0) }
  }

  /// Lets the system know that rows are read in no order, so that it reads none beside them. Where a file does not fit into
  /// memory, the pages that it would read ahead drive out those that are needed.
  package func expectRandomAccess() {
    guard isMapped else { return }
    advise(0..<rows, MADV_RANDOM)
  }

  /// Has the system begin to read rows that are not in memory, without waiting for them.
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

  /// Advice about the pages of a range of rows. It is advice: the values are the same where the system does not take it.
  private func advise(_ range: Range<Int>, _ advice: some BinaryInteger) {
    forEachPiece(in: range) { _, bytes in
      guard let start = bytes.baseAddress else { return }
      let offset = Int(bitPattern: start) % pageSize
      _ = madvise(UnsafeMutableRawPointer(mutating: start - offset), bytes.count + offset, numericCast(advice))
    }
  }
}

let pageSize = sysconf(Int32(_SC_PAGESIZE))
