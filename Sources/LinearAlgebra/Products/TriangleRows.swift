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
  /// Moves the upper triangle to the front, as `TriangleRows`, and returns all of it, sharing storage.
  package func packTriangle() -> TriangleRows<Scalar> {
    precondition(rows == columns, "a triangle is of a square matrix")
    elements.withElements { elements in
      var end = 0
      for row in 0..<rows {
        // Memory may overlap, and the target is never behind the source.
        (elements.baseAddress! + end).update(from: elements.baseAddress! + row * columns + row, count: columns - row)
        end += columns - row
      }
    }
    let all = 0..<rows
    return TriangleRows(all, of: rows, elements[0..<TriangleRows<Scalar>.count(all, of: rows)])
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
