import LinearAlgebra
import TestSupport
import Testing

@Suite struct CholeskyTests {
  /// AAᵀ + shift·I in the lower triangle; `upper` above it.
  func symmetric<Scalar: BLASScalar>(_ n: Int, rank: Int, shift: Double, upper: Scalar) -> Matrix<Scalar> {
    var samples = Samples(seed: UInt64(n))
    let a: Matrix<Scalar> = samples.matrix(n, rank)
    let k = Matrix(Vector([Scalar](repeating: upper, count: n * n)), n, n)
    k.assignSymmetricProduct(a, .no)
    for i in 0..<n { k[i, i] += Scalar(shift) }
    return k
  }

  func checkFactor<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let k: Matrix<Scalar> = symmetric(n, rank: n + 3, shift: 0.5, upper: .nan)
    let full = (0..<n).map { i in (0..<n).map { Double(k[max(i, $0), min(i, $0)]) } }
    #expect(k.factorizeCholesky())

    // The factor itself: L Lᵀ is the matrix, and nothing above the diagonal was read or written.
    for i in 0..<n {
      for j in 0...i {
        let product = (0...j).reduce(0) { $0 + Double(k[i, $1]) * Double(k[j, $1]) }
        let scale = (full[i][i] * full[j][j]).squareRoot()
        #expect(abs(product - full[i][j]) <= 4 * Double(n) * Double(Scalar.ulpOfOne) * scale)
      }
      for j in i + 1..<max(n, i + 1) { #expect(k[i, j].isNaN) }
    }
  }

  @Test(arguments: [0, 1, 2, 5, 40, 130])
  func `The factor of a positive definite matrix stands in its lower triangle`(n: Int) {
    checkFactor(Float.self, n)
    checkFactor(Double.self, n)
  }

  func checkSolve<Scalar: BLASScalar, Source: BLASScalar>(_: Scalar.Type, _: Source.Type, _ n: Int, tolerance: Double) {
    let lower: Matrix<Source> = symmetric(n, rank: n + 3, shift: 0.25, upper: 0)
    let a = Matrix(Vector([Source](repeating: .nan, count: n * n)), n, n)
    for i in 0..<n { for j in 0...i { a[j, i] = lower[i, j] } }
    let full = (0..<n).map { i in (0..<n).map { Double(lower[max(i, $0), min(i, $0)]) + (i == $0 ? 0.25 : 0) } }
    var samples = Samples(seed: 5)
    let b: Vector<Scalar> = samples.vector(n)
    let (x, factor) = (b.copy(), CholeskyFactor<Scalar>())
    #expect(factor.factorize(a, shift: 0.25))
    factor.solve(x)
    if n > 0 { #expect(relativeError(x.doubles, solve(full, b.doubles)) <= tolerance) }
  }

  @Test(arguments: [0, 1, 2, 5, 40, 77, 130, 261, 300])
  func `A positive definite system is solved from the upper triangle, on any number of threads`(n: Int) {
    for threads in [1, 3] {
      withThreads(threads) {
        checkSolve(Float.self, Float.self, n, tolerance: 1e-3)
        checkSolve(Double.self, Float.self, n, tolerance: 1e-11)
        checkSolve(Double.self, Double.self, n, tolerance: 1e-11)
      }
    }
  }

  @Test(arguments: [1, 2, 5, 40, 130])
  func `The inverse of a factored matrix is symmetric, and its own`(n: Int) {
    let k: Matrix<Double> = symmetric(n, rank: n + 3, shift: 0.5, upper: .nan)
    let full = (0..<n).map { i in (0..<n).map { k[max(i, $0), min(i, $0)] } }
    #expect(k.factorizeCholesky())
    let inverse = Matrix(Vector([Double](repeating: .nan, count: n * n)), n, n)
    k.assignInverse(to: inverse)
    for i in 0..<n {
      for j in 0..<n {
        #expect(inverse[i, j] == inverse[j, i])
        #expect(abs(dot(inverse.doubles[i], full.map { $0[j] }) - (i == j ? 1 : 0)) < 1e-10)
      }
    }
  }

  @Test(arguments: [0, 63, 64, 150, 199])
  func `A block factorisation refuses a pivot that is not positive, wherever it is`(place: Int) {
    for spoilt in [-1, Double.nan] {
      let a = Matrix<Double>(zeros: 200, 200)
      for i in 0..<200 { a[i, i] = i == place ? spoilt : 2 }
      #expect(!CholeskyFactor<Double>().factorize(a, shift: 0.5))
      #expect(!CholeskyFactor<Float>().factorize(a, shift: 0.5))
    }
  }

  func checkRefusal<Scalar: BLASScalar>(_: Scalar.Type) {
    for place in [0, 4, 9] {
      let k: Matrix<Scalar> = symmetric(10, rank: 12, shift: 0.5, upper: 0)
      k[place, place] = -1
      #expect(!k.factorizeCholesky())
    }
    let zero = Matrix<Scalar>(zeros: 3, 3)
    #expect(!zero.factorizeCholesky())
    let deficient: Matrix<Scalar> = symmetric(10, rank: 6, shift: -1e-2, upper: 0)
    #expect(!deficient.factorizeCholesky())
    let spoilt: Matrix<Scalar> = symmetric(10, rank: 12, shift: 0.5, upper: 0)
    spoilt[3, 1] = .nan
    #expect(!spoilt.factorizeCholesky())
  }

  @Test func `An indefinite, a zero and a NaN matrix are refused`() {
    checkRefusal(Float.self)
    checkRefusal(Double.self)
  }
}
