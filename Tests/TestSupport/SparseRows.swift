import LinearAlgebra

extension CSRMatrix {
  /// The nonzero numbers of dense rows.
  package init(_ rows: [[Double]], columns: Int) {
    let entries = rows.map { row in row.indices.filter { row[$0] != 0 } }
    self.init(
      rowStarts: entries.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      entryColumns: entries.flatMap { $0.map { Int32($0) } },
      values: Vector(zip(rows, entries).flatMap { row, places in places.map { Scalar(row[$0]) } }), columns: columns)
  }
}

extension Samples {
  /// Rows that are mostly zeros: one in `sparsity` numbers is not. The first row is empty, and so are the second and
  /// the last column; the first column is full except for the first row.
  package mutating func sparseRows(_ rows: Int, _ columns: Int, sparsity: Int = 3) -> [[Double]] {
    (0..<rows).map { row in
      (0..<columns).map { column in
        let number = normal()
        if row == 0 || column == 1 || column == columns - 1 && column > 0 { return 0 }
        return column == 0 || integer(below: sparsity) == 0 ? number : 0
      }
    }
  }
}

/// Parameters with the weights of their first layer transposed, from `outputs` × `inputs` or back.
package func transposingFirst(_ parameters: [Double], _ rows: Int, _ columns: Int) -> [Double] {
  (0..<rows * columns).map { parameters[$0 % rows * columns + $0 / rows] } + parameters.dropFirst(rows * columns)
}
