import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite struct ExponentialTests {
  /// Whether y is e^exponent to 4 units in the last place; below the normal numbers, it may be rounded to zero.
  func isExponential<Scalar: BLASScalar>(_ y: Scalar, of exponent: Double) -> Bool {
    let expected = exp(exponent)
    return abs(Double(y) - expected)
      <= max(
        4 * Double(Scalar.ulpOfOne) * expected, Double(Scalar.leastNormalMagnitude))
  }

  func check<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int, deviation: Double) {
    var samples = Samples(seed: UInt64(n) + 3)
    let x: Vector<Scalar> = samples.vector(n, deviation)
    let shift = x.array.max() ?? 0
    let y = x.copy()
    let sum = y.withElements { $0.assignExponentials(shift: shift) }
    for i in 0..<n { #expect(isExponential(y[i], of: Double(x[i] - shift)), "exp(\(x[i] - shift)) = \(y[i])") }
    let expected = y.doubles.reduce(0, +)
    #expect(abs(sum - expected) <= 16 * Double(Scalar.ulpOfOne) * expected)
  }

  @Test(arguments: [0, 1, 7, 15, 16, 17, 1000], [0.1, 1, 10, 100, 1000])
  func `Exponentials and their sum are those of the mathematical library`(n: Int, deviation: Double) {
    check(Float.self, n, deviation: deviation)
    check(Double.self, n, deviation: deviation)
  }

  /// Checks each special value in each place among ordinary ones, which must not be affected.
  func checkSpecials<Scalar: BLASScalar>(_: Scalar.Type, _ specials: [(x: Scalar, expected: Scalar)], _ n: Int) {
    for special in specials {
      for i in 0..<n {
        let y = Vector<Scalar>((0..<n).map { $0 == i ? special.x : Scalar($0) / 8 })
        let sum = y.withElements { $0.assignExponentials(shift: 0) }
        for j in 0..<n where j != i { #expect(isExponential(y[j], of: Double(j) / 8)) }
        if special.expected.isNaN {
          #expect(y[i].isNaN && sum.isNaN)
        } else {
          #expect(y[i] == special.expected)
          #expect(special.expected.isFinite ? sum.isFinite : sum == .infinity)
        }
      }
    }
  }

  @Test(arguments: [1, 3, 16, 21, 33])
  func `Deep negative exponents give zero, infinite ones 0 or ∞, and NaN stays NaN`(n: Int) {
    checkSpecials(
      Float.self,
      [
        (-.infinity, 0), (-150, 0), (-1e4, 0), (-3e38, 0), (0, 1), (-0.0, 1), (.nan, .nan), (1e3, .infinity),
        (.infinity, .infinity),
      ], n)
    checkSpecials(
      Double.self,
      [
        (-.infinity, 0), (-800, 0), (-1e4, 0), (-1.7e308, 0), (0, 1), (-0.0, 1), (.nan, .nan), (1e4, .infinity),
        (.infinity, .infinity),
      ], n)
  }
}
