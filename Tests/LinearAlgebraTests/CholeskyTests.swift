import Glibc
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

    // The factor itself: L Lᵀ is the matrix, and nothing above the diagonal has been read or written.
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

  /// The inverse of `k`, which becomes its own factor; none of the previous contents remain.
  func inverse<Scalar: BLASScalar>(of k: Matrix<Scalar>) -> Matrix<Scalar> {
    #expect(k.factorizeCholesky())
    let inverse = Matrix(Vector([Scalar](repeating: .nan, count: k.elements.count)), k.rows, k.rows)
    k.assignInverse(to: inverse)
    return inverse
  }

  func checkInverse<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int, tolerance: Double) {
    let k: Matrix<Scalar> = symmetric(n, rank: n + 3, shift: 0.5, upper: .nan)
    let full = (0..<n).map { i in (0..<n).map { Double(k[max(i, $0), min(i, $0)]) } }
    let inverse = inverse(of: k).doubles
    for i in 0..<n {
      #expect((0..<i).allSatisfy { inverse[i][$0] == inverse[$0][i] })
      // The matrix is symmetric, so its columns are its rows.
      let products = full.map { dot(inverse[i], $0) }
      #expect((0..<n).allSatisfy { abs(products[$0] - (i == $0 ? 1 : 0)) < tolerance })
    }
  }

  @Test(arguments: [0, 1, 2, 5, 40, 63, 64, 65, 130, 193])
  func `The inverse of a factored matrix is symmetric, and its own`(n: Int) {
    checkInverse(Float.self, n, tolerance: 3e-3)
    checkInverse(Double.self, n, tolerance: 1e-10)
  }

  func checkInverseOnThreads<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let k: Matrix<Scalar> = symmetric(n, rank: n + 3, shift: 0.5, upper: 0)
    func inverse(_ threads: Int) -> [Scalar] {
      withThreads(threads) { self.inverse(of: Matrix(k.elements.copy(), n, n)).elements.array }
    }
    let one = inverse(1)
    for threads in [2, 3, 7] { #expect(inverse(threads) == one) }
  }

  @Test(arguments: [65, 200, 300])
  func `An inverse has the same bits on any number of threads`(n: Int) {
    checkInverseOnThreads(Float.self, n)
    checkInverseOnThreads(Double.self, n)
  }

  /// The errors of float32 inverses against float64's, by panels and as products of whole triangles, relative to the
  /// latter.
  func relativeErrors(_ n: Int) -> (panels: Double, whole: Double) {
    // Eigenvalues from 0.1 to about 10⁴: columns on different scales, as those of inputs.
    var samples = Samples(seed: UInt64(n))
    let a = Matrix<Float>(zeros: n, n)
    for j in 0..<n { for i in 0..<n { a[i, j] = Float(samples.normal() * pow(10, -2 * Double(j) / Double(n))) } }
    let k = Matrix<Float>(zeros: n, n)
    k.assignSymmetricProduct(a, .yes)
    for i in 0..<n { k[i, i] += 0.1 }
    let exact = inverse(of: Matrix(Vector(k.elements.doubles), n, n))
    let panels = inverse(of: k)

    let (root, whole) = (Matrix<Float>(zeros: n, n), Matrix<Float>(zeros: n, n))
    for i in 0..<n { root[i, i] = 1 }
    k.solveTriangular(.left, .no, root)
    whole.assignSymmetricProduct(root, .yes)
    func error(_ found: Matrix<Float>) -> Double {
      let pairs = (0..<n).flatMap { i in (0...i).map { (Double(found[i, $0]), exact[i, $0]) } }
      return (pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / pairs.reduce(0) { $0 + $1.1 * $1.1 })
        .squareRoot()
    }
    return (error(panels), error(whole))
  }

  @Test(arguments: [65, 257, 400])
  func `Leaving out zeros does not cost the inverse accuracy`(n: Int) {
    let errors = relativeErrors(n)
    #expect(errors.panels <= 1.05 * errors.whole && errors.whole < 1e-2)
  }

  @Test func `Larger panels leave a large inverse symmetric, and its own`() {
    let n = 2050
    let k = Matrix<Float>(zeros: n, n)
    // Two numbers per row, and a tail that fills the last rows.
    for i in 0..<n {
      k[i, i] = 4
      if i > 0 { k[i, i - 1] = -1 }
      if i > n - 3 { for j in 0..<n - 3 { k[i, j] = 1e-3 * Float(j % 7) } }
    }
    let full = Matrix(k.elements.copy(), n, n)
    for i in 0..<n { for j in 0..<i { full[j, i] = full[i, j] } }
    let inverse = withThreads(2) { self.inverse(of: k) }
    for i in [0, 1, 127, 128, 1024, 2047, 2048, 2049] {
      for j in [0, 126, 129, 1500, 2048, 2049] {
        #expect(inverse[i, j] == inverse[j, i])
        #expect(abs(inverse[row: i].dot(full[row: j]) - (i == j ? 1 : 0)) < 1e-5)
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
