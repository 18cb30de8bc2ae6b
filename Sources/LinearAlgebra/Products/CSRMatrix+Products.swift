extension Matrix {
  /// self ← self + x w, for sparse x (rows × k) and w (k × columns): each entry adds a multiple of a contiguous row.
  package func addProduct(_ x: CSRMatrix<Scalar>, _ w: Matrix) {
    precondition(x.rows == rows && x.columns == w.rows && w.columns == columns, "shapes of the product do not fit")
    assert(elements.isDisjoint(from: w.elements, x.values), overlap)
    if x.entryCount == 0 || columns == 0 { return }
    elements.withElements { y in
      w.elements.withElements { w in
        x.withStorage { starts, entryColumns, values in
          Threads.parallel(rows, grain: max(1, (1 << 16) * rows / (x.entryCount * columns))) { range in
            Scalar.sparseProduct(
              starts: starts + range.lowerBound, columns: entryColumns, values: values, rows: range.count,
              w.baseAddress!, columns, into: y.baseAddress! + range.lowerBound * columns)
          }
        }
      }
    }
  }

  /// self ← xᵀ diag(factors) d, for sparse x (k × rows), sorted by columns, and d (k × columns); without factors xᵀ d.
  ///
  /// A row is the sum over the entries of its column of x, in the order of rows for any number of threads, and zero
  /// without entries.
  /// where there are none.
  package func assignTransposedProduct(
    _ x: CSRMatrix<Scalar>, _ d: Matrix, scaledBy factors: Vector<Scalar>? = nil
  ) {
    precondition(
      x.columns == rows && x.rows == d.rows && d.columns == columns && factors?.count ?? x.rows == x.rows,
      "shapes of the product do not fit")
    guard let byColumns = x.byColumns else { preconditionFailure("the entries are not sorted by columns") }
    assert(elements.isDisjoint(from: d.elements, factors ?? d.elements, byColumns.values), overlap)
    Threads.parallel(elements.count, grain: 1 << 17) { elements[$0].fill(0) }
    if x.entryCount == 0 || columns == 0 { return }
    let count = byColumns.columns.count
    let block = max(1, (1 << 16) * count / (x.entryCount * columns))
    elements.withElements { g in
      d.elements.withElements { d in
        (factors ?? byColumns.values).withElements { factor in
          byColumns.withStorage { starts, entryRows, values in
            byColumns.columns.withUnsafeBufferPointer { entryColumns in
              // Columns have unequal numbers of entries: a thread takes the next ones as soon as it is free.
              Threads.share((count + block - 1) / block) { index, _ in
                let first = index * block
                Scalar.sparseTransposedProduct(
                  columns: entryColumns.baseAddress! + first, starts: starts + first, rows: entryRows, values: values,
                  count: min(block, count - first), factors: factors == nil ? nil : UnsafePointer(factor.baseAddress!),
                  d.baseAddress!, columns, into: g.baseAddress!)
              }
            }
          }
        }
      }
    }
  }

  /// Rows of (x xᵀ + shift) ∘ (y yᵀ) + β self, for sparse x, sorted by columns: inner products of [x | √shift] ⊗ y. The
  /// other parameters are as for dense x.
  package func assignGramProducts(
    _ rows: GramRows, of x: CSRMatrix<Scalar>, _ y: Matrix, shift: Scalar, beta: Scalar = 0, scratch: Vector<Scalar>
  ) {
    precondition(x.rows == columns && y.rows == columns, "shapes of the product do not fit")
    assignGramTiles(rows, shift: shift, beta: beta, scratch: scratch) { side, rows, tile, c in
      if side == 0 { x.assignDots(rows, tile, into: c) } else { y[rows: rows].assignGramTile(y[rows: tile], into: c) }
    }
  }
}

extension Vector {
  /// self_j ← Σ_i factors_i x_ij², the weighted sum of squares of each column of sparse x, in the order of rows.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assignColumnSquareSums(_ x: CSRMatrix<Scalar>, scaledBy factors: Vector<Scalar>) {
    precondition(x.columns == count && x.rows == factors.count, "one sum a column, and one factor a row")
    assert(isDisjoint(from: x.values, factors), overlap)
    fill(0)
    if x.entryCount == 0 { return }
    withElements { sums in
      factors.withElements { factors in
        x.withStorage { starts, entryColumns, values in
          for row in 0..<x.rows {
            for entry in starts[row]..<starts[row + 1] {
              sums[Int(entryColumns[entry])] += factors[row] * values[entry] * values[entry]
            }
          }
        }
      }
    }
  }
}

extension CSRMatrix {
  /// c (rows × tile) ← the inner products of rows of a matrix that is sorted by columns: one product per pair of
  /// entries in the same column, in the order of columns.
  func assignDots(_ rows: Range<Int>, _ tile: Range<Int>, into c: UnsafeMutablePointer<Scalar>) {
    guard let byColumns else { preconditionFailure("the entries are not sorted by columns") }
    if entryCount == 0 { return Scalar.fill(c, 0, rows.count * tile.count) }
    withStorage { rowStarts, _, rowValues in
      byColumns.withStorage { columnStarts, entryRows, values in
        byColumns.places.withUnsafeBufferPointer { places in
          Scalar.sparseDots(
            rowStarts: rowStarts + rows.lowerBound, places: places.baseAddress!, rowValues: rowValues,
            count: rows.count, columnStarts: columnStarts, rows: entryRows, values: values, tile, into: c)
        }
      }
    }
  }

  /// Calls `body` with the starts of the rows, and the columns and values of all stored entries. There must be entries.
  fileprivate func withStorage(
    _ body: (UnsafePointer<Int>, UnsafePointer<Int32>, UnsafePointer<Scalar>) -> Void
  ) {
    starts.withUnsafeBufferPointer { starts in
      storedColumns.withUnsafeBufferPointer { columns in
        storedValues.withElements { body(starts.baseAddress!, columns.baseAddress!, $0.baseAddress!) }
      }
    }
  }
}

extension SparseColumns {
  /// Calls `body` with the starts of the columns, and the rows and values of the entries. There must be entries.
  fileprivate func withStorage(
    _ body: (UnsafePointer<Int>, UnsafePointer<Int32>, UnsafePointer<Scalar>) -> Void
  ) {
    starts.withUnsafeBufferPointer { starts in
      rows.withUnsafeBufferPointer { rows in
        values.withElements { body(starts.baseAddress!, rows.baseAddress!, $0.baseAddress!) }
      }
    }
  }
}
