import GaussNewton
import Glibc
import LinearAlgebra
import TestSupport
import Testing

/// Random logits and targets, and what `SoftmaxMargin` makes of them.
private struct SoftCase<Scalar: BLASScalar> {
  let logits, targets: [[Double]]
  let labels: [Int32]
  let margin: SoftmaxMargin<Scalar>
  /// v
  let cotangents: Matrix<Scalar>
  let soft: Targets<Scalar>

  /// Rows of `given` (any sums of 1) mixed with ε of the uniform distribution, and e_y mixed so where none is given.
  init(_ logits: Matrix<Scalar>, labels: [Int32], smoothing ε: Double, given: [[Double]]? = nil) {
    let classes = logits.columns
    self.logits = logits.doubles
    self.labels = labels
    let before = given ?? labels.map { y in (0..<classes).map { $0 == Int(y) ? 1 : 0 } }
    targets = before.map { $0.map { (1 - ε) * $0 + ε / Double(classes) } }
    let matrix = given.map { Matrix<Scalar>(Vector($0.flatMap { $0.map { Scalar($0) } }), $0.count, classes) }
    // A slice that does not begin at zero, like that of a larger batch.
    soft = Targets(([-1, -1] + labels)[2...], smoothing: ε, distributions: matrix)
    margin = SoftmaxMargin(capacity: logits.rows + 1)
    cotangents = logits
    margin.assign(replacing: logits, targets: soft)
  }

  /// Normal logits, and targets with two thirds of their weight on the label.
  init(rows: Int, classes: Int, deviation: Double, smoothing ε: Double, distributions: Bool, seed: UInt64 = 5) {
    var samples = Samples(seed: seed)
    let labels = (0..<rows).map { Int32($0 == 0 ? 0 : $0 == 1 ? classes - 1 : samples.integer(below: classes)) }
    let logits: Matrix<Scalar> = samples.matrix(rows, classes, deviation)
    var given: [[Double]]?
    if distributions {
      given = labels.map { y in
        let weights = samples.normals(classes, 2).map { exp($0) }
        let total = weights.reduce(0, +)
        return weights.indices.map { weights[$0] / total / 3 + ($0 == Int(y) ? 2.0 / 3 : 0) }
      }
    }
    self.init(logits, labels: labels, smoothing: ε, given: given)
  }

  func logProbabilities(_ row: Int) -> [Double] {
    let z = logits[row]
    let top = z.max()!
    let logSum = top + log(accurateSum(z.map { exp($0 - top) }))
    return z.map { $0 - logSum }
  }

  /// r = π − t
  func residual(_ row: Int) -> [Double] { zip(logProbabilities(row), targets[row]).map { exp($0) - $1 } }

  /// χ²
  func square(_ row: Int) -> Double {
    zip(logProbabilities(row), targets[row]).reduce(0) { sum, pair in
      let (log, t) = pair
      let π = exp(log)
      return sum + (π > 1e-100 ? (π - t) * (π - t) / π : exp(2 * Glibc.log(t) - log) - 2 * t + π)
    }
  }
}

@Suite struct SoftTargetTests {
  func checkDefinition<Scalar: BLASScalar>(_: Scalar.Type, _ classes: Int, _ deviation: Double, _ ε: Double) {
    let unit = Double(Scalar.ulpOfOne)
    for distributions in [false, true] where distributions || ε > 0 {
      let c = SoftCase<Scalar>(
        rows: 30, classes: classes, deviation: deviation, smoothing: ε, distributions: distributions)
      for i in 0..<30 {
        let r = c.residual(i)
        let size = 1 + c.logits[i].map { abs($0) }.max()!
        let loss = -dot(c.targets[i], c.logProbabilities(i))
        #expect(abs(Double(c.margin.losses[i]) - loss) <= 16 * unit * (loss + size))
        let (distance, weight) = (Double(c.margin.complements[i]), Double(c.margin.curvatures[i]))
        #expect(abs(distance - r.reduce(0) { $0 + abs($1) } / 2) <= 64 * unit * size)
        for k in 0..<classes {
          #expect(abs(-distance * Double(c.cotangents[i, k]) - r[k]) <= 64 * unit * size)
        }
        // The error of r that rounding makes, relative to r, is that of χ.
        let expected = distance * distance / c.square(i)
        let rounding = 64 * unit * size * (1 + 1 / distance)
        #expect(abs(weight - expected) <= rounding * expected + Double(RowSpace<Float>.weightFloor))
        #expect(weight <= 0.25 * (1 + 16 * unit))
      }
    }
  }

