import LinearAlgebra

extension CSRMatrix {
  /// The numbers of dense rows that are not zero.
  package init(_ rows: [[Double]], columns: Int) {
    let entries = rows.map { row in row.indices.filter { row[$0] != 0 } }
    self.init(
      rowStarts: entries.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      entryColumns: entries.flatMap { $0.map { Int32($0) } },
      values: Vector(zip(rows, entries).flatMap { row, places in places.map { Scalar(row[$0]) } }), columns: columns)
  }
}

extension Samples {
  /// Rows that are mostly zeros: one in `sparsity` numbers is not. The first row is empty, and so are the second column and
  /// the last; the first column is full but for that row.
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

/// Parameters with the weights of their first layer, `outputs` × `inputs` or the other way round, turned into the transpose.
package func transposingFirst(_ parameters: [Double], _ rows: Int, _ columns: Int) -> [Double] {
  (0..<rows * columns).map { parameters[$0 % rows * columns + $0 / rows] } + parameters.dropFirst(rows * columns)
}
