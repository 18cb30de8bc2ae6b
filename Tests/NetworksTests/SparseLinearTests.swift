import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct SparseLinearTests {
  /// A network on sparse rows, linearised, and a network on dense rows with the first layer's weights transposed.
  struct Pair<Scalar: BLASScalar> {
    let sparse, dense: Linearization<Scalar>
    let parameters: Vector<Scalar>
    let denseParameters: Vector<Scalar>
    let inputs: CSRMatrix<Scalar>
    let (d, first): (Int, Int)
    var samples: Samples

    init(
      _ hidden: [Int], _ rows: [[Double]], features d: Int, hasBias: Bool = true, classes: Int = 4, shards: Int? = nil
    ) throws {
      samples = Samples(seed: 5)
      let layers = hidden.flatMap { [LayerSpecification.linear($0), .activation(.tanh)] }
      let partition = RowPartition(virtualShards: shards)
      func linearization(_ sparse: Bool) throws -> Linearization<Scalar> {
        Linearization(
          try Network(layers, example: [d], classes: classes, bias: hasBias, sparseInputs: sparse),
          capacity: partition.capacity(of: rows.count), partition: partition)
      }
      (sparse, dense) = (try linearization(true), try linearization(false))
      (self.d, first) = (d, hidden.first ?? classes)
      let numbers = samples.normals(dense.network.layout.count, 0.5)
      denseParameters = Vector(numbers.map { Scalar($0) })
      parameters = Vector(transposingFirst(numbers, first, d).map { Scalar($0) })
      inputs = CSRMatrix(rows, columns: d)
      sparse.linearize(at: parameters, on: .sparse(inputs), batchSize: rows.count)
      dense.linearize(
        at: denseParameters, on: Matrix(Vector(rows.flatMap { $0.map { Scalar($0) } }), rows.count, d),
        batchSize: rows.count)
    }

    /// Numbers in the order of the sparse network's parameters, reordered as in the dense one.
    func denseOrder(_ parameters: Vector<Scalar>) -> [Double] { transposingFirst(parameters.doubles, d, first) }
    func denseOrder(_ parameters: Vector<Scalar>) -> Vector<Scalar> {
      Vector(denseOrder(parameters).map { Scalar($0) })
    }
  }

  /// Whether all numbers are close, relative to their size.
  func close<Scalar>(_: Scalar.Type, _ x: [Double], _ expected: [Double]) -> Bool where Scalar: BLASScalar {
    let scale = expected.reduce(1) { max($0, abs($1)) }
    return x.count == expected.count
      && zip(x, expected).allSatisfy { abs($0 - $1) <= 1000 * Double(Scalar.ulpOfOne) * scale }
  }

  func check<Scalar: BLASScalar>(_: Scalar.Type, _ hidden: [Int], _ rows: [[Double]], features d: Int, hasBias: Bool)
    throws
  {
    var pair = try Pair<Scalar>(hidden, rows, features: d, hasBias: hasBias)
    let (sparse, dense) = (pair.sparse, pair.dense)
    let P = sparse.network.layout.count
    #expect(close(Scalar.self, sparse.logits.elements.doubles, dense.logits.elements.doubles))
    let pass = ForwardPass<Scalar>(sparse.network, capacity: rows.count)
    #expect(
      close(
        Scalar.self, pass(pair.parameters, .sparse(pair.inputs)).elements.doubles, dense.logits.elements.doubles))

    let u: Vector<Scalar> = pair.samples.vector(P)
    let cotangent: Matrix<Scalar> = pair.samples.matrix(rows.count, 4)
    let tangent = sparse.jvp(u).elements.doubles
    #expect(close(Scalar.self, tangent, dense.jvp(pair.denseOrder(u)).elements.doubles))
    let some = rows.count / 3..<rows.count
    #expect(
      close(
        Scalar.self, sparse.logits(at: u, rows: some).elements.doubles,
        dense.logits(at: pair.denseOrder(u), rows: some).elements.doubles))

    let (gradient, expected) = (Vector<Scalar>.unset(P), Vector<Scalar>.unset(P))
    sparse.vjp(.logits(cotangent), into: [gradient])
    dense.vjp(.logits(cotangent), into: [expected])
    #expect(close(Scalar.self, pair.denseOrder(gradient), expected.doubles))
    let forward = zip(tangent, cotangent.elements.doubles).map { $0 * $1 }
    let backward = zip(gradient.doubles, u.doubles).map { $0 * $1 }
    let size = (forward + backward).reduce(0) { $0 + abs($1) }
    #expect(abs(accurateSum(forward) - accurateSum(backward)) <= 100 * Double(Scalar.ulpOfOne) * size)

    let factors: Vector<Scalar> = pair.samples.vector(rows.count)
    for (linearization, gradient) in [(sparse, gradient), (dense, expected)] {
      linearization.rowGradients(cotangent, keepsCotangents: true) { _ in }
      gradient.fill(.nan)
      linearization.vjp(.kept(scaledBy: factors) { _, _, _ in false }, into: [gradient])
    }
    #expect(close(Scalar.self, pair.denseOrder(gradient), expected.doubles))
  }

  @Test(arguments: [[], [5], [7, 3]], [true, false])
  func `Logits and products are those of the dense network`(hidden: [Int], hasBias: Bool) throws {
    var samples = Samples(seed: 6)
    for (b, d) in [(1, 1), (1, 6), (9, 6), (33, 50), (0, 6)] {
      for rows in [samples.sparseRows(b, d), (0..<b).map { _ in [Double](repeating: 0, count: d) }] {
        try check(Float.self, hidden, rows, features: d, hasBias: hasBias)
        try check(Double.self, hidden, rows, features: d, hasBias: hasBias)
      }
    }
  }

  @Test(arguments: [[], [5]])
  func `Virtual shards have the parts of the products`(hidden: [Int]) throws {
    var samples = Samples(seed: 7)
    let rows = samples.sparseRows(11, 6)
    var pair = try Pair<Double>(hidden, rows, features: 6, shards: 4)
    let cotangent: Matrix<Double> = pair.samples.matrix(11, 4)
    func gradients(_ linearization: Linearization<Double>) -> [Vector<Double>] {
      let gradients = (0..<4).map { _ in Vector<Double>.unset(pair.parameters.count) }
      linearization.vjp(.logits(cotangent), into: gradients)
      return gradients
    }
    #expect(close(Double.self, pair.sparse.logits.elements.array, pair.dense.logits.elements.array))
    for (own, expected) in zip(gradients(pair.sparse), gradients(pair.dense)) {
      #expect(close(Double.self, pair.denseOrder(own), expected.array))
    }
  }

  @Test func `Weights lie feature by feature and begin with variance 1/features`() throws {
    let network = try Network([.linear(300)], example: [400], classes: 3, sparseInputs: true)
    #expect(network.takesSparseInputs && !network.supportsMetric)
    #expect(network.layout.entries.map(\.name) == ["0.weight", "0.bias", "1.weight", "1.bias"].map { "model.\($0)" })
    #expect(network.layout.entries.map(\.shape) == [[300, 400], [300], [3, 300], [3]])
    #expect(network.layout.entries.map(\.isTransposed) == [true, false, false, false])
    let parameters: Vector<Double> = network.initialParameters(seed: 1)
    let entries = network.layout.entries
    #expect(abs(parameters[entries[0].range].squaredNorm / 300 - 1) < 0.02)
    #expect(parameters[entries[1].range].squaredNorm == 0)
    let dense = try Network([.linear(300)], example: [400], classes: 3)
    #expect(!dense.takesSparseInputs && dense.supportsMetric && network.outline == dense.outline)
    #expect(network.forwardCount < dense.forwardCount)
  }

  @Test(arguments: [LayerSpecification.layerNorm, .activation(.tanh), .flatten, .residual([.linear(6)])])
  func `A network on sparse features begins with a linear layer`(layer: LayerSpecification) {
    #expect {
      try Network([layer, .linear(4)], example: [6], classes: 3, sparseInputs: true)
    } throws: { ($0 as? ShapeError)?.key == "model.layers[0]" }
  }
}
