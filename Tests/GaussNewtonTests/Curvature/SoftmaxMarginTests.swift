import GaussNewton
import Glibc
import LinearAlgebra
import TestSupport
import Testing

/// Random logits with labels in all columns, and the results of `SoftmaxMargin`.
struct MarginCase<Scalar: BLASScalar> {
  /// The logits before they were replaced.
  let logits: [[Double]]
  let labels: ArraySlice<Int32>
  let margin: SoftmaxMargin<Scalar>
  /// v
  let cotangents: Matrix<Scalar>

  init(rows: Int, classes: Int, deviation: Double, seed: UInt64 = 1) {
    var samples = Samples(seed: seed)
    // The labels begin with the first and the last column.
    let labels = (0..<rows).map { Int32($0 == 0 ? 0 : $0 == 1 ? classes - 1 : samples.integer(below: classes)) }
    self.init(samples.matrix(rows, classes, deviation), labels)
  }

  init(_ logits: Matrix<Scalar>, _ labels: [Int32]) {
    self.logits = logits.doubles
    // A slice that does not begin at zero, like that of a larger batch.
    self.labels = ([-1, -1, -1] + labels)[3...]
    margin = SoftmaxMargin(capacity: logits.rows + 2)
    cotangents = logits
    margin.assign(replacing: logits, labels: self.labels)
  }

  func label(_ row: Int) -> Int { Int(labels[labels.startIndex + row]) }

  /// m from the definition.
  func expectedMargin(_ row: Int) -> Double {
    let z = logits[row]
    let rest = z.indices.filter { $0 != label(row) }.map { z[$0] }
    let top = rest.max()!
    return z[label(row)] - top - log(accurateSum(rest.map { exp($0 - top) }))
  }

  /// π − e_y from the definition, where the true class's entry is minus the sum of the others.
  func expectedError(_ row: Int) -> [Double] {
    let z = logits[row]
    let top = z.max()!
    let total = accurateSum(z.map { exp($0 - top) })
    var error = z.map { exp($0 - top) / total }
    error[label(row)] = 0
    error[label(row)] = -accurateSum(error)
    return error
  }
}

