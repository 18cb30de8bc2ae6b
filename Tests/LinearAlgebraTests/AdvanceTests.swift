import LinearAlgebra
import TestSupport
import Testing

@Suite struct AdvanceTests {
  struct Result<Scalar: BLASScalar> {
    let s, u: [Scalar]
    let squares: (u: Double, z: Double)
  }

  func advance<Scalar: BLASScalar>(
    _ n: Int, _ a: Scalar, _ b: Scalar
  ) -> (before: (s: [Double], u: [Double], z: [Double]), after: Result<Scalar>) {
    var samples = Samples(seed: UInt64(n) + 4)
    let s: Vector<Scalar> = samples.vector(n)
    let u: Vector<Scalar> = samples.vector(n)
    let z: Vector<Scalar> = samples.vector(n)
    let before = (s.doubles, u.doubles, z.doubles)
    let squares = s.advance(a, u, by: z, b)
    #expect(z.doubles == before.2)
    return (before, Result(s: s.array, u: u.array, squares: squares))
  }

  func check<Scalar: BLASScalar>(_: Scalar.Type, _ n: Int) {
    let (a, b) = (Scalar(0.75), Scalar(-1.375))
    let (before, after) = advance(n, a, b)
    let unit = Double(Scalar.ulpOfOne)
    var wrong = 0
    for i in 0..<n {
      let (au, bu) = (Double(a) * before.u[i], Double(b) * before.u[i])
      let s = abs(Double(after.s[i]) - (before.s[i] + au)) <= unit * (abs(before.s[i]) + abs(au))
      let u = abs(Double(after.u[i]) - (before.z[i] + bu)) <= unit * (abs(before.z[i]) + abs(bu))
      if !s || !u { wrong += 1 }
    }
    #expect(wrong == 0)
    let squaredU = accurateSum(after.u.map { Double($0) * Double($0) })
    let squaredZ = accurateSum(before.z.map { $0 * $0 })
    #expect(abs(after.squares.u - squaredU) <= 1e-14 * squaredU)
    #expect(abs(after.squares.z - squaredZ) <= 1e-14 * squaredZ)
  }

  @Test(arguments: [0, 1, 17, 1000, 65535, 65536, 65537, 200_001])
  func `Advancing follows its definition, in one block or many`(n: Int) {
    check(Float.self, n)
    check(Double.self, n)
  }

  @Test(arguments: [65535, 65537, 200_001])
  func `Every number of threads gives the same bits`(n: Int) {
    let one: Result<Float> = withThreads(1) { advance(n, 0.3, 0.7).after }
    for threads in [2, 3, 5] {
      let many: Result<Float> = withThreads(threads) { advance(n, 0.3, 0.7).after }
      #expect(one.s == many.s)
      #expect(one.u == many.u)
      #expect(one.squares == many.squares)
    }
  }
}
