import LinearAlgebra
import TestSupport
import Testing

@Suite struct FixedPiecesTests {
  /// All results whose shapes follow from the number of pieces, on operands large enough for all pieces.
  func results<Scalar: BLASScalar>(_: Scalar.Type, threads: Int) -> [[Scalar]] {
    withThreads(threads, pieces: 8) {
      var samples = Samples(seed: 8)
      let (n, k) = (301, 403)
      let a: Matrix<Scalar> = samples.matrix(n, k)
      let b: Matrix<Scalar> = samples.matrix(k, n)
      let x: Vector<Scalar> = samples.vector(n)
      let product = Matrix<Scalar>(zeros: n, n)
      product.assignProduct(a, .no, b, .no)
      let vector = Vector<Scalar>(zeros: k)
      vector.assignProduct(a, .yes, x)

      let square = Matrix<Scalar>(zeros: n, n)
      square.assignGramRows(GramRows(0..<n), of: a)
      let factor = CholeskyFactor<Scalar>()
      #expect(factor.factorize(square, shift: 1))
      let solution = x.copy()
      factor.solve(solution)

      let triangle = Matrix<Scalar>(zeros: n, n)
      triangle.assignSymmetricProduct(a, .no)
      for i in 0..<n { triangle[i, i] += 1 }
      #expect(triangle.factorizeCholesky())
      let inverse = Matrix<Scalar>(zeros: n, n)
      triangle.assignInverse(to: inverse)
      let right = Matrix(b.elements.copy(), k, n)
      triangle.solveTriangular(.right, .yes, right)

      let long: Vector<Scalar> = samples.vector(1 << 18 + 77)
      let next = long.copy()
      next.combine(0.3, long, 0.7)
      return [product.elements, vector, solution, inverse.elements, right.elements, next].map(\.array)
        + [[Scalar(long.dot(next))]]
    }
  }

  func check<Scalar: BLASScalar>(_: Scalar.Type) {
    let expected = results(Scalar.self, threads: 1)
    for threads in [2, 3, 5, 11] {
      for (found, expected) in zip(results(Scalar.self, threads: threads), expected) { #expect(found == expected) }
    }
  }

  @Test func `Results in a fixed number of pieces have the same bits on any number of threads`() {
    check(Float.self)
    check(Double.self)
  }

  @Test(arguments: [1, 3, 4, 9, 49, 64])
  func `Rows of products in whole panels have the same bits with whatever other rows they are formed`(positions T: Int)
  {
    var samples = Samples(seed: 9)
    let (size, k) = (150, 21)
    let x: Matrix<Float> = samples.matrix(size * T, k)
    let y: Matrix<Float> = samples.matrix(size * T, k + 2)
    func rows(_ range: Range<Int>) -> [Float] {
      let block = Matrix<Float>(zeros: range.count, size)
      block.assignGramProducts(
        GramRows(range, isAligned: true), of: GramOperands(x, y, positions: T), shift: 1,
        scratch: Vector(zeros: GramPanel.scratchCount(positions: T)))
      return range.flatMap { Array(block[row: $0 - range.lowerBound].array[$0...]) }
    }
    withThreads(2) {
      #expect(rows(0..<size) == [0..<64, 64..<128, 128..<size].flatMap(rows))
      #expect(rows(64..<size) == [64..<128, 128..<size].flatMap(rows))
    }
  }
}