  @Test(arguments: [2, 3, 50, 1000], [0.1, 3, 80, 10000])
  func `ℓ, τ, v and w follow their definitions, with −τv = π − t`(classes: Int, deviation: Double) {
    for ε in [0, 1e-3, 0.1, 0.9] {
      checkDefinition(Float.self, classes, deviation, ε)
      checkDefinition(Double.self, classes, deviation, ε)
    }
  }

  func checkOneHot<Scalar: BLASScalar>(_: Scalar.Type, classes: Int, deviation: Double) {
    var samples = Samples(seed: 6)
    let labels = (0..<20).map { _ in Int32(samples.integer(below: classes)) }
    let logits: Matrix<Scalar> = samples.matrix(20, classes, deviation)
    let hard = MarginCase<Scalar>(Matrix(logits.elements.copy(), 20, classes), labels)
    let soft = SoftCase<Scalar>(
      logits, labels: labels, smoothing: 0, given: labels.map { y in (0..<classes).map { $0 == Int(y) ? 1 : 0 } })
    #expect(soft.margin.losses[0..<20].array == hard.margin.losses[0..<20].array)
    #expect(soft.margin.margins[0..<20].array == hard.margin.margins[0..<20].array)
    let tolerance = 16 * Scalar.ulpOfOne
    for i in 0..<20 {
      let (τ, complement) = (soft.margin.complements[i], hard.margin.complements[i])
      #expect(abs(τ - complement) <= tolerance * complement + .leastNormalMagnitude)
      let (w, product) = (soft.margin.curvatures[i], hard.margin.curvatures[i])
      #expect(abs(w - product) <= tolerance * product + 2 * .leastNormalMagnitude)
      for k in 0..<classes {
        let (r, error) = (τ * soft.cotangents[i, k], complement * hard.cotangents[i, k])
        #expect(abs(r - error) <= tolerance * abs(error) + .leastNormalMagnitude)
      }
    }
  }

  @Test(arguments: [2, 3, 50], [1, 10, 80, 10000])
  func `Distributions that are their labels give what labels give, up to rounding`(classes: Int, deviation: Double) {
    checkOneHot(Float.self, classes: classes, deviation: deviation)
    checkOneHot(Double.self, classes: classes, deviation: deviation)
  }

  func checkExtremes<Scalar: BLASScalar>(_: Scalar.Type, margin: Double, classes: Int) {
    for ε in [1e-6, 0.1, 0.5] {
      let logits = Matrix<Scalar>(zeros: 2, classes)
      logits[0, 0] = Scalar(margin)
      logits[1, 1] = Scalar(margin)
      let c = SoftCase(logits, labels: [0, 0], smoothing: ε)
      let margin = c.margin
      for vector in [margin.losses, margin.complements, margin.curvatures, c.cotangents.elements] {
        #expect(vector.isFinite)
      }
      for i in 0..<2 {
        let loss = -dot(c.targets[i], c.logProbabilities(i))
        #expect(abs(Double(margin.losses[i]) / loss - 1) < 64 * Double(Scalar.ulpOfOne))
        let r = c.residual(i)
        for k in 0..<classes {
          let found = -Double(margin.complements[i]) * Double(c.cotangents[i, k])
          #expect(abs(found - r[k]) <= 16 * Double(Scalar.ulpOfOne))
        }
      }
    }
  }

  @Test(arguments: [80, -80, 1e4, -1e4], [2, 3, 50])
  func `Extreme margins give finite rows, losses and weights`(margin: Double, classes: Int) {
    checkExtremes(Float.self, margin: margin, classes: classes)
    checkExtremes(Double.self, margin: margin, classes: classes)
  }

  @Test(arguments: [2, 3, 20])
  func `A prediction that is its target has a row of zeros`(classes: Int) {
    let c = SoftCase<Float>(
      Matrix(zeros: 1, classes), labels: [0], smoothing: 0,
      given: [[Double](repeating: 1 / Double(classes), count: classes)])
    #expect(c.margin.complements[0] < 1e-6 && c.margin.curvatures[0] <= 0.25)
    #expect(c.cotangents.elements.isFinite)
    #expect(abs(Double(c.margin.losses[0]) - log(Double(classes))) < 1e-6)
  }

