import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite struct LogisticTests {
  /// Both tails finely around 0, coarsely up to `largest`.
  func margins(upTo largest: Double) -> [Double] {
    var values = [0.0, -0.0]
    var m = 1e-10
    while m < largest {
      values += [m, -m]
      m *= 1.07
    }
    return (values + [largest, -largest]).map { Double(Float($0)) }
  }

  func evaluate<Scalar: BLASScalar>(_ m: [Scalar]) -> (loss: [Scalar], p: [Scalar], q: [Scalar]) {
    let (loss, p, q): (Vector<Scalar>, Vector<Scalar>, Vector<Scalar>) = (
      Vector(zeros: m.count), Vector(zeros: m.count), Vector(zeros: m.count)
    )
    Vector(m).logistic(loss: loss, probability: p, complement: q)
    return (loss.array, p.array, q.array)
  }

  /// |x − expected| in units of the last place, or of the smallest normal number if that is larger: tails may be
  /// flushed to zero.
  func error<Scalar: BLASScalar>(_ x: Scalar, _ expected: Double) -> Double {
    let unit = max(Double(Scalar.ulpOfOne) * abs(expected), Double(Scalar.leastNormalMagnitude))
    return abs(Double(x) - expected) / unit
  }

  func checkTails<Scalar: BLASScalar>(_: Scalar.Type, upTo largest: Double) {
    let m = margins(upTo: largest)
    let (loss, p, q) = evaluate(m.map { Scalar($0) })
    for i in m.indices {
      let small = exp(-abs(m[i])) / (1 + exp(-abs(m[i])))
      let large = 1 / (1 + exp(-abs(m[i])))
      #expect(error(loss[i], max(-m[i], 0) + log1p(exp(-abs(m[i])))) <= 6, "loss at m = \(m[i])")
      #expect(error(p[i], m[i] < 0 ? small : large) <= 6, "p at m = \(m[i])")
      #expect(error(q[i], m[i] < 0 ? large : small) <= 6, "1 − p at m = \(m[i])")
    }
  }

  @Test func `Loss, p and 1 − p keep a few units in the last place in both tails`() {
    checkTails(Double.self, upTo: 1e4)
    checkTails(Float.self, upTo: 1e3)
  }

  func checkSymmetry<Scalar: BLASScalar>(_: Scalar.Type) {
    let m = margins(upTo: 500).map { Scalar($0) }
    let (loss, p, q) = evaluate(m)
    let (mirroredLoss, mirroredP, mirroredQ) = evaluate(m.map { -$0 })
    for i in m.indices where m[i] != 0 {
      #expect(p[i] == mirroredQ[i] && q[i] == mirroredP[i])
      #expect(abs(p[i] + q[i] - 1) <= 2 * Scalar.ulpOfOne)
      #expect(loss[i] >= 0 && mirroredLoss[i] >= 0)
    }
  }

  @Test func `Changing the sign of a margin exchanges p and 1 − p`() {
    checkSymmetry(Float.self)
    checkSymmetry(Double.self)
  }

  func checkNonFinite<Scalar: BLASScalar>(_: Scalar.Type) {
    for special in [Scalar.nan, .infinity, -.infinity] {
      for count in [1, 16, 19] {
        for place in 0..<count {
          let (loss, p, q) = evaluate((0..<count).map { $0 == place ? special : Scalar($0) })
          #expect(loss[place].isNaN)
          for other in 0..<count where other != place {
            #expect(error(loss[other], log1p(exp(-Double(other)))) <= 6)
            #expect(p[other].isFinite && q[other].isFinite)
          }
        }
      }
    }
  }

  @Test func `A margin that is not finite has a NaN loss, and its neighbours do not notice`() {
    checkNonFinite(Float.self)
    checkNonFinite(Double.self)
  }

  @Test func `No margins, no results`() {
    let (loss, p, q) = evaluate([Float]())
    #expect(loss.isEmpty && p.isEmpty && q.isEmpty)
  }
}
