import LinearAlgebra
import TestSupport
import Testing

/// op(a), as rows of `Double`.
private func opened<Scalar: BLASScalar>(_ a: Matrix<Scalar>, _ op: Transpose) -> [[Double]] {
  op == .no ? a.doubles : (0..<a.columns).map { j in (0..<a.rows).map { Double(a[$0, j]) } }
}

@Suite struct ProductTests {
  /// Shapes with an empty side, with a side of one, and with tails.
  static let shapes = [(0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (5, 7, 3), (17, 33, 65), (64, 16, 100)]

  func checkProduct<Scalar: BLASScalar>(
    _: Scalar.Type, _ shape: (m: Int, n: Int, k: Int), _ opA: Transpose, _ opB: Transpose
  ) {
    let (m, n, k) = shape
    var samples = Samples(seed: UInt64(m + 100 * n + 10000 * k))
    let a: Matrix<Scalar> = opA == .no ? samples.matrix(m, k) : samples.matrix(k, m)
    let b: Matrix<Scalar> = opB == .no ? samples.matrix(k, n) : samples.matrix(n, k)
    let old: Matrix<Scalar> = samples.matrix(m, n)
    let (rowsA, rowsB) = (opened(a, opA), opened(b, opB))
    for (α, β) in [(1.0, 0.0), (0.5, 1), (-2, 0.25)] {
      // With β = 0 the old values do not matter.
      let c = β == 0 ? Matrix(Vector([Scalar](repeating: .nan, count: m * n)), m, n) : Matrix(old.elements.copy(), m, n)
      c.assignProduct(a, opA, b, opB, alpha: Scalar(α), beta: Scalar(β))
      // One expectation for all elements, since each of them costs more than a product.
      var wrong: [(row: Int, column: Int)] = []
      for i in 0..<m {
        for j in 0..<n {
          let terms = (0..<k).map { α * rowsA[i][$0] * rowsB[$0][j] } + [β == 0 ? 0 : β * Double(old[i, j])]
          let bound = Double(Scalar.ulpOfOne) * Double(k + 2) * terms.reduce(0) { $0 + abs($1) }
          if !(abs(Double(c[i, j]) - terms.reduce(0, +)) <= bound) { wrong.append((i, j)) }
        }
      }
      #expect(wrong.isEmpty)
    }
  }

  @Test(arguments: shapes)
  func `A product of matrices is the sum over the inner index, transposed or not`(shape: (m: Int, n: Int, k: Int)) {
    for opA in [Transpose.no, .yes] {
      for opB in [Transpose.no, .yes] {
        checkProduct(Float.self, shape, opA, opB)
        checkProduct(Double.self, shape, opA, opB)
      }
    }
  }

  @Test(arguments: [(600, 30, 40), (30, 600, 40)])
  func `A product with a short side is the same when threads share the long one`(shape: (m: Int, n: Int, k: Int)) {
    withThreads(3) {
      for opA in [Transpose.no, .yes] {
        for opB in [Transpose.no, .yes] {
          checkProduct(Float.self, shape, opA, opB)
          checkProduct(Double.self, shape, opA, opB)
        }
      }
    }
  }

  func checkSymmetric<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int, _ k: Int, _ op: Transpose) {
    var samples = Samples(seed: UInt64(n + 100 * k))
    let a: Matrix<Scalar> = op == .no ? samples.matrix(n, k) : samples.matrix(k, n)
    let old: Matrix<Scalar> = samples.matrix(n, n)
    let rows = opened(a, op)
    for (α, β) in [(1.0, 0.0), (0.5, 1), (-2, 0.25)] {
      let c = Matrix(old.elements.copy(), n, n)
      if β == 0 { for i in 0..<n { for j in 0...i { c[i, j] = .nan } } }
      c.assignSymmetricProduct(a, op, alpha: Scalar(α), beta: Scalar(β))
      var wrong: [(row: Int, column: Int)] = []
      for i in 0..<n {
        for j in 0...i {
          let terms = (0..<k).map { α * rows[i][$0] * rows[j][$0] } + [β == 0 ? 0 : β * Double(old[i, j])]
          let bound = Double(Scalar.ulpOfOne) * Double(k + 2) * terms.reduce(0) { $0 + abs($1) }
          if !(abs(Double(c[i, j]) - terms.reduce(0, +)) <= bound) { wrong.append((i, j)) }
        }
        for j in i + 1..<max(n, i + 1) where c[i, j] != old[i, j] { wrong.append((i, j)) }
      }
      #expect(wrong.isEmpty)
    }
  }

