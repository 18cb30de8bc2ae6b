import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite struct ActivationTests {
  /// Both sides of 0, finely around it and coarsely up to 10⁴, as numbers that both precisions represent.
  static let grid: [Double] = {
    var values = [0.0, -0.0]
    var x = 1e-12
    while x < 1e4 {
      values += [x, -x]
      x *= 1.03
    }
    return (values + [1e4, -1e4]).map { Double(Float($0)) }
  }()

  func evaluate<Scalar: BLASScalar>(_ function: ActivationFunction, _ x: [Scalar]) -> (y: [Scalar], d: [Scalar]) {
    let (y, d) = (Vector<Scalar>(zeros: x.count), Vector<Scalar>(zeros: x.count))
    y.assignActivation(function, of: Vector(x), derivative: d)
    return (y.array, d.array)
  }

  /// f(x) and f′(x) from libm in `Double`, each with the sum of the magnitudes of its terms.
  func reference(_ function: ActivationFunction, _ x: Double) -> (y: Double, yScale: Double, d: Double, dScale: Double)
  {
    let e = exp(-abs(x))
    let (s, q) = x < 0 ? (e / (1 + e), 1 / (1 + e)) : (1 / (1 + e), e / (1 + e))
    switch function {
    case .tanh:
      // The derivative is 1 − y², which cannot be more accurate than y.
      return (tanh(x), abs(tanh(x)), 1 - tanh(x) * tanh(x), 1)
    case .sigmoid: return (s, s, s * q, s * q)
    case .relu: return (max(x, 0), max(x, 0), x > 0 ? 1 : 0, 0)
    case .silu: return (x * s, abs(x) * s, s + x * s * q, s + abs(x) * s * q)
    case .gelu:
      let cdf = erfc(-x * 0.5.squareRoot()) / 2
      let pdf = exp(-x * x / 2) / (2 * Double.pi).squareRoot()
      // In the lower tail the rounding of the argument grows by x².
      let growth = x < 0 ? 1 + x * x : 1
      return (x * cdf, abs(x) * cdf * growth, cdf + x * pdf, (cdf + abs(x) * pdf) * (1 + x * x))
    }
  }

  func checkGrid<Scalar: BLASScalar>(_: Scalar.Type, _ function: ActivationFunction) {
    let (y, d) = evaluate(function, Self.grid.map { Scalar($0) })
    for (i, x) in Self.grid.enumerated() {
      let r = reference(function, x)
      // Tails may be flushed to zero.
      let least = Double(Scalar.leastNormalMagnitude) * (1 + abs(x))
      #expect(abs(Double(y[i]) - r.y) <= 5 * Double(Scalar.ulpOfOne) * r.yScale + least, "at x = \(x)")
      #expect(abs(Double(d[i]) - r.d) <= 5 * Double(Scalar.ulpOfOne) * r.dScale + least, "′ at x = \(x)")
    }
  }

  @Test(arguments: ActivationFunction.allCases)
  func `Values and derivatives keep a few units in the last place`(function: ActivationFunction) {
    checkGrid(Double.self, function)
    checkGrid(Float.self, function)
  }

  /// (f, f′) at −∞ and at ∞.
  func limits(_ function: ActivationFunction) -> [(y: Double, d: Double)] {
    switch function {
    case .tanh: [(-1, 0), (1, 0)]
    case .sigmoid: [(0, 0), (1, 0)]
    case .relu, .gelu, .silu: [(0, 0), (.infinity, 1)]
    }
  }

  func checkSpecials<Scalar: BLASScalar>(_: Scalar.Type, _ function: ActivationFunction) {
    let large = Scalar.greatestFiniteMagnitude
    for count in [1, 8, 19] {
      for place in 0..<count {
        func at(_ x: Scalar) -> (y: Double, d: Double) {
          let (y, d) = evaluate(function, (0..<count).map { $0 == place ? x : 0.5 })
          for other in 0..<count where other != place { #expect(y[other].isFinite && d[other].isFinite) }
          return (Double(y[place]), Double(d[place]))
        }
        #expect(at(.nan).y.isNaN)
        let limits = limits(function)
        #expect(at(-.infinity) == limits[0])
        #expect(at(.infinity) == limits[1])
        #expect(at(-large) == limits[0])
        let top = at(large)
        #expect(top.d == limits[1].d && (top.y == limits[1].y || top.y == Double(large)))
      }
    }
  }

  @Test(arguments: ActivationFunction.allCases)
  func `Infinities give the limits, NaN stays NaN, and neighbours do not notice`(function: ActivationFunction) {
    checkSpecials(Float.self, function)
    checkSpecials(Double.self, function)
  }

  @Test(arguments: ActivationFunction.allCases)
  func `Every length and number of threads gives the same`(function: ActivationFunction) {
    var samples = Samples(seed: 1)
    let x = samples.normals(40_000)
    let (y, d) = withThreads(1) { evaluate(function, x) }
    let parallel = withThreads(2) { evaluate(function, x) }
    #expect(relativeError(parallel.y, y) < 1e-15)
    #expect(relativeError(parallel.d, d) < 1e-15)
    for count in [0, 1, 3, 7, 8, 17] {
      let part = evaluate(function, Array(x[0..<count]))
      #expect(zip(part.y, y).allSatisfy { abs($0 - $1) <= 4 * $1.ulp })
      #expect(zip(part.d, d).allSatisfy { abs($0 - $1) <= 4 * Double.ulpOfOne })
    }
  }
}