@Suite struct SoftmaxMarginTests {
  func checkDefinition<Scalar: BLASScalar>(_: Scalar.Type, classes: Int, deviation: Double) {
    let rows = 40
    let c = MarginCase<Scalar>(rows: rows, classes: classes, deviation: deviation)
    let unit = Double(Scalar.ulpOfOne)
    let tiny = Double(Scalar.leastNormalMagnitude)
    var lossSum = 0.0
    for i in 0..<rows {
      let m = c.expectedMargin(i)
      // Besides a few units in the last place, the other results may only have the error of the margin's rounding.
      let size = c.logits[i].map { abs($0) }.max()!
      let rounding = 8 * unit * (1 + size)
      #expect(abs(Double(c.margin.margins[i]) - m) <= rounding)
      let tail = exp(-abs(m))
      let (small, large) = (tail / (1 + tail), 1 / (1 + tail))
      let expected = [max(-m, 0) + log1p(tail), m < 0 ? small : large, m < 0 ? large : small]
      let found = [c.margin.losses[i], c.margin.probabilities[i], c.margin.complements[i]].map { Double($0) }
      for (x, y) in zip(found, expected) { #expect(abs(x - y) <= (8 * unit + 2 * rounding) * y + tiny) }
      lossSum += expected[0]

      let error = c.expectedError(i)
      let y = c.label(i)
      #expect(c.cotangents[i, y] == 1)
      for k in 0..<classes {
        let found = -Double(c.margin.complements[i]) * Double(c.cotangents[i, k])
        #expect(abs(found - error[k]) <= (16 * unit + 4 * rounding) * abs(error[k]) + tiny)
      }
    }
    #expect(abs(c.margin.lossSum(rows: 0..<rows) - lossSum) <= (8 * unit + 8 * unit * deviation) * lossSum + tiny)
  }

  @Test(arguments: [2, 3, 50, 1000], [0.1, 1, 30, 300])
  func `M, ℓ, p, 1 − p and v follow their definitions, and −(1−p)v = π − e_y`(classes: Int, deviation: Double) {
    checkDefinition(Float.self, classes: classes, deviation: deviation)
    checkDefinition(Double.self, classes: classes, deviation: deviation)
  }

  func checkTwoClasses<Scalar: BLASScalar>(_: Scalar.Type) {
    let logits = Matrix<Scalar>(Vector([0, 1, 1000, -1000, -1000, 1000, 5, 5]), 4, 2)
    let c = MarginCase(logits, [0, 0, 0, 1])
    #expect(c.cotangents.elements.array == [1, -1, 1, -1, 1, -1, -1, 1])
    #expect(c.margin.margins[0..<4].array == [-1, 2000, -2000, 0])
    #expect(c.margin.losses[1..<3].array == [0, 2000])
    #expect(c.margin.probabilities[1..<3].array == [1, 0])
    #expect(c.margin.complements[1..<4].array == [0, 1, 0.5])
  }

  @Test func `With two classes v is e_y − e_other, at any margin`() {
    checkTwoClasses(Float.self)
    checkTwoClasses(Double.self)
  }

  @Test(arguments: [2, 5])
  func `One row and no rows are batches too`(classes: Int) {
    let one = MarginCase<Double>(rows: 1, classes: classes, deviation: 2)
    #expect(abs(one.margin.margins[0] - one.expectedMargin(0)) < 1e-14)
    #expect(one.margin.margins[1] == 0)
    let none = MarginCase<Double>(rows: 0, classes: classes, deviation: 2)
    #expect(none.margin.lossSum(rows: 0..<0) == 0)
    #expect(none.margin.margins.array == [0, 0])
  }

  func checkNonFinite<Scalar: BLASScalar>(_: Scalar.Type, classes: Int) {
    for special in [Scalar.nan, .infinity, -.infinity] {
      for place in 0..<classes {
        for label in [0, classes - 1] {
          let logits = Matrix<Scalar>(zeros: 3, classes)
          logits[1, place] = special
          let c = MarginCase(logits, [Int32](repeating: Int32(label), count: 3))
          // A competitor of probability zero does not matter as long as there are others.
          let isHarmless = special == -.infinity && place != label && classes > 2
          let expected = log(Double(classes))
          #expect(c.margin.margins[1].isNaN == !isHarmless)
          #expect(c.margin.losses[1].isNaN == !isHarmless)
          #expect(c.margin.lossSum(rows: 0..<3).isNaN == !isHarmless)
          if isHarmless { #expect(abs(exp(Double(c.margin.losses[1])) - Double(classes - 1)) < 1e-5) }
          for row in [0, 2] { #expect(abs(Double(c.margin.losses[row]) - expected) < 1e-6) }
        }
      }
    }
  }

  @Test(arguments: [2, 3, 20])
  func `A NaN or infinite logit gives a NaN margin in its own row alone`(classes: Int) {
    checkNonFinite(Float.self, classes: classes)
    checkNonFinite(Double.self, classes: classes)
  }

  @Test func `A change of the loss too small for its own digits survives`() {
    let logits = Matrix<Double>(Vector([1e-4, 0, 40, 0]), 2, 2)
    let moved = Matrix<Double>(Vector([1e-4 + 0x1p-50, 0, 40, 0]), 2, 2)
    let (before, after) = (MarginCase(logits, [0, 1]), MarginCase(moved, [0, 1]))
    let change = after.margin.lossChange(from: before.margin, rows: 0..<2)
    #expect(abs(change / -0x1p-51 - 1) < 0.5)
    #expect(before.margin.lossChange(from: before.margin, rows: 0..<2) == 0)
    #expect(after.margin.lossChange(from: before.margin, rows: 0..<0) == 0)
  }

  @Test(arguments: [(2, 40_000), (50, 1200), (1000, 60)])
  func `Every number of threads gives the same bits`(classes: Int, rows: Int) {
    let one = withThreads(1) { MarginCase<Float>(rows: rows, classes: classes, deviation: 10) }
    for threads in [2, 3, 4] {
      let many = withThreads(threads) { MarginCase<Float>(rows: rows, classes: classes, deviation: 10) }
      #expect(one.margin.margins.array == many.margin.margins.array)
      #expect(one.margin.complements.array == many.margin.complements.array)
      #expect(one.cotangents.elements.array == many.cotangents.elements.array)
    }
  }
}