  @Test func `A class of probability zero and target zero does not matter`() {
    let given = [[0.75, 0.25, 0.0]]
    let c = SoftCase<Double>(Matrix(Vector([1, 0, -.infinity]), 1, 3), labels: [0], smoothing: 0, given: given)
    let two = SoftCase<Double>(Matrix(Vector([1, 0]), 1, 2), labels: [0], smoothing: 0, given: [[0.75, 0.25]])
    #expect(c.margin.losses[0] == two.margin.losses[0] && c.margin.losses[0].isFinite)
    #expect(c.margin.curvatures[0] == two.margin.curvatures[0])
    #expect(c.cotangents.elements.array == two.cotangents.elements.array + [0])
    let lost = SoftCase<Double>(Matrix(Vector([1, 0, -.infinity]), 1, 3), labels: [0], smoothing: 0.1)
    #expect(!lost.margin.losses[0].isFinite)
  }

  @Test(arguments: [2, 3, 10, 50], [0.0, 0.1, 0.5])
  func `W v vᵀ is below diag(π) − ππᵀ, and reaches it along r/π`(classes: Int, ε: Double) {
    for deviation in [0.3, 3, 10] {
      let c = SoftCase<Double>(rows: 12, classes: classes, deviation: deviation, smoothing: ε, distributions: true)
      for i in 0..<12 {
        let π = c.logProbabilities(i).map { exp($0) }
        let v = c.cotangents[row: i].doubles
        let w = c.margin.curvatures[i]
        // Rounding in the difference is relative to 1.
        let rest = π.indices.map { a in
          π.indices.map { b in (a == b ? π[a] + 1e-15 : 0) - π[a] * π[b] - w * v[a] * v[b] }
        }
        #expect(isPositiveSemidefinite(rest))
        let direction = zip(v, π).map { $0 / $1 }
        let mean = dot(π, direction)
        let full = zip(π, direction).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) }
        let along = w * dot(v, direction) * dot(v, direction)
        #expect(abs(along / full - 1) < 1e-9)
      }
    }
  }

  @Test(arguments: [2, 3, 50], [1, 10, 80])
  func `The full curvature does not depend on the targets`(classes: Int, deviation: Double) {
    let rows = 20
    let soft = SoftCase<Double>(
      rows: rows, classes: classes, deviation: deviation, smoothing: 0.1, distributions: true)
    let logits = Matrix<Double>(Vector(soft.logits.flatMap { $0 }), rows, classes)
    let hard = MarginCase<Double>(logits, soft.labels)
    var samples = Samples(seed: 3)
    let tangents: Matrix<Double> = samples.matrix(rows, classes)
    let (one, other) = (
      hard.margin.fullCurvatureSum(cotangents: hard.cotangents, tangents: tangents, targets: Targets(hard.labels)),
      soft.margin.fullCurvatureSum(cotangents: soft.cotangents, tangents: tangents, targets: soft.soft)
    )
    #expect(abs(other - one) <= 1e-12 * one + 1e-14)
    let (x, y) = (Matrix(tangents.elements.copy(), rows, classes), tangents)
    hard.margin.applyFullCurvature(to: x, cotangents: hard.cotangents, targets: Targets(hard.labels), batchSize: rows)
    soft.margin.applyFullCurvature(to: y, cotangents: soft.cotangents, targets: soft.soft, batchSize: rows)
    for (a, b) in zip(x.elements.array, y.elements.array) { #expect(abs(a - b) < 1e-15) }
  }

  @Test func `Every number of threads gives the same bits`() {
    func make() -> SoftCase<Float> {
      SoftCase(rows: 600, classes: 100, deviation: 5, smoothing: 0.1, distributions: true)
    }
    let one = withThreads(1) { make() }
    for threads in [2, 3] {
      let many = withThreads(threads) { make() }
      #expect(one.margin.losses.array == many.margin.losses.array)
      #expect(one.margin.curvatures.array == many.margin.curvatures.array)
      #expect(one.cotangents.elements.array == many.cotangents.elements.array)
    }
  }
}
