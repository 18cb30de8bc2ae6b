extension Matrix {
  /// self ← α op(a) op(b) + β self.
  ///
  /// Shapes: op(a) is rows × k, op(b) k × columns. An empty product (k = 0) leaves β self.
  public func assignProduct(
    _ a: Matrix, _ opA: Transpose, _ b: Matrix, _ opB: Transpose, alpha: Scalar = 1, beta: Scalar = 0
  ) {
    let (m, k) = opA == .no ? (a.rows, a.columns) : (a.columns, a.rows)
    let (kB, n) = opB == .no ? (b.rows, b.columns) : (b.columns, b.rows)
    precondition(k == kB && m == rows && n == columns, "shapes of the product do not fit")
    assert(elements.isDisjoint(from: a.elements, b.elements), overlap)
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
          let grid = ProductGrid(rows: m, columns: n, depth: k)
          Threads.parallel(grid.count, grain: 1) { tiles in
            for tile in tiles { multiply(grid.rows(of: tile), grid.columns(of: tile)) }
          }
        }
      }
    }
  }

  /// The lower triangle of self ← α op(a) op(a)ᵀ + β self; the upper one keeps its values.
  public func assignSymmetricProduct(_ a: Matrix, _ opA: Transpose, alpha: Scalar = 1, beta: Scalar = 0) {
    let (n, k) = opA == .no ? (a.rows, a.columns) : (a.columns, a.rows)
    precondition(rows == columns && n == rows, "shapes of the symmetric product do not fit")
    assert(elements.isDisjoint(from: a.elements), overlap)
    if n == 0 { return }
    elements.withElements { c in
      a.elements.withElements { aElements in
        guard k > 0 else {
          for row in 0..<n { elements[row * columns..<row * columns + row + 1].scaleOrClear(beta) }
          return
        }
        let (top, ld) = (aElements.baseAddress!, Int32(a.columns))
        /// The beginning of row `row` of op(a).
        func start(_ row: Int) -> UnsafeMutablePointer<Scalar> { top + row * (opA == .no ? a.columns : 1) }
        // The longest panels come first.
        Threads.sharePanels(of: 0..<n, height: GramPanel.rows) { panel, _ in
          let panel = n - panel.upperBound..<n - panel.lowerBound
          let (height, k) = (Int32(panel.count), Int32(k))
          let target = c.baseAddress! + panel.lowerBound * columns
          if panel.lowerBound > 0 {
            Scalar.gemm(
              opA, opA == .no ? .yes : .no, m: height, n: Int32(panel.lowerBound), k: k, alpha: alpha,
              a: start(panel.lowerBound), lda: ld, b: top, ldb: ld, beta: beta, c: target, ldc: Int32(columns))
          }
          Scalar.syrk(
            .lower, opA, n: height, k: k, alpha: alpha, a: start(panel.lowerBound), lda: ld, beta: beta,
            c: target + panel.lowerBound, ldc: Int32(columns))
        }
      }
    }
  }

  /// self ← [a | column], or a without a column.
  package func assign(_ a: Matrix, lastColumn column: Vector<Scalar>?) {
    guard let column else { return elements.assign(a.elements) }
    precondition(rows == a.rows && columns == a.columns + 1 && column.count == rows, "shapes do not fit")
    Threads.parallel(rows, grain: max(1, 1 << 15 / columns)) { range in
      for i in range {
        elements[i * columns..<(i + 1) * columns - 1].assign(a[row: i])
        self[i, columns - 1] = column[i]
      }
    }
  }

  /// a and column ← the columns of self, which is [a | column], or a without a column.
  package func split(into a: Matrix, lastColumn column: Vector<Scalar>?) {
    guard let column else { return a.elements.assign(elements) }
    precondition(rows == a.rows && columns == a.columns + 1 && column.count == rows, "shapes do not fit")
    Threads.parallel(rows, grain: max(1, 1 << 15 / columns)) { range in
      for i in range {
        a[row: i].assign(elements[i * columns..<(i + 1) * columns - 1])
        column[i] = self[i, columns - 1]
      }
    }
  }

  /// The sum of the diagonal.
  public var trace: Double { (0..<rows).reduce(0) { $0 + Double(self[$1, $1]) } }

  /// Each row ← `row`.
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
  /// self ← α op(a) x + β self.
  public func assignProduct(
    _ a: Matrix<Scalar>, _ opA: Transpose, _ x: Vector, alpha: Scalar = 1, beta: Scalar = 0
  ) {
    let (m, n) = opA == .no ? (a.rows, a.columns) : (a.columns, a.rows)
    precondition(m == count && n == x.count, "shapes of the product do not fit")
    assert(isDisjoint(from: a.elements, x), overlap)
    if m == 0 { return }
    withElements { y in
      guard n > 0 else { return scaleOrClear(beta) }
      a.elements.withElements { aElements in
        x.withElements { x in
          // Each thread has its own elements of y.
          Threads.parallel(m, grain: max(64, 1 << 16 / n)) { part in
            let (first, count) = (part.lowerBound, Int32(part.count))
            Scalar.gemv(
              opA, rows: opA == .no ? count : Int32(n), columns: opA == .no ? Int32(n) : count, alpha: alpha,
              a: aElements.baseAddress! + first * (opA == .no ? a.columns : 1), lda: Int32(a.columns),
              x: x.baseAddress!, beta: beta, y: y.baseAddress! + first)
          }
        }
      }
    }
  }

  /// self ← a x for a symmetric matrix a; reads its upper triangle only.
  public func assignSymmetricProduct(_ a: Matrix<Scalar>, _ x: Vector) {
    precondition(a.rows == a.columns, "the matrix is not square")
    assignSymmetricProduct(a, rows: 0..<a.rows, x)
  }

  /// self ← the contribution of the rows `range` of the upper triangle of a symmetric matrix to its product with x:
  /// elements right of the diagonal also contribute as their mirror images. The sum over all rows is the product.
  ///
  /// - Parameter a: the rows `range` of the matrix.
  package func assignSymmetricProduct(_ a: Matrix<Scalar>, rows range: Range<Int>, _ x: Vector) {
    precondition(
      a.rows == range.count && range.upperBound <= count && a.columns == count && x.count == count,
      "shapes of the product do not fit")
    assert(isDisjoint(from: a.elements, x), overlap)
    if range.isEmpty { return fill(0) }
    let n = count
    let pieces = max(1, min(Threads.available, range.count * n / (1 << 15)))
    let panels = (0..<pieces).map { GramPanel.part($0, of: pieces, range, n, unit: 16) }
    // The contributions of a panel's rows to the elements from its first one on.
    let sums = pieces == 1 ? Matrix(self, 1, n) : Matrix(zeros: pieces, n)
    if pieces == 1 { self[0..<range.lowerBound].fill(0) }
    sums.elements.withElements { sums in
      a.elements.withElements { a in
        x.withElements { x in
          Threads.forEach(pieces) { index in
            let (first, height) = (panels[index].lowerBound, Int32(panels[index].count))
            if height == 0 { return }
            let (x, y) = (x.baseAddress!, sums.baseAddress! + index * n)
            let a = a.baseAddress! + (first - range.lowerBound) * n
            Scalar.symv(n: height, a: a + first, lda: Int32(n), x: x + first, y: y + first)
            // Tiles are read twice, the second time from the processor's second cache.
            let width = max(64, 1 << 17 / Int(height))
            for start in stride(from: panels[index].upperBound, to: n, by: width) {
              let columns = Int32(min(width, n - start))
              Scalar.gemv(
                .no, rows: height, columns: columns, alpha: 1, a: a + start, lda: Int32(n), x: x + start, beta: 1,
                y: y + first)
              Scalar.gemv(
                .yes, rows: height, columns: columns, alpha: 1, a: a + start, lda: Int32(n), x: x + first, beta: 0,
                y: y + start)
            }
          }
        }
      }
    }
    if pieces > 1 { assignColumnSums(sums) }
  }

  /// xᵀy, accumulated in `Double`.
  public func dot(_ other: Vector) -> Double {
    precondition(count == other.count, "vectors differ in count")
    return overBlocks(self, other) { x, n in Scalar.dot(x[0], x[1], n) }.reduce(0, +)
  }

  /// ‖x‖², accumulated in `Double`.
  public var squaredNorm: Double { dot(self) }

  /// ‖x‖, accumulated in `Double`.
  public var norm: Double { squaredNorm.squareRoot() }

  /// Whether no element is NaN or infinite.
  public var isFinite: Bool { overBlocks(self) { x, n in Scalar.isFinite(x[0], n) }.allSatisfy { $0 } }

  /// self ← a·x + b·self. With b = 0 the old elements do not matter, even if they are not finite.
  public func combine(_ a: Scalar, _ x: Vector, _ b: Scalar = 1) {
    precondition(count == x.count, "vectors differ in count")
    assert(isDisjoint(from: x), overlap)
    if count == 0 { return }
    withElements { y in
      x.withElements { x in
        Threads.parallel(count, grain: 1 << 16) { range in
          Scalar.combine(a, x.baseAddress! + range.lowerBound, b, y.baseAddress! + range.lowerBound, range.count)
        }
      }
    }
  }

  /// Scales by β as BLAS does: zero clears the vector, whatever it contains.
  fileprivate func scaleOrClear(_ beta: Scalar) {
    if beta == 0 { fill(0) } else { scale(beta) }
  }

  /// self ← a·self.
  public func scale(_ a: Scalar) {
    if count == 0 { return }
    withElements { x in
      Threads.parallel(count, grain: 1 << 16) { Scalar.scale(a, x.baseAddress! + $0.lowerBound, $0.count) }
    }
  }
}

