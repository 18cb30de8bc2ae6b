import LinearAlgebra
import Networks
import TestSupport
import Testing

/// A linear head, and deep linear networks of two and three layers with a narrow, a wide and a single-neuron layer.
private let stacks = [[6, 4], [6, 9, 4], [6, 3, 11, 4], [1, 1, 2]]

@Suite struct LinearizationTests {
  /// A linearized random network.
  struct Case<Scalar: BLASScalar> {
    let network: Network
    let parameters: Vector<Scalar>
    let inputs: Matrix<Scalar>
    let linearization: Linearization<Scalar>
    var samples: Samples

    init(_ sizes: [Int], rows: Int, capacity: Int? = nil, seed: UInt64 = 1) {
      samples = Samples(seed: seed)
      network = Network(zip(sizes, sizes.dropFirst()).map { Linear(inputs: $0, outputs: $1) })
      parameters = samples.vector(network.layout.count)
      inputs = samples.matrix(rows, sizes[0])
      linearization = Linearization(network, capacity: capacity ?? rows)
      linearization.linearize(at: parameters, on: inputs)
    }

    /// Jᵀ of a cotangent, over whatever the target held before.
    func vjp(_ cotangent: Matrix<Scalar>) -> Vector<Scalar> {
      let gradient = Vector([Scalar](repeating: .nan, count: network.layout.count))
      linearization.vjp(cotangent, into: gradient)
      return gradient
    }
  }

  /// The outputs of a stack of linear layers, from the definition.
  func naiveForward(_ sizes: [Int], _ parameters: [Double], _ input: [Double]) -> [Double] {
    var x = input
    var offset = 0
    for (inputs, outputs) in zip(sizes, sizes.dropFirst()) {
      let bias = offset + inputs * outputs
      x = (0..<outputs).map { o in
        parameters[bias + o] + (0..<inputs).reduce(0) { $0 + parameters[offset + o * inputs + $1] * x[$1] }
      }
      offset = bias + outputs
    }
    return x
  }

  func checkForward<Scalar: BLASScalar>(_: Scalar.Type, _ sizes: [Int], tolerance: Double) {
    let c = Case<Scalar>(sizes, rows: 9)
    var samples = c.samples
    let other: Vector<Scalar> = samples.vector(c.network.layout.count)
    let trial = c.linearization.logits(at: other).doubles
    for i in 0..<9 {
      let row = c.inputs[row: i].doubles
      let expected = naiveForward(sizes, c.parameters.doubles, row)
      #expect(relativeError(c.linearization.logits[row: i].doubles, expected) < tolerance)
      #expect(relativeError(trial[i], naiveForward(sizes, other.doubles, row)) < tolerance)
    }
  }

  @Test(arguments: stacks)
  func `Logits are those of the definition, here and at other parameters`(sizes: [Int]) {
    checkForward(Float.self, sizes, tolerance: 2e-5)
    checkForward(Double.self, sizes, tolerance: 1e-13)
  }

  func checkAdjoint<Scalar: BLASScalar>(_: Scalar.Type, _ sizes: [Int], rows: Int, tolerance: Double) {
    let c = Case<Scalar>(sizes, rows: rows)
    var samples = c.samples
    let u: Vector<Scalar> = samples.vector(c.network.layout.count)
    let cotangent: Matrix<Scalar> = samples.matrix(rows, sizes.last!)
    let tangent = c.linearization.jvp(u)
    let terms = zip(tangent.elements.doubles, cotangent.elements.doubles).map { $0 * $1 }
    let forward = terms.reduce(0, +)
    let backward = c.vjp(cotangent).dot(u)
    #expect(abs(forward - backward) <= tolerance * terms.reduce(0) { $0 + abs($1) })
  }

  @Test(arguments: stacks, [0, 1, 8, 33])
  func `⟨Ju, D⟩ = ⟨u, JᵀD⟩`(sizes: [Int], rows: Int) {
    checkAdjoint(Float.self, sizes, rows: rows, tolerance: 1e-5)
    checkAdjoint(Double.self, sizes, rows: rows, tolerance: 1e-12)
  }

  @Test(arguments: stacks)
  func `Ju is the derivative of the logits along u`(sizes: [Int]) {
    let c = Case<Double>(sizes, rows: 8)
    var samples = c.samples
    let u: Vector<Double> = samples.vector(c.network.layout.count)
    let tangent = c.linearization.jvp(u).elements.array
    let h = 1e-5
    let differences = [h, -h].map { h in
      let moved = c.parameters.copy()
      moved.combine(h, u)
      return c.linearization.logits(at: moved).elements.array
    }
    let expected = zip(differences[0], differences[1]).map { ($0 - $1) / (2 * h) }
    #expect(relativeError(tangent, expected) < 1e-6)
  }

  @Test(arguments: stacks)
  func `Products and logits elsewhere leave the linearization as it was`(sizes: [Int]) {
    let c = Case<Double>(sizes, rows: 5)
    var samples = c.samples
    let u: Vector<Double> = samples.vector(c.network.layout.count)
    let cotangent: Matrix<Double> = samples.matrix(5, sizes.last!)
    let logits = c.linearization.logits.elements.array
    let tangent = c.linearization.jvp(u).elements.array
    let gradient = c.vjp(cotangent).array
    _ = c.linearization.logits(at: u)
    #expect(c.linearization.logits.elements.array == logits)
    #expect(c.vjp(cotangent).array == gradient)
    #expect(c.linearization.jvp(u).elements.array == tangent)
    #expect(c.vjp(cotangent).array == gradient)
  }

  @Test(arguments: stacks)
  func `A cotangent may lie in the output scratch`(sizes: [Int]) {
    let c = Case<Double>(sizes, rows: 5)
    var samples = c.samples
    let cotangent: Matrix<Double> = samples.matrix(5, sizes.last!)
    let expected = c.vjp(cotangent).array
    c.linearization.outputScratch.elements.assign(cotangent.elements)
    #expect(c.vjp(c.linearization.outputScratch).array == expected)
  }

  @Test(arguments: stacks)
  func `No rows give no logits and a zero gradient`(sizes: [Int]) {
    for capacity in [0, 4] {
      let c = Case<Float>(sizes, rows: 0, capacity: capacity)
      #expect(c.linearization.logits.rows == 0)
      #expect(c.linearization.jvp(c.parameters).rows == 0)
      #expect(c.linearization.logits(at: c.parameters).rows == 0)
      #expect(c.vjp(Matrix(zeros: 0, sizes.last!)).array.allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: stacks)
  func `A smaller batch after a larger one sees nothing of it`(sizes: [Int]) {
    let c = Case<Double>(sizes, rows: 12)
    var samples = c.samples
    let u: Vector<Double> = samples.vector(c.network.layout.count)
    let cotangent: Matrix<Double> = samples.matrix(5, sizes.last!)
    _ = c.linearization.jvp(u)
    c.linearization.linearize(at: c.parameters, on: c.inputs[rows: 3..<8])

    let fresh = Linearization<Double>(c.network, capacity: 5)
    fresh.linearize(at: c.parameters, on: c.inputs[rows: 3..<8])
    let expected = Vector<Double>(zeros: u.count)
    fresh.vjp(cotangent, into: expected)
    #expect(c.linearization.logits.rows == 5)
    #expect(relativeError(c.linearization.logits.elements.array, fresh.logits.elements.array) < 1e-14)
    #expect(relativeError(c.linearization.jvp(u).elements.array, fresh.jvp(u).elements.array) < 1e-14)
    #expect(relativeError(c.vjp(cotangent).array, expected.array) < 1e-14)
  }
}
