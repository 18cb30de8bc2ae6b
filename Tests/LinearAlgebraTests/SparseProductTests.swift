import LinearAlgebra
import TestSupport
import Testing

@Suite struct SparseProductTests {
  func close<Scalar>(_ x: [Scalar], _ expected: [Double], _ roundings: Double = 3000) -> Bool where Scalar: BLASScalar {
    x.count == expected.count
      && zip(x, expected).allSatisfy { abs(Double($0) - $1) <= roundings * Double(Scalar.ulpOfOne) }
  }

  func checkProducts<Scalar: BLASScalar>(
    _: Scalar.Type, _ rows: [[Double]], _ sparse: CSRMatrix<Scalar>, columns n: Int
  ) {
    let (b, d) = (rows.count, sparse.columns)
    var samples = Samples(seed: UInt64(b + n))
    let weight: Matrix<Scalar> = samples.matrix(d, n)
    let start: Matrix<Scalar> = samples.matrix(b, n)
    let cotangent: Matrix<Scalar> = samples.matrix(b, n)
    let factors: Vector<Scalar> = samples.vector(b)
    let (w, s, c, f) = (weight.doubles, start.doubles, cotangent.doubles, factors.doubles)

    start.addProduct(sparse, weight)
    #expect(close(start.elements.array, sums(s, of: rows) { i, j, k in (i, k, rows[i][j] * w[j][k]) }))
    let none = [[Double]](repeating: [Double](repeating: 0, count: n), count: d)
    let squares = Vector([Scalar](repeating: .nan, count: d))
    squares.assignColumnSquareSums(sparse, scaledBy: factors)
    let zero = [[Double]](repeating: [0], count: d)
    #expect(close(squares.array, sums(zero, of: rows) { i, j, _ in (j, 0, f[i] * rows[i][j] * rows[i][j]) }))

    let columnFactors: Vector<Scalar> = samples.vector(d)
    let a = columnFactors.doubles
    let scaled = sparse.sorted().scaled(columnsBy: columnFactors)
    let product: Matrix<Scalar> = samples.matrix(b, n)
    let old = product.doubles
    product.addProduct(sparse.scaled(columnsBy: columnFactors), weight)
    #expect(close(product.elements.array, sums(old, of: rows) { i, j, k in (i, k, rows[i][j] * a[j] * w[j][k]) }))
    let transposed = Matrix(Vector([Scalar](repeating: .nan, count: d * n)), d, n)
    transposed.assignTransposedProduct(scaled, cotangent)
    #expect(close(transposed.elements.array, sums(none, of: rows) { i, j, k in (j, k, rows[i][j] * a[j] * c[i][k]) }))
    for scale in [nil, factors] {
      let product = Matrix(Vector([Scalar](repeating: .nan, count: d * n)), d, n)
      product.assignTransposedProduct(sparse.sorted(), cotangent, scaledBy: scale)
      let expected = sums(none, of: rows) { i, j, k in (j, k, rows[i][j] * (scale == nil ? 1 : f[i]) * c[i][k]) }
      #expect(close(product.elements.array, expected))
    }
  }

  /// The elements of `start`, with the terms of each entry (i, j) of `rows` that is not zero and each column k.
  func sums(
    _ start: [[Double]], of rows: [[Double]], _ term: (Int, Int, Int) -> (row: Int, column: Int, value: Double)
  ) -> [Double] {
    let n = start.first?.count ?? 0
    var result = start.flatMap(\.self)
    for (i, row) in rows.enumerated() {
      for j in row.indices where row[j] != 0 {
        for k in 0..<n {
          let (row, column, value) = term(i, j, k)
          result[row * n + column] += value
        }
      }
    }
    return result
  }

