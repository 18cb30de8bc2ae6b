import GaussNewton
import Glibc
import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct CurvatureProductTests {
  /// (diag(π) − ππᵀ)ż as π_c Σ_k π_k (ż_c − ż_k), in which no two probabilities are subtracted.
  func expected(_ logits: [Double], _ tangents: [Double]) -> [Double] {
    let top = logits.max()!
    let exponentials = logits.map { exp($0 - top) }
    let total = exponentials.reduce(0, +)
    return logits.indices.map { c in
      exponentials[c] / total
        * accurateSum(logits.indices.map { exponentials[$0] / total * (tangents[c] - tangents[$0]) })
    }
  }

  func error<Scalar: BLASScalar>(_: Scalar.Type, classes: Int, deviation: Double) -> Double {
    let c = MarginCase<Scalar>(rows: 20, classes: classes, deviation: deviation, seed: 2)
    var samples = Samples(seed: 3)
    let tangents: Matrix<Scalar> = samples.matrix(20, classes)
    let ż = tangents.doubles
    c.margin.applyFullCurvature(to: tangents, cotangents: c.cotangents, targets: Targets(c.labels), batchSize: 20)
    // Each element, relative to the largest sum of its competitors' and its own terms.
    return (0..<20).map { i in
      let reference = expected(c.logits[i], ż[i])
      // Below 10⁻³² a Float begins to lose digits.
      let scale = Double(c.margin.complements[i]) * ż[i].map(abs).max()! + 1e6 * Double(Scalar.leastNormalMagnitude)
      return zip(tangents[row: i].doubles, reference).map { abs(20 * $0 - $1) / scale }.max()!
    }.max()!
  }

  @Test(arguments: [2, 3, 50, 300], [0, 1, 10, 100.0])
  func `The product at the logits is (diag(π) − ππᵀ)ż/B`(classes: Int, deviation: Double) {
    #expect(error(Double.self, classes: classes, deviation: deviation) < 1e-13)
    #expect(error(Float.self, classes: classes, deviation: deviation) < 3e-5)
  }

  @Test func `A large tangent of the true class leaves the digits of the others`() {
    let logits = Matrix<Double>(Vector([-60, 0, 1, -1]), 1, 4)
    let c = MarginCase(logits, [0])
    let tangents = Matrix<Double>(Vector([1e14, 1, 2, 4]), 1, 4)
    c.margin.applyFullCurvature(to: tangents, cotangents: c.cotangents, targets: Targets(c.labels), batchSize: 1)
    // The true class has probability e⁻⁶¹, so that its tangent contributes at most 10⁻¹².
    #expect(relativeError(tangents.elements.array, expected(c.logits[0], [0, 1, 2, 4])) < 1e-10)
  }

  /// The matrix whose columns are the images of the unit vectors under `product`.
  func matrix(_ count: Int, _ product: (Vector<Double>) -> [Double]) -> [[Double]] {
    let columns = (0..<count).map { k in
      let unit = Vector<Double>(zeros: count)
      unit[k] = 1
      return product(unit)
    }
    return columns[0].indices.map { row in columns.map { $0[row] } }
  }

  func transposedProduct(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
    a[0].indices.map { i in b[0].indices.map { j in a.indices.reduce(0) { $0 + a[$1][i] * b[$1][j] } } }
  }

  @Test(arguments: [2, 3, 6], [UInt64(1), 2, 3])
  func `On networks with hidden layers 0 ⪯ G_FGN ⪯ G_GGN, and both products are those of the Jacobian`(
    classes: Int, seed: UInt64
  ) {
    let network = Network([
      Linear(inputs: 3, outputs: 4), Activation(seed == 1 ? .tanh : .gelu, count: 4),
      Linear(inputs: 4, outputs: classes),
    ])
    let (rows, P) = (9, network.layout.count)
    var samples = Samples(seed: 30 + seed)
    let θ: Vector<Double> = samples.vector(P)
    let inputs: Matrix<Double> = samples.matrix(rows, 3)
    let labels = (0..<rows).map { _ in Int32(samples.integer(below: classes)) }

    let linearization = Linearization<Double>(network, capacity: rows)
    linearization.linearize(at: θ, on: inputs)
    let logits = linearization.logits.doubles
    let margin = SoftmaxMargin<Double>(capacity: rows)
    margin.assign(replacing: linearization.logits, labels: labels[...])
    let rowSpace = RowSpace(linearization, capacity: rows)
    rowSpace.assign(margin, cotangents: linearization.logits, batchSize: rows)

    // J (rows·C × P) and R (rows × P), column by column.
    let J = matrix(P) { linearization.jvp($0).elements.array }
    let HJ = matrix(P) { unit in
      let tangents = linearization.jvp(unit).doubles
      return (0..<rows).flatMap { expected(logits[$0], tangents[$0]).map { $0 / Double(rows) } }
    }
    let R = matrix(P) { unit in
      let product = Vector<Double>(zeros: rows)
      rowSpace.apply(unit, into: product)
      return product.array
    }
    let full = transposedProduct(J, HJ)
    let fast = transposedProduct(R, R)
    let product = matrix(P) { unit in
      let tangents = linearization.jvp(unit)
      margin.applyFullCurvature(
        to: tangents, cotangents: linearization.logits, targets: Targets(labels[...]), batchSize: rows)
      let result = Vector<Double>(zeros: P)
      linearization.vjp(.logits(tangents), into: [result])
      return result.array
    }
    #expect(relativeError(product.flatMap { $0 }, full.flatMap { $0 }) < 1e-12)
    let difference = zip(full, fast).map { zip($0, $1).map { $0 - $1 } }
    #expect(isPositiveSemidefinite(fast))
    let share = norm(difference.flatMap { $0 }) / norm(full.flatMap { $0 })
    if classes == 2 {
      #expect(share < 1e-12)
    } else {
      #expect(share > 1e-3)
      // Rounding in the difference is relative to the diagonal of G_GGN.
      #expect(
        isPositiveSemidefinite(
          difference.enumerated().map { i, row in
            row.enumerated().map { $1 + (i == $0 ? 1e-12 * full[i][i] : 0) }
          }))
    }
  }
}
