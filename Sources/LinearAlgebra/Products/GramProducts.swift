/// The rows of a symmetric matrix of inner products that are to be formed.
package struct GramRows {
  package let range: Range<Int>
  /// Whether no panel crosses a multiple of `GramPanel.rows`; `range` must begin at one. Then no bit of a row depends on
  /// the other rows of `range`.
  package let isAligned: Bool

  package init(_ range: Range<Int>, isAligned: Bool = false) { (self.range, self.isAligned) = (range, isAligned) }
}

/// Operands of inner products: row i is Σ_t x_t ⊗ y_t, where T = `positions` rows of x and of y belong to it, the rows
/// iT + t.
package struct GramOperands<Scalar: BLASScalar> {
  let x, y: Matrix<Scalar>
  let positions: Int
  /// x A and y S for the rows that are to be formed, which replace x and y on the left side, for symmetric A and S.
  let divided: (x: Matrix<Scalar>, y: Matrix<Scalar>)?

  package init(
    _ x: Matrix<Scalar>, _ y: Matrix<Scalar>, positions: Int = 1, divided: (x: Matrix<Scalar>, y: Matrix<Scalar>)? = nil
  ) {
    (self.x, self.y, self.positions, self.divided) = (x, y, positions, divided)
  }
}

/// Rows of symmetric B × B matrices of inner products. Only the upper triangle is defined; the other elements of a row
/// may be overwritten. All threads work on panels of rows, the longest first.
extension Matrix {
  /// Rows of a aᵀ + β self. self has `rows.range.count` rows, and as many columns as a has rows.
  package func assignGramRows(_ rows: GramRows, of a: Matrix, beta: Scalar = 0) {
    let range = rows.range
    checkGram(range, of: a)
    assert(elements.isDisjoint(from: a.elements), overlap)
    let k = Int32(a.columns)
    forEachPanel(GramPanel.panels(of: rows, columns), of: range) { panel, c, _ in
      a.elements.withElements { a in
        let own = a.baseAddress! + panel.lowerBound * Int(k)
        Scalar.syrk(
          .upper, .no, n: Int32(panel.count), k: k, alpha: 1, a: own, lda: k, beta: beta, c: c + panel.lowerBound,
          ldc: Int32(columns))
        let rest = columns - panel.upperBound
        if rest == 0 { return }
        Scalar.gemm(
          .no, .yes, m: Int32(panel.count), n: Int32(rest), k: k, alpha: 1, a: own, lda: k,
          b: own + panel.count * Int(k), ldb: k, beta: beta, c: c + panel.upperBound, ldc: Int32(columns))
      }
    }
  }

  /// Rows of Σ_{t,u} (x_t x_uᵀ + shift) ∘ (y_t y_uᵀ) + β self: inner products of Σ_t [x_t | √shift] ⊗ y_t.
  ///
  /// - Parameter scratch: at least `GramPanel.scratchCount` numbers.
  package func assignGramProducts(
    _ rows: GramRows, of operands: GramOperands<Scalar>, shift: Scalar, beta: Scalar = 0, scratch: Vector<Scalar>
  ) {
    let (range, T) = (rows.range, operands.positions)
    let (x, y, divided) = (operands.x, operands.y, operands.divided)
    checkGram(range, of: x, positions: T)
    checkGram(range, of: y, positions: T)
    let own = range.lowerBound * T..<range.upperBound * T
    let sides = [(divided?.x ?? x[rows: own], x), (divided?.y ?? y[rows: own], y)]
    precondition(
      sides.allSatisfy { $0.rows == own.count && $0.columns == $1.columns }, "shapes of the product do not fit")
    assert(
      sides.allSatisfy {
        elements.isDisjoint(from: $0.elements, $1.elements) && scratch.isDisjoint(from: $0.elements, $1.elements)
      }, overlap)
    assignGramTiles(rows, positions: T, shift: shift, beta: beta, scratch: scratch) { side, rows, tile, c in
      let (left, right) = sides[side]
      let own = (rows.lowerBound - range.lowerBound) * T..<(rows.upperBound - range.lowerBound) * T
      if T == 1, rows == tile, divided == nil { return right[rows: tile].assignGramTriangle(into: c) }
      left[rows: own].assignGramTile(right[rows: tile.lowerBound * T..<tile.upperBound * T], into: c)
    }
  }

