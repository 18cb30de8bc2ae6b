import Glibc
import LinearAlgebra
import TestSupport
import Testing

/// Lengths with and without a tail after the widest vectors.
private let lengths = [0, 1, 7, 15, 16, 17, 1000]

@Suite struct VectorKernelTests {
  func checkMaximum<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    var samples = Samples(seed: UInt64(n))
    let x: Vector<Scalar> = samples.vector(n)
    #expect(x.withElements(\.maximum) == x.array.max() ?? -.infinity)
    // The maximum in any place, and with all numbers negative.
    for i in 0..<min(n, 40) {
      let y = Vector<Scalar>((0..<n).map { $0 == i ? -1 : -2 })
      #expect(y.withElements(\.maximum) == -1)
    }
  }

  @Test(arguments: lengths)
  func `The maximum is found at every place`(n: Int) {
    checkMaximum(Float.self, n)
    checkMaximum(Double.self, n)
  }

  func checkMaximumOfSpecials<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let none = Vector<Scalar>([Scalar](repeating: -.infinity, count: n))
    #expect(none.withElements(\.maximum) == -.infinity)
    guard n > 1 else { return }
    for i in 0..<min(n, 40) {
      let x = Vector<Scalar>((0..<n).map { $0 == i ? .nan : -3 })
      #expect(x.withElements(\.maximum) == -3)
      x[i] = .infinity
      #expect(x.withElements(\.maximum) == .infinity)
    }
  }

  @Test(arguments: lengths)
  func `The maximum skips NaN and knows the infinities`(n: Int) {
    checkMaximumOfSpecials(Float.self, n)
    checkMaximumOfSpecials(Double.self, n)
  }

  func checkFiniteness<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let x = Vector<Scalar>((0..<n).map { $0 % 2 == 0 ? .greatestFiniteMagnitude : -.leastNonzeroMagnitude })
    #expect(x.isFinite)
    for i in 0..<min(n, 40) {
      for special in [Scalar.nan, .infinity, -.infinity] {
        let y = x.copy()
        y[i] = special
        #expect(!y.isFinite)
      }
    }
  }

  @Test(arguments: lengths + [100_000])
  func `A number that is not finite is found at every place, and none where all are the largest`(n: Int) {
    checkFiniteness(Float.self, n)
    checkFiniteness(Double.self, n)
  }

  func checkDots<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    var samples = Samples(seed: UInt64(n) + 1)
    let (x, y): (Vector<Scalar>, Vector<Scalar>) = (samples.vector(n), samples.vector(n))
    let products = zip(x.doubles, y.doubles).map { $0 * $1 }
    let scale = products.reduce(0) { $0 + abs($1) }
    #expect(abs(x.dot(y) - accurateSum(products)) <= 1e-15 * scale)
    #expect(x.withElements { x in y.withElements { x.dot($0) } } == x.dot(y))
    let squares = accurateSum(x.doubles.map { $0 * $0 })
    #expect(abs(x.squaredNorm - squares) <= 1e-15 * squares)
    #expect(x.norm == x.squaredNorm.squareRoot())

    let moments = x.withElements { x in y.withElements { x.weightedMoments($0) } }
    #expect(abs(moments.first - accurateSum(products)) <= 1e-15 * scale)
    let seconds = zip(products, y.doubles).map { $0 * $1 }
    #expect(abs(moments.second - accurateSum(seconds)) <= 1e-15 * seconds.reduce(0) { $0 + abs($1) })
  }

  @Test(arguments: lengths)
  func `Inner products and moments are as exact as Double`(n: Int) {
    checkDots(Float.self, n)
    checkDots(Double.self, n)
  }

  @Test func `Squares of Float do not overflow`() {
    let x = Vector<Float>([3e30, 4e30])
    #expect(abs(x.norm / 5e30 - 1) < 1e-6)
    #expect(abs(x.dot(Vector([1e30, 1e30])) / 7e60 - 1) < 1e-6)
  }

  func checkScaling<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    var samples = Samples(seed: UInt64(n) + 2)
    let (x, y): (Vector<Scalar>, Vector<Scalar>) = (samples.vector(n), samples.vector(n))
    let a = Scalar(samples.normal())
    let b = Scalar(samples.normal())

    let scaled = y.copy()
    scaled.scale(a)
    #expect(scaled.array == y.array.map { a * $0 })
    let assigned = Vector<Scalar>([Scalar](repeating: .nan, count: n))
    assigned.withElements { target in x.withElements { target.assignScaled(a, $0) } }
    #expect(assigned.array == x.array.map { a * $0 })

    let combined = y.copy()
    combined.combine(a, x, b)
    let added = y.copy()
    added.combine(a, x)
    for i in 0..<n {
      let (ax, by) = (Double(a) * Double(x[i]), Double(b) * Double(y[i]))
      // Two roundings, or one where the processor fuses them.
      #expect(abs(Double(combined[i]) - (ax + by)) <= Double(Scalar.ulpOfOne) * (abs(ax) + abs(by)))
      #expect(abs(Double(added[i]) - (ax + Double(y[i]))) <= Double(Scalar.ulpOfOne) * (abs(ax) + abs(Double(y[i]))))
    }
  }

  @Test(arguments: lengths)
  func `Scaling and combining follow their formulas`(n: Int) {
    checkScaling(Float.self, n)
    checkScaling(Double.self, n)
  }

  func checkLong<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let room = Vector<Scalar>((0..<n + 4).map { Scalar($0 % 1000) })
    let x = room[1..<n + 1]
    if n > 2 { (x[0], x[n / 2], x[n - 1]) = (.nan, .infinity, -.infinity) }
    let expected = x.array.map { -3 * $0 }
    x.scale(-3)
    #expect(zip(x.array, expected).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
    x.fill(2.5)
    #expect(x.array.allSatisfy { $0 == 2.5 } && x.array.count == n)
    x.fill(0)
    #expect(x.array.allSatisfy { $0 == 0 })
    x.fill(.nan)
    #expect(x.array.allSatisfy { $0.isNaN })
    #expect(room[0] == 0 && room[n + 1] == Scalar((n + 1) % 1000) && room[n + 3] == Scalar((n + 3) % 1000))
  }

  @Test(arguments: [0, 1, 131_071, 400_003])
  func `Filling and scaling reach every element and no other, on any threads`(n: Int) {
    for threads in [1, 3] {
      withThreads(threads) {
        checkLong(Float.self, n)
        checkLong(Double.self, n)
      }
    }
  }

  @Test(arguments: lengths)
  func `Combining with b = 0 forgets what was there`(n: Int) {
    let y = Vector<Float>((0..<n).map { $0 % 2 == 0 ? .nan : .infinity })
    y.combine(2, Vector((0..<n).map { Float($0) }), 0)
    #expect(y.array == (0..<n).map { 2 * Float($0) })
  }

  @Test func `Slices and copies of the value share storage, copy() does not`() {
    let x = Vector<Double>((0..<10).map { Double($0) })
    let tail = x[6..<10]
    let own = x.copy()
    tail.scale(-1)
    #expect(x.array == [0, 1, 2, 3, 4, 5, -6, -7, -8, -9])
    #expect(own.array == (0..<10).map { Double($0) })
    let matrix = Matrix(x[2..<8], 2, 3)
    matrix[row: 1].fill(0.5)
    matrix[0, 2] = 40
    #expect(x.array == [0, 1, 2, 3, 40, 0.5, 0.5, 0.5, -8, -9])
    #expect(matrix[rows: 1..<2].elements.array == [0.5, 0.5, 0.5])
    #expect(matrix[rows: 2..<2].rows == 0)
  }
}
