import GaussNewton
import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite struct FullCurvatureTests {
  /// żᵀ(diag(π) − ππᵀ)ż as ½ Σ π_c π_k (ż_c − ż_k)², which has no cancellation.
  func expected(_ logits: [Double], _ tangents: [Double]) -> Double {
    let top = logits.max()!
    let exponentials = logits.map { exp($0 - top) }
    let total = exponentials.reduce(0, +)
    var sum = 0.0
    for c in logits.indices {
      for k in 0..<c {
        let difference = tangents[c] - tangents[k]
        sum += exponentials[c] / total * (exponentials[k] / total) * difference * difference
      }
    }
    return sum
  }

  /// The error of the sum over the rows, relative to Σ (1−p) max ż², the size of the terms that cancel.
  func error<Scalar: BLASScalar>(_: Scalar.Type, classes: Int, deviation: Double) -> (relative: Double, scaled: Double)
  {
    let rows = 20
    let c = MarginCase<Scalar>(rows: rows, classes: classes, deviation: deviation, seed: 2)
    var samples = Samples(seed: 3)
    let tangents: Matrix<Scalar> = samples.matrix(rows, classes)
    let found = c.margin.fullCurvatureSum(cotangents: c.cotangents, tangents: tangents, targets: Targets(c.labels))
    var sum = 0.0
    var scale = 0.0
    for i in 0..<rows {
      let ż = tangents[row: i].doubles
      sum += expected(c.logits[i], ż)
      scale += Double(c.margin.complements[i]) * ż.map { $0 * $0 }.max()!
    }
    return (abs(found - sum) / sum, abs(found - sum) / scale)
  }

  @Test(arguments: [2, 3, 50, 300])
  func `Diag(π) − ππᵀ = p(1−p) vvᵀ + (1−p)(diag(q) − qqᵀ)`(classes: Int) {
    for deviation in [0, 0.1, 1, 3] {
      #expect(error(Double.self, classes: classes, deviation: deviation).relative < 1e-12)
      #expect(error(Float.self, classes: classes, deviation: deviation).relative < 1e-5)
    }
  }

  @Test(arguments: [2, 3, 50], [30, 100, 1000.0])
  func `Extreme margins lose no more than their cancelling terms`(classes: Int, deviation: Double) {
    #expect(error(Double.self, classes: classes, deviation: deviation).scaled < 1e-12)
    #expect(error(Float.self, classes: classes, deviation: deviation).scaled < 1e-5)
  }

  @Test func `Threads share the rows, and leave every bit of the sum`() {
    let (rows, classes) = (37, 3001)
    let c = MarginCase<Float>(rows: rows, classes: classes, deviation: 1, seed: 4)
    var samples = Samples(seed: 5)
    let tangents: Matrix<Float> = samples.matrix(rows, classes)
    func sum(_ rows: Range<Int>? = nil) -> Double {
      c.margin.fullCurvatureSum(cotangents: c.cotangents, tangents: tangents, targets: Targets(c.labels), rows: rows)
    }
    let one = withThreads(1) { sum() }
    for threads in [2, 3, 6] {
      let many = withThreads(threads) { sum() }
      #expect(many == one)
    }
    withThreads(2) {
      var total = 0.0
      for i in 0..<rows { total += sum(i..<i + 1) }
      #expect(total == one)
      #expect(sum(5..<5) == 0)
    }
  }

  @Test func `A tangent common to all classes has no curvature`() {
    let c = MarginCase<Double>(rows: 9, classes: 7, deviation: 2)
    let tangents = Matrix(Vector([Double](repeating: 3, count: 63)), 9, 7)
    let sum = c.margin.fullCurvatureSum(cotangents: c.cotangents, tangents: tangents, targets: Targets(c.labels))
    #expect(sum >= 0 && sum < 1e-13)
  }
}