  /// Rows of Σ_{t,u} (X_tu + shift) ∘ Y_tu + β self, where `multiply` forms tiles of X (side 0) and Y (side 1): all
  /// positions of some rows × all positions of some columns.
  func assignGramTiles(
    _ rows: GramRows, positions T: Int = 1, shift: Scalar, beta: Scalar, scratch: Vector<Scalar>,
    multiply: (_ side: Int, _ rows: Range<Int>, _ tile: Range<Int>, _ c: UnsafeMutablePointer<Scalar>) -> Void
  ) {
    let width = GramPanel.width(positions: T)
    let panels = GramPanel.panels(of: rows, columns, positions: T)
    precondition(scratch.count >= GramPanel.scratchCount(positions: T), "the scratch is too small")
    assert(elements.isDisjoint(from: scratch), overlap)
    forEachPanel(panels, of: rows.range) { panel, c, thread in
      scratch.withElements { scratch in
        let products = scratch.baseAddress! + thread * GramPanel.tileCount(positions: T)
        /// Forms the columns `tile`; within the panel itself, row i has only the columns from i on.
        func assign(_ tile: Range<Int>) {
          let (m, n) = (panel.count * T, tile.count * T)
          for side in 0...1 { multiply(side, panel, tile, products + side * m * n) }
          for row in 0..<m {
            let first = panel == tile ? row / T : 0
            let (products, c) = (products + row * n + first * T, c + row / T * columns + tile.lowerBound + first)
            let beta = row % T == 0 ? beta : 1
            if T == 1 {
              Scalar.addProducts(products, shift, products + m * n, beta, into: c, n - first)
            } else {
              Scalar.addDots(products, shift, products + m * n, T, beta, into: c, tile.count - first)
            }
          }
        }
        assign(panel)
        for start in stride(from: panel.upperBound, to: columns, by: width) {
          assign(start..<min(start + width, columns))
        }
      }
    }
  }

  /// c (rows × right.rows) ← self · rightᵀ
  func assignGramTile(_ right: Matrix, into c: UnsafeMutablePointer<Scalar>) {
    elements.withElements { left in
      right.elements.withElements { other in
        Scalar.gemm(
          .no, .yes, m: Int32(rows), n: Int32(right.rows), k: Int32(columns), alpha: 1, a: left.baseAddress!,
          lda: Int32(columns), b: other.baseAddress!, ldb: Int32(columns), beta: 0, c: c, ldc: Int32(right.rows))
      }
    }
  }

  /// The upper triangle of c (rows × rows) ← the upper triangle of self · selfᵀ.
  func assignGramTriangle(into c: UnsafeMutablePointer<Scalar>) {
    elements.withElements { a in
      Scalar.syrk(
        .upper, .no, n: Int32(rows), k: Int32(columns), alpha: 1, a: a.baseAddress!, lda: Int32(columns), beta: 0,
        c: c, ldc: Int32(rows))
    }
  }

  /// Multiplies element (i, j) of the rows `range` by factors_i · factors_j.
  package func scaleGramRows(_ range: Range<Int>, by factors: Vector<Scalar>) {
    precondition(factors.count == columns, "shapes do not fit")
    assert(elements.isDisjoint(from: factors), overlap)
    forEachPanel(GramPanel.panels(of: GramRows(range), columns), of: range) { panel, c, _ in
      factors.withElements { factors in
        for (index, row) in panel.enumerated() {
          let own = c + index * columns + row
          Scalar.multiply(own, factors.baseAddress! + row, into: own, columns - row)
          Scalar.scale(factors[row], own, columns - row)
        }
      }
    }
  }