  func checkAll<Scalar: BLASScalar>(_: Scalar.Type) {
    var samples = Samples(seed: 3)
    for (b, d) in [(0, 4), (1, 1), (1, 5), (5, 1), (9, 13), (33, 3000)] {
      for rows in [samples.sparseRows(b, d), samples.sparseRows(b, d, sparsity: 1), .zeros(b, d)] {
        let sparse = CSRMatrix<Scalar>(rows, columns: d)
        #expect(sparse.rows == b && sparse.columns == d)
        #expect(sparse.entryCount == rows.reduce(0) { $0 + $1.count { $0 != 0 } })
        for n in [1, 2, 10, 37] { checkProducts(Scalar.self, rows, sparse, columns: n) }
        let middle = b / 3..<b - b / 4
        checkProducts(Scalar.self, Array(rows[middle]), sparse[rows: middle], columns: 5)
        checkProducts(Scalar.self, Array(rows[middle]), sparse.sorted()[rows: middle], columns: 5)
        let joined = CSRMatrix(joining: [sparse[rows: middle], sparse[rows: 0..<0], sparse])
        checkProducts(Scalar.self, rows[middle] + rows, joined, columns: 3)
        #expect(joined.rowCounts == sparse[rows: middle].rowCounts + sparse.rowCounts)
      }
    }
  }

  @Test(arguments: [1, 3])
  func `Products with a sparse matrix and its transpose are those of the dense one`(threads: Int) {
    withThreads(threads) {
      checkAll(Float.self)
      checkAll(Double.self)
    }
  }

  @Test func `Products have the same bits on any number of threads`() {
    var samples = Samples(seed: 4)
    let x = CSRMatrix<Float>(samples.sparseRows(200, 3000), columns: 3000).sorted()
    let weight: Matrix<Float> = samples.matrix(3000, 47)
    let cotangent: Matrix<Float> = samples.matrix(200, 47)
    let results = [1, 2, 3].map { threads in
      withThreads(threads) {
        let product = Matrix<Float>(zeros: 200, 47)
        product.addProduct(x, weight)
        let transposed = Matrix<Float>(zeros: 3000, 47)
        transposed.assignTransposedProduct(x, cotangent)
        return product.elements.array + transposed.elements.array
      }
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  func checkGram<Scalar: BLASScalar>(_: Scalar.Type, _ size: Int, _ range: Range<Int>, entries: Bool = true) {
    var samples = Samples(seed: UInt64(size))
    let rows = entries ? samples.sparseRows(size, 40, sparsity: 8) : .zeros(size, 40)
    let dense = Matrix(Vector(rows.flatMap { $0.map { Scalar($0) } }), size, 40)
    let sparse = CSRMatrix<Scalar>(rows, columns: 40).sorted()
    let y: Matrix<Scalar> = samples.matrix(size, 4)
    let scratch = Vector<Scalar>(zeros: GramPanel.scratchCount(positions: 1))
    for β in [Scalar(0), 1] {
      for isAligned in [false, true] {
        let old: Matrix<Scalar> = samples.matrix(range.count, size)
        if β == 0 { old.elements.fill(.nan) }
        let (block, expected) = (old, Matrix(old.elements.copy(), range.count, size))
        scratch.fill(.nan)
        let chosen = GramRows(range, isAligned: isAligned)
        block.assignGramProducts(chosen, of: sparse, y, shift: 1, beta: β, scratch: scratch)
        expected.assignGramProducts(chosen, of: GramOperands(dense, y), shift: 1, beta: β, scratch: scratch)
        for i in range {
          #expect(
            close(
              block[row: i - range.lowerBound].array.suffix(size - i),
              expected[row: i - range.lowerBound].doubles.suffix(size - i), 2000))
        }
      }
    }
  }

  @Test func `Rows of a Gram matrix are those of the dense rows`() {
    for threads in [1, 2] {
      withThreads(threads) {
        for (size, range) in [(1, 0..<1), (5, 2..<4), (5, 5..<5), (9, 3..<9), (600, 0..<600), (600, 128..<470)] {
          checkGram(Float.self, size, range)
          checkGram(Double.self, size, range)
        }
        checkGram(Double.self, 5, 0..<5, entries: false)
      }
    }
  }
}

extension [[Double]] {
  static func zeros(_ rows: Int, _ columns: Int) -> [[Double]] {
    Array(repeating: [Double](repeating: 0, count: columns), count: rows)
  }
}
