import LinearAlgebra
import Networks
import TestSupport
import Testing

/// Networks by their layers: a linear head, deep linear ones with a narrow, a wide and a single-neuron layer, and
/// layers of all kinds on images.
private let networks: [[Sketch]] =
  [[6, 4], [6, 9, 4], [6, 3, 11, 4], [1, 1, 2]].map { sizes in
    zip(sizes, sizes.dropFirst()).map { .linear($0, $1) }
  } + [
    [
      .channelsFirst(image(2, 9, 8)), .convolution(image(2, 9, 8), channels: 3, .init(3, padding: 1)),
      .layerNormalization([3, 9, 8]), .activation(.relu, 216), .maxPooling(image(3, 9, 8), .init(2, stride: 2)),
      .residual([
        .convolution(image(3, 4, 4), channels: 2, .init(3, padding: 1)), .activation(.gelu, 32),
        .convolution(image(2, 4, 4), channels: 3, .init(1)),
      ]),
      .averagePooling(image(3, 4, 4), .init(3, stride: 2, padding: 1)), .flatten(12), .activation(.tanh, 12),
      .linear(12, 5),
    ],
    [.convolution(image(1, 5, 5), channels: 4, .init(2)), .globalAveragePooling(image(4, 4, 4))],
  ]

@Suite struct LinearizationTests {
  /// A linearized random network.
  struct Case<Scalar: BLASScalar> {
    let network: Network
    let parameters: Vector<Scalar>
    let inputs: Matrix<Scalar>
    let linearization: Linearization<Scalar>
    var samples: Samples

    init(_ sketches: [Sketch], rows: Int, capacity: Int? = nil, seed: UInt64 = 1) {
      samples = Samples(seed: seed)
      network = Network(sketches.map(\.layer))
      parameters = network.initialParameters(seed: seed)
      parameters.combine(1, samples.vector(network.layout.count, 0.1))
      inputs = samples.matrix(rows, network.inputCount)
      linearization = Linearization(network, capacity: capacity ?? rows)
      linearization.linearize(at: parameters, on: inputs)
    }

    /// Jᵀ of a cotangent; the previous contents of the target do not matter.
    func vjp(_ cotangent: Matrix<Scalar>) -> Vector<Scalar> {
      let gradient = Vector<Scalar>.unset(network.layout.count)
      linearization.vjp(.logits(cotangent), into: [gradient])
      return gradient
    }
  }

  func checkForward<Scalar: BLASScalar>(_: Scalar.Type, _ sketches: [Sketch], tolerance: Double) {
    let c = Case<Scalar>(sketches, rows: 9)
    var samples = c.samples
    let other: Vector<Scalar> = samples.vector(c.network.layout.count)
    let trial = c.linearization.logits(at: other, rows: 0..<c.inputs.rows).doubles
    for i in 0..<9 {
      let row = c.inputs[row: i].doubles
      let expected = sketches.outputs(c.parameters.doubles[...], row)
      #expect(relativeError(c.linearization.logits[row: i].doubles, expected) < tolerance)
      #expect(relativeError(trial[i], sketches.outputs(other.doubles[...], row)) < tolerance)
    }
  }

  @Test(arguments: networks)
  func `Logits are those of the definition, here and at other parameters`(sketches: [Sketch]) {
    checkForward(Float.self, sketches, tolerance: 2e-5)
    checkForward(Double.self, sketches, tolerance: 1e-13)
  }

  func checkAdjoint<Scalar: BLASScalar>(_: Scalar.Type, _ sketches: [Sketch], rows: Int, tolerance: Double) {
    let c = Case<Scalar>(sketches, rows: rows)
    var samples = c.samples
    let u: Vector<Scalar> = samples.vector(c.network.layout.count)
    let cotangent: Matrix<Scalar> = samples.matrix(rows, c.network.outputCount)
    let tangent = c.linearization.jvp(u)
    let terms = zip(tangent.elements.doubles, cotangent.elements.doubles).map { $0 * $1 }
    let forward = terms.reduce(0, +)
    let backward = c.vjp(cotangent).dot(u)
    #expect(abs(forward - backward) <= tolerance * terms.reduce(0) { $0 + abs($1) })
  }

  @Test(arguments: networks, [0, 1, 8, 33])
  func `⟨Ju, D⟩ = ⟨u, JᵀD⟩`(sketches: [Sketch], rows: Int) {
    checkAdjoint(Float.self, sketches, rows: rows, tolerance: 1e-5)
    checkAdjoint(Double.self, sketches, rows: rows, tolerance: 1e-12)
  }