  private func checkGram(_ range: Range<Int>, of a: Matrix, positions: Int = 1) {
    precondition(a.rows == positions * columns && a.columns > 0, "shapes of the product do not fit")
  }

  /// Calls `body` with rows of the triangle, their beginning in self, and the thread.
  private func forEachPanel(
    _ panels: [Range<Int>], of range: Range<Int>,
    _ body: (Range<Int>, UnsafeMutablePointer<Scalar>, _ thread: Int) -> Void
  ) {
    precondition(rows == range.count && range.upperBound <= columns, "shapes do not fit")
    elements.withElements { elements in
      Threads.share(panels.count) { index, thread in
        let panel = panels[index]
        body(panel, elements.baseAddress! + (panel.lowerBound - range.lowerBound) * columns, thread)
      }
    }
  }
}

/// The panels and tiles in which rows of inner products are formed.
package enum GramPanel {
  /// The height of an aligned panel, which begins at a multiple of it: small enough for an even distribution. A power
  /// of two.
  package static let rows = 64
  /// The largest height of a panel: higher panels have faster products, but leave less room for others in a processor's
  /// second cache.
  private static let mostRows = 384
  /// The number of columns of a tile.
  private static let columns = 512
  /// The cost of a row besides its products with the rows after it, in products: kernels compute whole squares at the
  /// diagonal, and reorder the panel first.
  private static let overhead = 48.0

  /// Part `index` of `count` of the rows `range` of an upper triangle of `columns` rows. All parts take the same time,
  /// at least nearly if they begin at multiples of `unit`.
  package static func part(
    _ index: Int, of count: Int, _ range: Range<Int>, _ columns: Int, unit: Int = 1
  ) -> Range<Int> {
    let all = Double(columns) + overhead
    let (first, last) = (all - Double(range.lowerBound), all - Double(range.upperBound))
    func bound(_ index: Int) -> Int {
      if index == 0 { return range.lowerBound }
      if index == count { return range.upperBound }
      let rest = (first * first - (first * first - last * last) * Double(index) / Double(count)).squareRoot()
      let bound = Int((all - rest).rounded())
      return Swift.min(Swift.max(range.lowerBound, (bound + unit / 2) / unit * unit), range.upperBound)
    }
    return bound(index)..<bound(index + 1)
  }

  /// Rows of an upper triangle of `columns` rows in panels, the longest first: a thread's share of the area, or equal
  /// parts of it where it is too large. Aligned panels have about `GramPanel.rows` positions.
  static func panels(of chosen: GramRows, _ columns: Int, positions: Int = 1) -> [Range<Int>] {
    let range = chosen.range
    if chosen.isAligned {
      // The height is rounded down to a power of two.
      let height = 1 << (Int.bitWidth - 1 - max(1, rows / positions).leadingZeroBitCount)
      return stride(from: range.lowerBound, to: range.upperBound, by: height).map {
        $0..<Swift.min($0 + height, range.upperBound)
      }
    }
    let height = max(1, mostRows / positions)
    // The kernels of BLAS work on this many rows at once, which is used unless it is a large part of a share.
    let unit = range.count >= 128 ? 16 : 1
    return (0..<Threads.available).flatMap { index in
      let share = part(index, of: Threads.available, range, columns, unit: unit)
      let count = (share.count + height - 1) / height
      return (0..<count).map { share.part($0, of: count) }
    }
  }

  /// The width of a tile with `positions` positions per row.
  static func width(positions: Int) -> Int { max(1, columns / positions) }

  /// Numbers in two tiles.
  static func tileCount(positions: Int) -> Int {
    let height = max(1, mostRows / positions)
    return 2 * height * max(height, width(positions: positions)) * positions * positions
  }

  /// Numbers of scratch for a product with `positions` positions per row.
  package static func scratchCount(positions: Int) -> Int { Threads.count * tileCount(positions: positions) }
}
