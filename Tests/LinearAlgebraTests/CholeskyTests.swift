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

  func checkSolve<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int, tolerance: Double) {
    let k: Matrix<Scalar> = symmetric(n, rank: n + 3, shift: 0.5, upper: .nan)
    let full = (0..<n).map { i in (0..<n).map { Double(k[max(i, $0), min(i, $0)]) } }
    var samples = Samples(seed: 5)
    let b: Vector<Scalar> = samples.vector(n)
    let x = b.copy()
    #expect(k.factorizeCholesky())
    k.solveCholesky(x)
    if n > 0 { #expect(relativeError(x.doubles, solve(full, b.doubles)) <= tolerance) }

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
  func `A positive definite system is solved from its lower triangle`(n: Int) {
    checkSolve(Float.self, n, tolerance: 1e-3)
    checkSolve(Double.self, n, tolerance: 1e-11)
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
