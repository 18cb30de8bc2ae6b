import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite struct UpdateTests {
  /// Vectors of n numbers: θ, g, and two that are not negative.
  struct Case<Scalar: BLASScalar> {
    let θ, g, m, v: Vector<Scalar>

    init(_ n: Int) {
      var samples = Samples(seed: UInt64(n) + 9)
      θ = samples.vector(n)
      g = samples.vector(n)
      m = samples.vector(n)
      v = Vector(samples.normals(n).map { Scalar(abs($0)) })
    }
  }

  /// The largest difference, relative to the largest reference.
  func error<Scalar: BLASScalar>(_ found: Vector<Scalar>, _ expected: [Double]) -> Double {
    let largest = expected.map(abs).max() ?? 1
    return zip(found.doubles, expected).map { abs($0 - $1) / largest }.max() ?? 0
  }

  func checkSGD<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int, nesterov: Bool) {
    let c = Case<Scalar>(n)
    let (θ, g, m) = (c.θ.doubles, c.g.doubles, c.m.doubles)
    let rule = SGDUpdate(rate: 0.25, momentum: 0.75, decay: 0.125, nesterov: nesterov ? 1 : 0)
    let square = c.θ.descend(rule, gradient: c.g, velocity: c.m)
    let h = zip(g, θ).map { $0 + 0.125 * $1 }
    let velocity = zip(m, h).map { 0.75 * $0 + $1 }
    let d = nesterov ? zip(h, velocity).map { $0 + 0.75 * $1 } : velocity
    let unit = 16 * Double(Scalar.ulpOfOne)
    #expect(error(c.m, velocity) <= unit)
    #expect(error(c.θ, zip(θ, d).map { $0 - 0.25 * $1 }) <= unit)
    #expect(abs(square - accurateSum(d.map { $0 * $0 })) <= 4 * unit * square)
    #expect(c.g.doubles == g)
  }

  func checkAdam<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int, decoupled: Bool) {
    let c = Case<Scalar>(n)
    let (θ, g, m, v) = (c.θ.doubles, c.g.doubles, c.m.doubles, c.v.doubles)
    let rule = AdamUpdate(
      rate: 0.25, beta1: 0.75, beta2: 0.875, epsilon: 0.5, decay: decoupled ? 0 : 0.125,
      decoupled_decay: decoupled ? 0.125 : 0, correction1: 0.5, correction2: 0.25)
    let square = c.θ.descend(rule, gradient: c.g, firstMoment: c.m, secondMoment: c.v)
    let h = zip(g, θ).map { $0 + (decoupled ? 0 : 0.125) * $1 }
    let first = zip(m, h).map { 0.75 * $0 + 0.25 * $1 }
    let second = zip(v, h).map { 0.875 * $0 + 0.125 * $1 * $1 }
    let d = θ.indices.map { i in
      first[i] / 0.5 / (sqrt(second[i] / 0.25) + 0.5) + (decoupled ? 0.125 * θ[i] : 0)
    }
    let unit = 16 * Double(Scalar.ulpOfOne)
    #expect(error(c.m, first) <= unit)
    #expect(error(c.v, second) <= unit)
    #expect(error(c.θ, zip(θ, d).map { $0 - 0.25 * $1 }) <= unit)
    #expect(abs(square - accurateSum(d.map { $0 * $0 })) <= 4 * unit * square)
    #expect(c.g.doubles == g)
  }

  func checkSums<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let c = Case<Scalar>(n)
    let (θ, g, m) = (c.θ.doubles, c.g.doubles, c.m.doubles)
    let unit = 16 * Double(Scalar.ulpOfOne)
    let square = accurateSum(zip(g, θ).map { ($0 + 0.5 * $1) * ($0 + 0.5 * $1) })
    #expect(abs(c.g.squaredNorm(adding: 0.5, c.θ) - square) <= unit * square)
    let r = θ.indices.map { θ[$0] - (0.5 * g[$0] - 0.75 * m[$0]) }
    let found = c.θ.subtract(0.5, c.g, -0.75, c.m)
    #expect(error(c.θ, r) <= unit)
    #expect(abs(found - accurateSum(r.map { $0 * $0 })) <= unit * found)
  }

  func checkSteps<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let c = Case<Scalar>(n)
    let step = Vector<Scalar>(zeros: n)
    let (θ, g, m) = (c.θ.doubles, c.g.doubles, c.m.doubles)
    let unit = 16 * Double(Scalar.ulpOfOne)
    let (dot, square) = c.θ.dotAndSquare(c.g)
    #expect(abs(dot - accurateSum(zip(θ, g).map(*))) <= unit * zip(θ, g).map { abs($0 * $1) }.reduce(0, +))
    #expect(abs(square - accurateSum(θ.map { $0 * $0 })) <= unit * square)

    let y = zip(g, m).map { 0.5 * $0 - 0.75 * $1 }
    c.v.assign(0.5, c.g, -0.75, c.m, sum: step)
    #expect(error(c.v, y) <= unit)
    #expect(error(step, zip(m, y).map(+)) <= unit)
    #expect(c.m.doubles == m)

    let d = zip(g, m).map { 1.5 * $0 + $1 }
    let squaredStep = c.θ.advance(1.5, c.g, c.m, rate: 0.25, step: step)
    #expect(error(step, d) <= unit)
    #expect(error(c.θ, zip(θ, d).map { $0 + 0.25 * $1 }) <= unit)
    #expect(abs(squaredStep - accurateSum(d.map { $0 * $0 })) <= 4 * unit * squaredStep)
    #expect(c.g.doubles == g && c.m.doubles == m)
  }

  /// The passes with several results, on slices at any offset.
  func checkPasses<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let c = Case<Scalar>(n + 3)
    let (x, y, θ) = (c.g[1..<n + 1], c.m[2..<n + 2], c.θ[3..<n + 3])
    let (xs, ys, θs) = (x.doubles, y.doubles, θ.doubles)
    let unit = 2 * Double(Scalar.ulpOfOne)
    let z = Vector<Scalar>([Scalar](repeating: .nan, count: n))
    z.assign(0.3, x, -0.7, y)
    let (a, b) = (Double(0.3 as Scalar), Double(-0.7 as Scalar))
    let zs = z.doubles
    #expect(
      xs.indices.allSatisfy { i in
        abs(zs[i] - (a * xs[i] + b * ys[i])) <= unit * (abs(a * xs[i]) + abs(b * ys[i]))
      })
    // The results of two passes, to the bit.
    let (product, sum) = (Vector<Scalar>(zeros: n), y.copy())
    product.combine(-0.7, y, 0)
    product.combine(0.3, x)
    sum.combine(1, x)
    #expect(z.array == product.array)

    let (first, second) = (y.copy(), y.copy())
    let square = first.add(x)
    let both = second.add(x, dotAndSquare: θ)
    #expect(first.array == sum.array && second.array == sum.array)
    #expect(square == sum.squaredNorm && both == sum.dotAndSquare(θ))
    let sums = zip(xs, ys).map { Double(Scalar($0) + Scalar($1)) }
    #expect(abs(square - accurateSum(sums.map { $0 * $0 })) <= 1e-14 * square)
    let dots = zip(sums, θs).map(*)
    #expect(abs(both.dot - accurateSum(dots)) <= 1e-14 * dots.map(abs).reduce(0, +))
    #expect(x.doubles == xs && y.doubles == ys && θ.doubles == θs)
  }

  @Test(arguments: [0, 1, 5, 2047, 2049, 65536, 131_075])
  func `A pass that does several things gives the bits of a pass for each`(n: Int) {
    checkPasses(Float.self, n)
    checkPasses(Double.self, n)
    if n > 65536 { withThreads(3) { checkPasses(Float.self, n) } }
  }

  @Test func `What is not finite passes through, and stays where it is`() {
    for value in [Float.nan, .infinity, -.infinity] {
      let x = Vector<Float>(zeros: 70_001)
      x[69_999] = value
      let y = Vector<Float>(zeros: x.count)
      y.assign(1, x, 1, x.copy())
      #expect(y.array.indices.filter { y[$0] != 0 } == [69_999])
      #expect(!x.copy().add(y).isFinite && !Vector(zeros: x.count).add(x, dotAndSquare: y).dot.isFinite)
    }
  }

  @Test(arguments: [0, 1, 17, 1000, 65536, 65537, 140_001])
  func `Updates follow their definition, in one block or many`(n: Int) {
    for flag in [false, true] {
      checkSGD(Float.self, n, nesterov: flag)
      checkSGD(Double.self, n, nesterov: flag)
      checkAdam(Float.self, n, decoupled: flag)
      checkAdam(Double.self, n, decoupled: flag)
    }
    checkSums(Float.self, n)
    checkSums(Double.self, n)
    checkSteps(Float.self, n)
    checkSteps(Double.self, n)
  }

  @Test func `Every number of threads gives the same bits`() {
    func run(_ threads: Int) -> [[Float]] {
      withThreads(threads) {
        let c = Case<Float>(200_001)
        let sgd = SGDUpdate(rate: 0.3, momentum: 0.7, decay: 0.1, nesterov: 1)
        let adam = AdamUpdate(
          rate: 0.3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1, decoupled_decay: 0, correction1: 0.1,
          correction2: 0.01)
        let sums = [
          c.θ.descend(sgd, gradient: c.g, velocity: c.m),
          c.θ.descend(adam, gradient: c.g, firstMoment: c.m, secondMoment: c.v), c.g.squaredNorm(adding: 0.3, c.θ),
          c.θ.subtract(0.1, c.g, 0.2, c.m), c.θ.dotAndSquare(c.g).dot, c.θ.dotAndSquare(c.g).square,
          c.θ.advance(0.3, c.g, c.m, rate: 0.1, step: c.v),
        ]
        // The sums to the last bit of a Float, and the vectors.
        return [sums.map { Float($0) }, c.θ.array, c.m.array, c.v.array]
      }
    }
    let one = run(1)
    for threads in [2, 3, 5] { #expect(run(threads) == one) }
  }
}
