import LinearAlgebra

/// A distribution over the classes for the label of each row, #rows × C in the type of the file: mapped or in memory.
/// Copies share the storage.
///
/// The values of a row are not negative, and sum to 1 within the tolerance of their type. What they are read as sums to 1
/// up to the rounding of its own type: rows are divided by their sums, which are formed in Double.
package struct ClassProbabilities {
  /// The values as the file has them.
  package let values: FeatureMatrix

  /// C
  package var classCount: Int { values.columns }

  /// Rows that have been checked, or that are some of these.
  package init(checked values: FeatureMatrix) { self.values = values }

  /// target ← the probabilities of `rows`, #rows.count × C, in that order.
  package func gather<Scalar: BLASScalar>(rows: some Collection<Int>, into target: Matrix<Scalar>) {
    values.gather(rows: rows, into: target, normalization: .none)
    target.normalizeRows()
  }

  /// Starts reading rows that are not in memory, without waiting for them.
  package func prefetch(_ rows: Range<Int>) { values.prefetch(rows) }

  /// Calls `body` with consecutive blocks of the range's rows, and their probabilities (rows × C).
  private func forEachBlock(of range: Range<Int>, _ body: (Range<Int>, Matrix<Double>) -> Void) {
    let rows = max(1, (1 << 15) / classCount)
    let room = Matrix<Double>(zeros: min(rows, range.count), classCount)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: rows) {
      let rows = start..<min(start + rows, range.upperBound)
      let block = room[rows: 0..<rows.count]
      gather(rows: rows, into: block)
      body(rows, block)
    }
  }
}

extension ClassProbabilities {
  /// counts_c ← counts_c + Σ t_c over the range's rows, one row after another, for the classes of `classes`. Local.
  package func addCounts(
    of classes: Range<Int>, in range: Range<Int>, to counts: UnsafeMutableBufferPointer<Double>
  ) {
    forEachBlock(of: range) { rows, block in
      block.elements.withElements { t in
        for row in 0..<rows.count {
          for c in classes { counts[c] += t[row * classCount + c] }
        }
      }
    }
  }

  /// Σ_c t_c w_c of each of the range's rows. Local.
  package func means(of weights: [Double], in range: Range<Int>) -> [Double] {
    precondition(weights.count == classCount, "one weight a class")
    var means: [Double] = []
    means.reserveCapacity(range.count)
    forEachBlock(of: range) { rows, block in
      block.elements.withElements { t in
        for row in 0..<rows.count {
          means.append((0..<classCount).reduce(0) { $0 + t[row * classCount + $1] * weights[$1] })
        }
      }
    }
    return means
  }
}

extension Matrix {
  /// Divides each row by its sum, which is formed in Double; a row whose sum is 1 keeps its bits.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func normalizeRows() {
    elements.withElements { elements in
      Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { range in
        for row in range {
          let start = row * columns
          // Four sums, so that additions need not wait for each other.
          var sums = SIMD4<Double>()
          let whole = start + columns / 4 * 4
          for c in stride(from: start, to: whole, by: 4) {
            sums += SIMD4(
              Double(elements[c]), Double(elements[c + 1]), Double(elements[c + 2]), Double(elements[c + 3]))
          }
          for c in whole..<start + columns { sums[0] += Double(elements[c]) }
          let sum = sums.sum()
          if sum == 1 { continue }
          for c in start..<start + columns { elements[c] = Scalar(Double(elements[c]) / sum) }
        }
      }
    }
  }
}
