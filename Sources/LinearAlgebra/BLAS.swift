extension Matrix {
  /// self ← α op(a) op(b) + β self.
  ///
  /// Shapes: op(a) is rows × k, op(b) k × columns. An empty product (k = 0) leaves β self.
  package func assignProduct(
    _ a: Matrix, _ opA: Transpose, _ b: Matrix, _ opB: Transpose, alpha: Scalar = 1, beta: Scalar = 0
  ) {
    let (m, k) = opA == .no ? (a.rows, a.columns) : (a.columns, a.rows)
    let (kB, n) = opB == .no ? (b.rows, b.columns) : (b.columns, b.rows)
    precondition(k == kB && m == rows && n == columns, "shapes of the product do not fit")
    if m == 0 || n == 0 { return }
    elements.withElements { c in
      a.elements.withElements { aElements in
        b.elements.withElements { bElements in
          guard k > 0 else { return elements.scaleOrClear(beta) }
          /// The block of the product at `rows` and `columns`.
          func multiply(_ rows: Range<Int>, _ columns: Range<Int>) {
            Scalar.gemm(
              opA, opB, m: Int32(rows.count), n: Int32(columns.count), k: Int32(k), alpha: alpha,
              a: aElements.baseAddress! + rows.lowerBound * (opA == .no ? a.columns : 1), lda: Int32(a.columns),
              b: bElements.baseAddress! + columns.lowerBound * (opB == .no ? 1 : b.columns), ldb: Int32(b.columns),
              beta: beta, c: c.baseAddress! + rows.lowerBound * n + columns.lowerBound, ldc: Int32(n))
          }
          // OpenBLAS gains nothing from its threads where one side of the product is short, as with few classes.
          if Threads.available > 1, min(m, n) <= shortSide, m * n * k >= 1 << 19 {
            Threads.parallelWithBLAS(max(m, n), grain: shortSide) {
              if m >= n { multiply($0, 0..<n) } else { multiply(0..<m, $0) }
            }
          } else {
            multiply(0..<m, 0..<n)
          }
        }
      }
    }
  }

  /// The lower triangle of self ← α op(a) op(a)ᵀ + β self; the upper one keeps its values.
  package func assignSymmetricProduct(_ a: Matrix, _ opA: Transpose, alpha: Scalar = 1, beta: Scalar = 0) {
    let (n, k) = opA == .no ? (a.rows, a.columns) : (a.columns, a.rows)
    precondition(rows == columns && n == rows, "shapes of the symmetric product do not fit")
    if n == 0 { return }
    elements.withElements { c in
      a.elements.withElements { aElements in
        guard k > 0 else {
          for row in 0..<n { elements[row * columns..<row * columns + row + 1].scaleOrClear(beta) }
          return
        }
        Scalar.syrk(
          opA, n: Int32(n), k: Int32(k), alpha: alpha, a: aElements.baseAddress!, lda: Int32(a.columns), beta: beta,
          c: c.baseAddress!, ldc: Int32(columns))
      }
    }
  }

  /// The rows `range` of the lower triangle of α a aᵀ + β self: self has range.count rows, and at least range.upperBound
  /// columns, of which what lies above the diagonal keeps its values.
  package func assignGramRows(_ range: Range<Int>, of a: Matrix, alpha: Scalar = 1, beta: Scalar = 0) {
    precondition(
      rows == range.count && columns >= range.upperBound && a.rows >= range.upperBound,
      "shapes of the product do not fit")
    if range.isEmpty { return }
    let (start, k) = (range.lowerBound, Int32(a.columns))
    elements.withElements { c in
      a.elements.withElements { elements in
        let (top, own) = (elements.baseAddress!, elements.baseAddress! + start * a.columns)
        if start > 0 {
          Scalar.gemm(
            .no, .yes, m: Int32(rows), n: Int32(start), k: k, alpha: alpha, a: own, lda: k, b: top, ldb: k, beta: beta,
            c: c.baseAddress!, ldc: Int32(columns))
        }
        Scalar.syrk(
          .no, n: Int32(rows), k: k, alpha: alpha, a: own, lda: k, beta: beta, c: c.baseAddress! + start,
          ldc: Int32(columns))
      }
    }
  }

  /// self ← (x + shift)∘y + β self in the rows `range` of a lower triangle, of which self, x and y hold range.count rows.
  package func assignGramProducts(_ range: Range<Int>, _ x: Matrix, _ y: Matrix, shift: Scalar, beta: Scalar) {
    precondition(
      [self, x, y].allSatisfy { $0.rows == range.count && $0.columns == columns } && columns >= range.upperBound,
      "shapes of the product do not fit")
    elements.withElements { z in
      x.elements.withElements { x in
        y.elements.withElements { y in
          Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { part in
            for row in part {
              let start = row * columns
              Scalar.addProducts(
                x.baseAddress! + start, shift, y.baseAddress! + start, beta, into: z.baseAddress! + start,
                range.lowerBound + row + 1)
            }
          }
        }
      }
    }
  }

  /// Element (i, j) of the rows `range` of a lower triangle ← factors_i · factors_j times itself.
  package func scaleGramRows(_ range: Range<Int>, by factors: Vector<Scalar>) {
    precondition(
      rows == range.count && columns >= range.upperBound && factors.count >= range.upperBound, "shapes do not fit")
    elements.withElements { elements in
      factors.withElements { factors in
        Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { part in
          for row in part {
            let (start, count) = (elements.baseAddress! + row * columns, range.lowerBound + row + 1)
            Scalar.multiply(start, factors.baseAddress!, into: start, count)
            Scalar.scale(factors[count - 1], start, count)
          }
        }
      }
    }
  }

  /// self ← [a | column]
  package func assign(_ a: Matrix, lastColumn column: Vector<Scalar>) {
    precondition(rows == a.rows && columns == a.columns + 1 && column.count == rows, "shapes do not fit")
    Threads.parallel(rows, grain: max(1, 1 << 15 / columns)) { range in
      for i in range {
        elements[i * columns..<(i + 1) * columns - 1].assign(a[row: i])
        self[i, columns - 1] = column[i]
      }
    }
  }

  /// a and column ← the columns of self, which is [a | column].
  package func split(into a: Matrix, lastColumn column: Vector<Scalar>) {
    precondition(rows == a.rows && columns == a.columns + 1 && column.count == rows, "shapes do not fit")
    Threads.parallel(rows, grain: max(1, 1 << 15 / columns)) { range in
      for i in range {
        a[row: i].assign(elements[i * columns..<(i + 1) * columns - 1])
        column[i] = self[i, columns - 1]
      }
    }
  }

  /// The sum of the diagonal.
  package var trace: Double { (0..<rows).reduce(0) { $0 + Double(self[$1, $1]) } }

  /// Every row ← `row`.
  package func assignRows(_ row: Vector<Scalar>) {
    precondition(row.count == columns, "the row does not fit")
    elements.withElements { elements in
      row.withElements { row in
        Threads.parallel(rows, grain: max(1, 1 << 15 / max(1, columns))) { range in
          for i in range {
            (elements.baseAddress! + i * columns).update(from: row.baseAddress!, count: columns)
          }
        }
      }
    }
  }
}

