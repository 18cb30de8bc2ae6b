/// Rows of symmetric B × B matrices of inner products. Only the upper triangle has a meaning; a row's other elements may be
/// overwritten. The rows are worked on in panels, the longest first, by all threads.
extension Matrix {
  /// The rows `range` of a aᵀ + β self: self has range.count rows and as many columns as a has rows.
  package func assignGramRows(_ range: Range<Int>, of a: Matrix, beta: Scalar = 0) {
    checkGram(range, of: a)
    let k = a.columns
    forEachPanel(range, height: GramPanel.rows) { panel, c, _ in
      a.elements.withElements { a in
        let own = a.baseAddress! + panel.lowerBound * k
        Scalar.gemm(
          .no, .yes, m: Int32(panel.count), n: Int32(columns - panel.lowerBound), k: Int32(k), alpha: 1, a: own,
          lda: Int32(k), b: own, ldb: Int32(k), beta: beta, c: c + panel.lowerBound, ldc: Int32(columns))
      }
    }
  }

  /// The rows `range` of Σ_{t,u} (x_t x_uᵀ + shift) ∘ (y_t y_uᵀ) + β self, where row i has T = `positions` rows of x and of
  /// y, the rows iT + t: inner products of Σ_t [x_t | √shift] ⊗ y_t.
  ///
  /// - Parameters:
  ///   - divided: the rows of `range` of x A and y S in place of those of x and y on the left side, for symmetric A and S.
  ///   - isAligned: whether no panel crosses a multiple of `GramPanel.rows`, at which `range` begins: then no bit of a row
  ///     depends on the other rows of `range`.
  ///   - scratch: at least `GramPanel.scratchCount` numbers.
  package func assignGramProducts(
    _ range: Range<Int>, _ x: Matrix, _ y: Matrix, divided: (x: Matrix, y: Matrix)? = nil, positions T: Int = 1,
    shift: Scalar, beta: Scalar = 0, isAligned: Bool = false, scratch: Vector<Scalar>
  ) {
    checkGram(range, of: x, positions: T)
    checkGram(range, of: y, positions: T)
    let own = range.lowerBound * T..<range.upperBound * T
    let sides = [(divided?.x ?? x[rows: own], x), (divided?.y ?? y[rows: own], y)]
    precondition(
      sides.allSatisfy { $0.rows == own.count && $0.columns == $1.columns }, "shapes of the product do not fit")
    assignGramTiles(range, positions: T, shift: shift, beta: beta, isAligned: isAligned, scratch: scratch) {
      side, rows, tile, c in
      let (left, right) = sides[side]
      let own = (rows.lowerBound - range.lowerBound) * T..<(rows.upperBound - range.lowerBound) * T
      left[rows: own].assignGramTile(right[rows: tile.lowerBound * T..<tile.upperBound * T], into: c)
    }
  }

  /// Rows of Σ_{t,u} (X_tu + shift) ∘ Y_tu + β self, where `multiply` forms tiles of X (side 0) and Y (side 1): all positions
  /// of some rows × all positions of some columns.
  func assignGramTiles(
    _ range: Range<Int>, positions T: Int = 1, shift: Scalar, beta: Scalar, isAligned: Bool, scratch: Vector<Scalar>,
    multiply: (_ side: Int, _ rows: Range<Int>, _ tile: Range<Int>, _ c: UnsafeMutablePointer<Scalar>) -> Void
  ) {
    var (height, width) = GramPanel.tile(positions: T)
    // The next lower power of two.
    if isAligned { height = 1 << (Int.bitWidth - 1 - height.leadingZeroBitCount) }
    precondition(scratch.count >= GramPanel.scratchCount(positions: T), "the scratch is too small")
    forEachPanel(range, height: height) { panel, c, thread in
      scratch.withElements { scratch in
        let products = scratch.baseAddress! + thread * 2 * height * width * T * T
        for start in stride(from: panel.lowerBound, to: columns, by: width) {
          let tile = start..<min(start + width, columns)
          let (m, n) = (panel.count * T, tile.count * T)
          for side in 0...1 { multiply(side, panel, tile, products + side * m * n) }
          for row in 0..<m {
            let (products, c) = (products + row * n, c + row / T * columns + start)
            let beta = row % T == 0 ? beta : 1
            if T == 1 {
              Scalar.addProducts(products, shift, products + m * n, beta, into: c, n)
            } else {
              Scalar.addDots(products, shift, products + m * n, T, beta, into: c, tile.count)
            }
          }
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

  /// Element (i, j) of the rows `range` ← factors_i · factors_j times itself.
  package func scaleGramRows(_ range: Range<Int>, by factors: Vector<Scalar>) {
    precondition(factors.count == columns, "shapes do not fit")
    forEachPanel(range, height: GramPanel.rows) { panel, c, _ in
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

  /// Calls `body` with rows of the triangle, where they begin in self, and the thread.
  private func forEachPanel(
    _ range: Range<Int>, height: Int, _ body: (Range<Int>, UnsafeMutablePointer<Scalar>, _ thread: Int) -> Void
  ) {
    precondition(rows == range.count && range.upperBound <= columns, "shapes do not fit")
    elements.withElements { elements in
      Threads.sharePanels(of: range, height: height) { panel, thread in
        body(panel, elements.baseAddress! + (panel.lowerBound - range.lowerBound) * columns, thread)
      }
    }
  }
}

/// The tiles that rows of inner products are formed in.
package enum GramPanel {
  /// Rows of a panel: few enough to share out evenly and to waste little below the diagonal. A power of two.
  package static let rows = 64
  /// Columns of a tile: two of them fit in a processor's second cache.
  private static let columns = 512

  /// Height and width of a tile, where each row has so many positions.
  static func tile(positions: Int) -> (height: Int, width: Int) {
    (max(1, rows / positions), max(1, columns / positions))
  }

  /// Numbers that a product works in, where each row has so many positions.
  package static func scratchCount(positions: Int) -> Int {
    let (height, width) = tile(positions: positions)
    return Threads.count * 2 * height * width * positions * positions
  }
}
