/// Consecutive rows of the upper triangle of a symmetric B × B matrix, without what is below the diagonal: row i has B − i
/// numbers.
package struct TriangleRows<Scalar: BLASScalar> {
  package let range: Range<Int>
  /// B
  let size: Int
  package let elements: Vector<Scalar>

  /// - Precondition: there are as many elements as the rows have.
  package init(_ range: Range<Int>, of size: Int, _ elements: Vector<Scalar>) {
    precondition(elements.count == Self.count(range, of: size), "the elements do not fill the rows")
    (self.range, self.size, self.elements) = (range, size, elements)
  }

  /// The number of elements of rows.
  package static func count(_ range: Range<Int>, of size: Int) -> Int {
    // The sum of B − i.
    range.count * (2 * size - range.lowerBound - range.upperBound + 1) / 2
  }

  /// c (rows × tile) ← the elements of some rows and columns; what is below the diagonal is left out.
  fileprivate func copy(_ rows: Range<Int>, _ tile: Range<Int>, into c: UnsafeMutablePointer<Scalar>) {
    elements.withElements { elements in
      for row in rows where row < tile.upperBound {
        let first = max(row, tile.lowerBound)
        let start = Self.count(range.lowerBound..<row, of: size) + first - row
        (c + (row - rows.lowerBound) * tile.count + first - tile.lowerBound)
          .update(from: elements.baseAddress! + start, count: tile.upperBound - first)
      }
    }
  }
}

extension Matrix {
  /// Of rows of a square matrix, moves what is in the upper triangle to the front, and returns it, sharing storage.
  package func packTriangle(_ range: Range<Int>) -> TriangleRows<Scalar> {
    precondition(rows == range.count && range.upperBound <= columns, "the rows are others")
    let count = TriangleRows<Scalar>.count(range, of: columns)
    if count > 0 {
      elements.withElements { elements in
        var end = 0
        for (index, row) in range.enumerated() {
          // Memory may overlap, and the target is never behind the source.
          (elements.baseAddress! + end).update(
            from: elements.baseAddress! + index * columns + row, count: columns - row)
          end += columns - row
        }
      }
    }
    return TriangleRows(range, of: columns, elements[0..<count])
  }

  /// Rows of (x xᵀ + shift) ∘ Y, for known Y. The other parameters are as for Y = y yᵀ.
  package func assignGramProducts(
    _ rows: GramRows, of x: Matrix, times products: TriangleRows<Scalar>, shift: Scalar, scratch: Vector<Scalar>
  ) {
    precondition(x.rows == columns && products.size == columns, "shapes of the product do not fit")
    assignGramTiles(rows, shift: shift, beta: 0, scratch: scratch) { side, rows, tile, c in
      if side == 0 {
        x[rows: rows].assignGramTile(x[rows: tile], into: c)
      } else {
        products.copy(rows, tile, into: c)
      }
    }
  }

  /// Rows of (x xᵀ + shift) ∘ Y, for sparse x, sorted by columns, and known Y.
  package func assignGramProducts(
    _ rows: GramRows, of x: CSRMatrix<Scalar>, times products: TriangleRows<Scalar>, shift: Scalar,
    scratch: Vector<Scalar>
  ) {
    precondition(x.rows == columns && products.size == columns, "shapes of the product do not fit")
    assignGramTiles(rows, shift: shift, beta: 0, scratch: scratch) { side, rows, tile, c in
      if side == 0 { x.assignDots(rows, tile, into: c) } else { products.copy(rows, tile, into: c) }
    }
  }
}