extension Vector {
  /// self ← aᵀ1, the sum of each column of a.
  package func assignColumnSums(_ a: Matrix<Scalar>) {
    precondition(a.columns == count, "one sum a column")
    // Fixed blocks, so that the sums do not depend on the number of threads.
    let block = max(1, 1 << 15 / max(1, count))
    let blocks = (a.rows + block - 1) / block
    let partial = Matrix<Scalar>(zeros: blocks, count)
    Threads.parallel(blocks, grain: 1) { range in
      for index in range {
        let sum = partial[row: index]
        for row in index * block..<min(a.rows, (index + 1) * block) { sum.combine(1, a[row: row]) }
      }
    }
    fill(0)
    for index in 0..<blocks { combine(1, partial[row: index]) }
  }

  /// self ← α op(a) x + β self.
  package func assignProduct(
    _ a: Matrix<Scalar>, _ opA: Transpose, _ x: Vector, alpha: Scalar = 1, beta: Scalar = 0
  ) {
    let (m, n) = opA == .no ? (a.rows, a.columns) : (a.columns, a.rows)
    precondition(m == count && n == x.count, "shapes of the product do not fit")
    if m == 0 { return }
    withElements { y in
      guard n > 0 else { return scaleOrClear(beta) }
      a.elements.withElements { aElements in
        x.withElements { x in
          Scalar.gemv(
            opA, rows: Int32(a.rows), columns: Int32(a.columns), alpha: alpha, a: aElements.baseAddress!,
            x: x.baseAddress!, beta: beta, y: y.baseAddress!)
        }
      }
    }
  }

  /// self ← a x for a symmetric matrix a, of which only the lower triangle is read.
  package func assignSymmetricProduct(_ a: Matrix<Scalar>, _ x: Vector) {
    precondition(a.rows == a.columns && a.rows == count && x.count == count, "shapes of the product do not fit")
    if count == 0 { return }
    withElements { y in
      a.elements.withElements { a in
        x.withElements { x in
          Scalar.symv(n: Int32(count), a: a.baseAddress!, lda: Int32(count), x: x.baseAddress!, y: y.baseAddress!)
        }
      }
    }
  }

  /// xᵀy, accumulated in `Double`.
  package func dot(_ other: Vector) -> Double {
    precondition(count == other.count, "vectors differ in count")
    if count == 0 { return 0 }
    return withElements { x in other.withElements { y in Scalar.dot(x.baseAddress!, y.baseAddress!, count) } }
  }

  /// ‖x‖², accumulated in `Double`.
  package var squaredNorm: Double { dot(self) }

  /// ‖x‖, accumulated in `Double`.
  package var norm: Double { squaredNorm.squareRoot() }

  /// self ← a·x + b·self. With b = 0 the old elements do not matter, even if they are not finite.
  package func combine(_ a: Scalar, _ x: Vector, _ b: Scalar = 1) {
    precondition(count == x.count, "vectors differ in count")
    if count == 0 { return }
    withElements { y in x.withElements { x in Scalar.combine(a, x.baseAddress!, b, y.baseAddress!, count) } }
  }

  /// What BLAS calls scaling by β: zero clears, whatever was there.
  fileprivate func scaleOrClear(_ beta: Scalar) {
    if beta == 0 { fill(0) } else { scale(beta) }
  }

  /// self ← a·self.
  package func scale(_ a: Scalar) {
    if count == 0 { return }
    withElements { Scalar.scale(a, $0.baseAddress!, count) }
  }
}

/// Up to here a side of a product is short.
private let shortSide = 48