  @Test(arguments: networks)
  func `Ju is the derivative of the logits along u`(sketches: [Sketch]) {
    let c = Case<Double>(sketches, rows: 8)
    var samples = c.samples
    let u: Vector<Double> = samples.vector(c.network.layout.count)
    let tangent = c.linearization.jvp(u).elements.array
    let h = 1e-5
    let differences = [h, -h].map { h in
      let moved = c.parameters.copy()
      moved.combine(h, u)
      return c.linearization.logits(at: moved, rows: 0..<c.inputs.rows).elements.array
    }
    let expected = zip(differences[0], differences[1]).map { ($0 - $1) / (2 * h) }
    #expect(relativeError(tangent, expected) < 1e-6)
  }

  @Test(arguments: networks)
  func `Products and logits elsewhere leave the linearization as it was`(sketches: [Sketch]) {
    // Equality to the last bit requires equal numbers of threads.
    withThreads(1) {
      let c = Case<Double>(sketches, rows: 5)
      var samples = c.samples
      let u: Vector<Double> = samples.vector(c.network.layout.count)
      let cotangent: Matrix<Double> = samples.matrix(5, c.network.outputCount)
      let logits = c.linearization.logits.elements.array
      let tangent = c.linearization.jvp(u).elements.array
      let gradient = c.vjp(cotangent).array
      _ = c.linearization.logits(at: u, rows: 0..<c.inputs.rows)
      #expect(c.linearization.logits.elements.array == logits)
      #expect(c.vjp(cotangent).array == gradient)
      #expect(c.linearization.jvp(u).elements.array == tangent)
      #expect(c.vjp(cotangent).array == gradient)
    }
  }

  @Test(arguments: networks)
  func `A cotangent may lie in the output scratch`(sketches: [Sketch]) {
    // Equality to the last bit requires equal numbers of threads.
    withThreads(1) {
      let c = Case<Double>(sketches, rows: 5)
      var samples = c.samples
      let cotangent: Matrix<Double> = samples.matrix(5, c.network.outputCount)
      let expected = c.vjp(cotangent).array
      c.linearization.outputScratch.elements.assign(cotangent.elements)
      #expect(c.vjp(c.linearization.outputScratch).array == expected)
    }
  }

  @Test(arguments: networks)
  func `No rows give no logits and a zero gradient`(sketches: [Sketch]) {
    for capacity in [0, 4] {
      let c = Case<Float>(sketches, rows: 0, capacity: capacity)
      #expect(c.linearization.logits.rows == 0)
      #expect(c.linearization.jvp(c.parameters).rows == 0)
      #expect(c.linearization.logits(at: c.parameters, rows: 0..<0).rows == 0)
      #expect(c.vjp(Matrix(zeros: 0, c.network.outputCount)).array.allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: networks)
  func `A smaller batch after a larger one sees nothing of it`(sketches: [Sketch]) {
    let c = Case<Double>(sketches, rows: 12)
    var samples = c.samples
    let u: Vector<Double> = samples.vector(c.network.layout.count)
    let cotangent: Matrix<Double> = samples.matrix(5, c.network.outputCount)
    _ = c.linearization.jvp(u)
    c.linearization.linearize(at: c.parameters, on: c.inputs[rows: 3..<8])

    let fresh = Linearization<Double>(c.network, capacity: 5)
    fresh.linearize(at: c.parameters, on: c.inputs[rows: 3..<8])
    let expected = Vector<Double>(zeros: u.count)
    fresh.vjp(.logits(cotangent), into: [expected])
    #expect(c.linearization.logits.rows == 5)
    #expect(relativeError(c.linearization.logits.elements.array, fresh.logits.elements.array) < 1e-14)
    #expect(relativeError(c.linearization.jvp(u).elements.array, fresh.jvp(u).elements.array) < 1e-14)
    #expect(relativeError(c.vjp(cotangent).array, expected.array) < 1e-14)
  }

  @Test(arguments: networks)
  func `Of cotangents that row gradients have kept, the product is that of the scaled ones`(sketches: [Sketch]) {
    let c = Case<Double>(sketches, rows: 7, capacity: 9)
    var samples = c.samples
    let cotangent: Matrix<Double> = samples.matrix(7, c.network.outputCount)
    let before = cotangent.elements.array
    c.linearization.rowGradients(cotangent, keepsCotangents: true) { _ in }
    for _ in 0..<2 {
      let factors: Vector<Double> = samples.vector(7)
      let scaled = Matrix<Double>(zeros: 7, c.network.outputCount)
      for i in 0..<7 { scaled[row: i].combine(factors[i], cotangent[row: i], 0) }
      let product = Vector<Double>.unset(c.network.layout.count)
      var parts: [Range<Int>] = []
      c.linearization.vjp(.kept(scaledBy: factors) { _, _, _ in false }, into: [product]) { parts.append($0) }
      #expect(relativeError(product.array, c.vjp(scaled).array) < 1e-13)
      #expect(parts.reversed().flatMap { Array($0) } == Array(0..<c.network.layout.count))
    }
    #expect(cotangent.elements.array == before)
  }
}
