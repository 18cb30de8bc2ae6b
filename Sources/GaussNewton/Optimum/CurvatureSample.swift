import LinearAlgebra

/// Rows for the sum Σ_i w_ic x_i x_iᵀ of each of some classes: all rows, or so many for each class that are drawn by their
/// curvature w_ic = ω π_c(1−π_c), which few rows have once the model knows most of them.
///
/// The sum of a class over its rows is a ladder of equally high rungs; a row counts as many of them as it climbs. That is
/// systematic sampling with probabilities proportional to size, without a random number. Source: Madow, "On the theory of
/// systematic sampling, II" (1949).
struct CurvatureSample<Scalar: BLASScalar> {
  let classes: Range<Int>
  /// Whether each class takes all rows as they are.
  let takesAll: Bool
  private let rowCount, perClass: Int
  /// Σ_i w_ic over all rows, over those that have passed by, and where the next rung is (a number for each class).
  private let totals, passed, next: Vector<Double>

  /// The rows of a chunk that a class takes, and the roots of their weights in the mean over all rows.
  struct Rows {
    var numbers: [Int] = []
    var factors: [Scalar] = []
  }

  init(classes: Range<Int>, rowCount: Int, perClass: Int) {
    (self.classes, self.rowCount, self.perClass) = (classes, rowCount, perClass)
    takesAll = rowCount <= perClass
    totals = Vector(zeros: classes.count)
    passed = Vector(zeros: classes.count)
    next = Vector(zeros: classes.count)
  }

  /// Adds the curvatures of a chunk (rows × C) to the totals, which all chunks have to be in before the first is taken from.
  func add(_ curvatures: Matrix<Scalar>) {
    Threads.parallel(classes.count, grain: 64) { range in
      curvatures.addColumnSums(from: classes.lowerBound + range.lowerBound, to: totals[range])
    }
    next.combine(0.5 / Double(perClass), totals, 0)
  }

  /// The rows of a chunk that each class takes. Chunks come in the order of `add`.
  func take(_ curvatures: Matrix<Scalar>) -> [Rows] {
    var result = [Rows](repeating: Rows(), count: classes.count)
    let scale = 1 / Double(rowCount)
    result.withUnsafeMutableBufferPointer { result in
      nonisolated(unsafe) let result = result
      Threads.parallel(classes.count, grain: 64) { range in
        let first = classes.lowerBound + range.lowerBound
        if takesAll {
          curvatures.forEachPositive(from: first, count: range.count) { row, c, weight in
            result[range.lowerBound + c].append(row, weight * scale)
          }
        } else {
          curvatures.forEachRung(from: first, passed[range], next[range], totals[range], count: perClass) {
            row, c, weight in
            result[range.lowerBound + c].append(row, weight * scale)
          }
        }
      }
    }
    return result
  }
}

extension CurvatureSample.Rows {
  fileprivate mutating func append(_ row: Int, _ weight: Double) {
    numbers.append(row)
    factors.append(Scalar(weight.squareRoot()))
  }
}

extension Matrix {
  /// sums ← sums + Σ_i of the columns from `first` on.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func addColumnSums(from first: Int, to sums: Vector<Double>) {
    elements.withElements { a in
      sums.withElements { sums in
        for i in 0..<rows {
          let start = i * columns + first
          for c in 0..<sums.count { sums[c] += Double(a[start + c]) }
        }
      }
    }
  }

  /// Calls `body` with each positive number of some columns.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func forEachPositive(
    from first: Int, count: Int, _ body: (_ row: Int, _ column: Int, _ value: Double) -> Void
  ) {
    elements.withElements { a in
      for i in 0..<rows {
        let start = i * columns + first
        for c in 0..<count where a[start + c] > 0 { body(i, c, Double(a[start + c])) }
      }
    }
  }

  /// Calls `body` with each row of some columns that climbs a rung, and the height of the rungs that it climbs.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  fileprivate func forEachRung(
    from first: Int, _ passed: Vector<Double>, _ next: Vector<Double>, _ totals: Vector<Double>, count: Int,
    _ body: (_ row: Int, _ column: Int, _ height: Double) -> Void
  ) {
    elements.withElements { a in
      passed.withElements { passed in
        next.withElements { next in
          for i in 0..<rows {
            let start = i * columns + first
            for c in 0..<passed.count {
              passed[c] += Double(a[start + c])
              guard passed[c] > next[c] else { continue }
              let rung = totals[c] / Double(count)
              let climbed = ((passed[c] - next[c]) / rung).rounded(.up)
              next[c] += climbed * rung
              body(i, c, climbed * rung)
            }
          }
        }
      }
    }
  }
}
