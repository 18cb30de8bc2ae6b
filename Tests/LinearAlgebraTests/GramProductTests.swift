import LinearAlgebra
import TestSupport
import Testing

@Suite struct GramProductTests {
  /// Compares the upper triangle of rows `range` with `expected`, whose error is bounded by `scale`.
  func check<Scalar: BLASScalar>(
    _ rows: Matrix<Scalar>, _ range: Range<Int>, scale: Double, _ expected: (Int, Int) -> Double
  ) {
    // One expectation for all elements, since each of them costs more than a product.
    var wrong: [(row: Int, column: Int)] = []
    for i in range {
      for j in i..<rows.columns {
        let error = abs(Double(rows[i - range.lowerBound, j]) - expected(i, j))
        if !(error <= scale * Double(Scalar.ulpOfOne)) { wrong.append((i, j)) }
      }
    }
    #expect(wrong.isEmpty)
  }

  func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }

  func checkAll<Scalar: BLASScalar>(_: Scalar.Type, _ size: Int, _ range: Range<Int>, positions T: Int) {
    var samples = Samples(seed: UInt64(size + T))
    let x: Matrix<Scalar> = samples.matrix(size * T, 7)
    let y: Matrix<Scalar> = samples.matrix(size * T, 4)
    let old: Matrix<Scalar> = samples.matrix(range.count, size)
    let (xRows, yRows) = (x.doubles, y.doubles)
    let scratch = Vector<Scalar>(zeros: GramPanel.scratchCount(positions: T))
    let factors: Vector<Scalar> = samples.vector(size)
    for β in [Scalar(0), 1] {
      let block = Matrix(old.elements.copy(), range.count, size)
      if β == 0 { block.elements.fill(.nan) }
      block.assignGramProducts(
        GramRows(range), of: GramOperands(x, y, positions: T), shift: 0.5, beta: β, scratch: scratch)
      func expected(_ i: Int, _ j: Int) -> Double {
        var sum = β == 0 ? 0 : Double(old[i - range.lowerBound, j])
        for t in 0..<T {
          for u in 0..<T {
            sum += (dot(xRows[i * T + t], xRows[j * T + u]) + 0.5) * dot(yRows[i * T + t], yRows[j * T + u])
          }
        }
        return sum
      }
      check(block, range, scale: Double(500 * T * T), expected)
      let unscaled = Matrix(block.elements.copy(), range.count, size)
      block.scaleGramRows(range, by: factors)
      check(block, range, scale: Double(2000 * T * T)) {
        Double(unscaled[$0 - range.lowerBound, $1]) * Double(factors[$0]) * Double(factors[$1])
      }
    }
    // Other rows on the left side, here twice x and three times y, since these maps are symmetric too.
    let own = range.lowerBound * T..<range.upperBound * T
    let divided = (
      x: Matrix(x[rows: own].elements.copy(), own.count, 7), y: Matrix(y[rows: own].elements.copy(), own.count, 4)
    )
    divided.x.elements.scale(2)
    divided.y.elements.scale(3)
    let block = Matrix<Scalar>(zeros: range.count, size)
    block.assignGramProducts(
      GramRows(range), of: GramOperands(x, y, positions: T, divided: divided), shift: 0, scratch: scratch)
    check(block, range, scale: Double(3000 * T * T)) { i, j in
      (0..<T * T).reduce(0) { sum, pair in
        let (a, b) = (i * T + pair / T, j * T + pair % T)
        return sum + 6 * dot(xRows[a], xRows[b]) * dot(yRows[a], yRows[b])
      }
    }
    guard T == 1 else { return }
    for β in [Scalar(0), 1] {
      let block = Matrix(old.elements.copy(), range.count, size)
      if β == 0 { block.elements.fill(.nan) }
      block.assignGramRows(GramRows(range), of: x, beta: β)
      check(block, range, scale: 100) {
        dot(xRows[$0], xRows[$1]) + (β == 0 ? 0 : Double(old[$0 - range.lowerBound, $1]))
      }
    }
  }

  @Test(arguments: [1, 3, 70])
  func `Rows of a Gram matrix are sums over positions of products of inner products`(positions: Int) {
    for (size, range) in [(1, 0..<1), (5, 0..<5), (5, 2..<4), (5, 5..<5), (9, 3..<9)] {
      checkAll(Float.self, size, range, positions: positions)
      checkAll(Double.self, size, range, positions: positions)
    }
  }

  @Test func `Panels and tiles of a large matrix fit together, on any number of threads`() {
    for threads in [1, 3] {
      withThreads(threads) {
        checkAll(Float.self, 600, 0..<600, positions: 1)
        checkAll(Double.self, 600, 130..<470, positions: 1)
      }
    }
  }
}
