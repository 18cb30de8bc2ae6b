extension Vector {
  /// self ← aᵀ1, the sum of each column of a.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assignColumnSums(_ a: Matrix<Scalar>) {
    precondition(a.columns == count, "one sum a column")
    assert(isDisjoint(from: a.elements), overlap)
    if count == 0 { return }
    let rows = a.rows
    // Fixed blocks of rows make the sums independent of the number of threads.
    let block = max(1, 1 << 15 / count)
    let blocks = (a.rows + block - 1) / block
    if count >= Self.wideCount { return addColumns(of: a, blockOf: block) }
    let partial = Matrix<Scalar>(zeros: blocks, count)
    partial.elements.withElements { partial in
      a.elements.withElements { a in
        Threads.parallel(blocks, grain: 1) { range in
          for index in range {
            let sum = partial.baseAddress! + index * count
            for row in index * block..<min(rows, (index + 1) * block) {
              Scalar.combine(1, a.baseAddress! + row * count, 1, sum, count)
            }
          }
        }
      }
    }
    fill(0)
    for index in 0..<blocks { combine(1, partial[row: index]) }
  }

  /// From this many columns on, threads share the columns, without memory for the sums of each block of rows.
  private static var wideCount: Int { 1 << 12 }

  /// Computes the column sums, block after block of `height` rows.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func addColumns(of a: Matrix<Scalar>, blockOf height: Int) {
    let rows = a.rows
    // A strip of sums stays in the first cache during the pass over the rows.
    let width = 1 << 11
    withElements { sums in
      a.elements.withElements { a in
        Threads.parallel(count, grain: max(256, 1 << 16 / max(1, rows))) { columns in
          withUnsafeTemporaryAllocation(of: Scalar.self, capacity: width) { partial in
            for start in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
              let n = min(width, columns.upperBound - start)
              let sum = sums.baseAddress! + start
              func row(_ index: Int) -> UnsafeMutablePointer<Scalar> { a.baseAddress! + index * count + start }
              Scalar.fill(sum, 0, n)
              for first in stride(from: 0, to: rows, by: height) {
                let end = min(first + height, rows)
                if end == first + 1 {
                  Scalar.combine(1, row(first), 1, sum, n)
                  continue
                }
                let partial = partial.baseAddress!
                Scalar.combine(1, row(first), 0, partial, n)
                for index in first + 1..<end { Scalar.combine(1, row(index), 1, partial, n) }
                Scalar.combine(1, partial, 1, sum, n)
              }
            }
          }
        }
      }
    }
  }

  /// self_j ← Σ_i factors_i a_ij², the weighted sum of squares of each column of a. Threads share the columns, so that no
  /// bit depends on their number.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assignColumnSquareSums(_ a: Matrix<Scalar>, scaledBy factors: Vector<Scalar>) {
    precondition(a.columns == count && a.rows == factors.count, "one sum a column, and one factor a row")
    assert(isDisjoint(from: a.elements, factors), overlap)
    fill(0)
    if count == 0 { return }
    let (rows, width, height) = (a.rows, 1 << 10, 64)
    withElements { sums in
      a.elements.withElements { a in
        Threads.parallel(count, grain: max(256, 1 << 16 / max(1, rows))) { columns in
          // The sums of a block of rows, and a row times its factor.
          withUnsafeTemporaryAllocation(of: Scalar.self, capacity: 2 * width) { room in
            for start in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
              let n = min(width, columns.upperBound - start)
              let (partial, scaled) = (room.baseAddress!, room.baseAddress! + width)
              for first in stride(from: 0, to: rows, by: height) {
                Scalar.fill(partial, 0, n)
                for index in first..<min(first + height, rows) {
                  let row = a.baseAddress! + index * count + start
                  Scalar.combine(factors[index], row, 0, scaled, n)
                  Scalar.addProducts(scaled, 0, row, 1, into: partial, n)
                }
                Scalar.combine(1, partial, 1, sums.baseAddress! + start, n)
              }
            }
          }
        }
      }
    }
  }
}