  @Test(arguments: [(0, 2), (1, 1), (3, 0), (7, 5), (33, 17)])
  func `A symmetric product fills the lower triangle and leaves the upper one`(n: Int, k: Int) {
    for op in [Transpose.no, .yes] {
      checkSymmetric(Float.self, n, k, op)
      checkSymmetric(Double.self, n, k, op)
    }
  }

  func checkSymmetricVector<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    var samples = Samples(seed: UInt64(n))
    let a: Matrix<Scalar> = samples.matrix(n, n)
    let x: Vector<Scalar> = samples.vector(n)
    for i in 0..<n { for j in 0..<i { a[i, j] = .nan } }
    let y = Vector([Scalar](repeating: .nan, count: n))
    y.assignSymmetricProduct(a, x)
    for i in 0..<n {
      let terms = (0..<n).map { Double(a[min(i, $0), max(i, $0)]) * Double(x[$0]) }
      let bound = Double(Scalar.ulpOfOne) * Double(n + 2) * terms.reduce(0) { $0 + abs($1) }
      #expect(abs(Double(y[i]) - terms.reduce(0, +)) <= bound)
    }
    // The product is also the sum of three parts of the rows, one of which may be empty.
    let bounds = [0, n / 5, n / 5 + min(n, 1), n].sorted().map { min($0, n) }
    let parts = zip(bounds, bounds.dropFirst()).map { first, last in
      let part = Vector([Scalar](repeating: .nan, count: n))
      part.assignSymmetricProduct(a[rows: first..<last], rows: first..<last, x)
      return part
    }
    for i in 0..<n {
      let terms = (0..<n).map { Double(a[min(i, $0), max(i, $0)]) * Double(x[$0]) }
      let bound = Double(Scalar.ulpOfOne) * Double(n + 2) * terms.reduce(0) { $0 + abs($1) }
      #expect(abs(parts.reduce(0) { $0 + Double($1[i]) } - terms.reduce(0, +)) <= bound)
    }
  }

  @Test(arguments: [0, 1, 5, 181, 257, 700], [1, 2, 7])
  func `A symmetric matrix times a vector reads the upper triangle alone, on any number of threads`(
    n: Int, threads: Int
  ) {
    withThreads(threads) {
      checkSymmetricVector(Float.self, n)
      checkSymmetricVector(Double.self, n)
    }
  }

  func checkVector<Scalar: BLASScalar>(_: Scalar.Type, _ rows: Int, _ columns: Int, _ op: Transpose) {
    var samples = Samples(seed: UInt64(rows + 100 * columns))
    let a: Matrix<Scalar> = samples.matrix(rows, columns)
    let opened = opened(a, op)
    let (m, n) = op == .no ? (rows, columns) : (columns, rows)
    let x: Vector<Scalar> = samples.vector(n)
    let old: Vector<Scalar> = samples.vector(m)
    for (α, β) in [(1.0, 0.0), (0.5, 1), (-2, 0.25)] {
      let y = β == 0 ? Vector([Scalar](repeating: .nan, count: m)) : old.copy()
      y.assignProduct(a, op, x, alpha: Scalar(α), beta: Scalar(β))
      for i in 0..<m {
        let terms = (0..<n).map { α * opened[i][$0] * Double(x[$0]) } + [β == 0 ? 0 : β * Double(old[i])]
        let bound = Double(Scalar.ulpOfOne) * Double(n + 2) * terms.reduce(0) { $0 + abs($1) }
        #expect(abs(Double(y[i]) - terms.reduce(0, +)) <= bound)
      }
    }
  }

  @Test(arguments: [(0, 3), (3, 0), (1, 1), (7, 5), (5, 7), (100, 33)])
  func `A matrix times a vector is the sum over the inner index, transposed or not`(rows: Int, columns: Int) {
    for op in [Transpose.no, .yes] {
      checkVector(Float.self, rows, columns, op)
      checkVector(Double.self, rows, columns, op)
    }
  }

  func checkRows<Scalar: BLASScalar>(_: Scalar.Type, _ rows: Int, _ columns: Int) {
    var samples = Samples(seed: UInt64(rows + 100 * columns))
    let a: Matrix<Scalar> = samples.matrix(rows, columns)
    let sums = Vector<Scalar>([Scalar](repeating: .nan, count: columns))
    sums.assignColumnSums(a)
    for j in 0..<columns {
      let column = (0..<rows).map { Double(a[$0, j]) }
      let bound = Double(Scalar.ulpOfOne) * Double(rows) * column.reduce(0) { $0 + abs($1) }
      #expect(abs(Double(sums[j]) - column.reduce(0, +)) <= bound)
    }
    let row: Vector<Scalar> = samples.vector(columns)
    a.assignRows(row)
    for i in 0..<rows { #expect(a[row: i].array == row.array) }
  }

  @Test(arguments: [0, 1, 5, 70], [1, 3, 17])
  func `Column sums and repeated rows take any number of rows`(rows: Int, columns: Int) {
    checkRows(Float.self, rows, columns)
    checkRows(Double.self, rows, columns)
  }

  /// Checks a matrix at any offset; the sums round as those of blocks of about 2¹⁵ numbers do.
  func checkWideSums<Scalar: BLASScalar>(_: Scalar.Type, _ rows: Int, _ columns: Int) {
    var samples = Samples(seed: UInt64(rows + 7 * columns))
    let room: Vector<Scalar> = samples.vector(rows * columns + 3)
    if rows > 1 { (room[columns + 4], room[5], room[columns + 6]) = (.nan, .infinity, -.infinity) }
    let a = Matrix(room[3..<room.count], rows, columns)
    let guarded = Vector<Scalar>([Scalar](repeating: 77, count: columns + 2))
    let sums = guarded[1..<columns + 1]
    sums.assignColumnSums(a)
    let block = max(1, 1 << 15 / columns)
    let found = sums.array
    var exact = [Double](repeating: 0, count: columns)
    var (total, partial) = ([Scalar](repeating: 0, count: columns), [Scalar](repeating: 0, count: columns))
    var bound = exact
    let numbers = a.elements.array
    for i in 0..<rows {
      let endsBlock = (i + 1) % block == 0 || i + 1 == rows
      for j in 0..<columns {
        let number = numbers[i * columns + j]
        exact[j] += Double(number)
        bound[j] += abs(Double(number))
        partial[j] += number
        if endsBlock { (total[j], partial[j]) = (total[j] + partial[j], 0) }
      }
    }
    func isSame(_ x: Double, _ y: Double, _ bound: Double) -> Bool {
      x == y || x.isNaN && y.isNaN || abs(x - y) <= bound
    }
    #expect(total.indices.allSatisfy { isSame(Double(found[$0]), Double(total[$0]), 0) })
    let unit = Double(Scalar.ulpOfOne) * Double(rows)
    #expect(exact.indices.allSatisfy { isSame(Double(found[$0]), exact[$0], unit * bound[$0]) })
    #expect(guarded[0] == 77 && guarded[columns + 1] == 77)
  }

  @Test(arguments: [(0, 20_001), (1, 16_385), (5, 50_001), (9, 4096), (33, 4099), (40, 4095)])
  func `Column sums of wide matrices round as narrow ones do, on any threads`(rows: Int, columns: Int) {
    checkWideSums(Float.self, rows, columns)
    checkWideSums(Double.self, rows, columns)
    for threads in [2, 7] { withThreads(threads) { checkWideSums(Float.self, rows, columns) } }
  }

  @Test func `Subnormal numbers are zero in products, and nowhere else`() {
    // So small that BLAS uses no threads of its own, as in all tests.
    let (rows, columns, depth) = (32, 32, 16)
    func matrix(_ number: Float, _ rows: Int, _ columns: Int) -> Matrix<Float> {
      Matrix(Vector([Float](repeating: number, count: rows * columns)), rows, columns)
    }
    let tiny = matrix(1e-30, rows, depth)
    let product = matrix(.nan, rows, columns)
    product.assignProduct(tiny, .no, matrix(1e-12, depth, columns), .no)
    #expect(product.elements.array.allSatisfy { $0 == 0 })
    product.assignProduct(tiny, .no, matrix(1e-6, depth, columns), .no)
    #expect(product.elements.array.allSatisfy { abs($0 - 16e-36) < 1e-38 })
    let sum = Vector<Float>(zeros: rows * depth)
    sum.combine(1e-12, tiny.elements)
    #expect(sum.array.allSatisfy { $0 > 0 })
  }
}