/// The distribution of a product's elements over threads, as tiles of nearly equal sides, since each thread reads its
/// own parts of both factors.
struct ProductGrid {
  private let size: (rows: Int, columns: Int)
  private let parts: (rows: Int, columns: Int)

  /// The sides of tiles are multiples of this, which suits the kernels of BLAS.
  private static let unit = 16
  /// Multiplications that justify another thread.
  private static let grain = 1 << 19

  init(rows: Int, columns: Int, depth: Int) {
    size = (rows, columns)
    let most = min(Threads.available, max(1, rows * columns * depth / Self.grain))
    func fits(_ parts: (rows: Int, columns: Int)) -> Bool {
      parts.rows <= max(1, rows / Self.unit) && parts.columns <= max(1, columns / Self.unit)
    }
    /// The count of numbers that a thread reads, up to the depth of the product.
    func perimeter(_ parts: (rows: Int, columns: Int)) -> Int { rows / parts.rows + columns / parts.columns }
    parts = stride(from: most, through: 1, by: -1).lazy.compactMap { count in
      (1...count).filter { count.isMultiple(of: $0) }.map { ($0, count / $0) }.filter(fits)
        .min { perimeter($0) < perimeter($1) }
    }.first!
  }

  var count: Int { parts.rows * parts.columns }

  func rows(of tile: Int) -> Range<Int> { Self.part(tile / parts.columns, of: parts.rows, size.rows) }
  func columns(of tile: Int) -> Range<Int> { Self.part(tile % parts.columns, of: parts.columns, size.columns) }

  private static func part(_ index: Int, of parts: Int, _ size: Int) -> Range<Int> {
    func bound(_ index: Int) -> Int { index == parts ? size : size * index / parts / unit * unit }
    return bound(index)..<bound(index + 1)
  }
}
