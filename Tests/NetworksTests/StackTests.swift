import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct StackTests {
  static let seeds = Array(UInt64(1)...40)

  @Test(arguments: seeds)
  func `Random stacks compute what their layers compute one after another`(seed: UInt64) {
    let sketches = RandomStack(seed: seed).sketches
    let stack = Stack(sketches.map(\.layer))
    let trial = LayerTrial<Double>(stack, rows: 3, seed: seed)
    let single = LayerTrial<Float>(stack, rows: 3, seed: seed)
    let evaluated = trial.evaluate()
    for row in 0..<3 {
      let expected = sketches.outputs(trial.parameters.doubles[...], trial.inputs[row: row].doubles)
      #expect(relativeError(trial.outputs[row: row].doubles, expected) < 1e-12)
      #expect(relativeError(evaluated[row: row].doubles, expected) < 1e-12)
      let rounded = sketches.outputs(single.parameters.doubles[...], single.inputs[row: row].doubles)
      #expect(relativeError(single.outputs[row: row].doubles, rounded) < 1e-4)
    }
  }

  @Test(arguments: seeds)
  func `Random stacks have an exact adjoint`(seed: UInt64) {
    let stack = Stack(RandomStack(seed: seed).sketches.map(\.layer))
    for rows in [0, 1, 6] {
      #expect(LayerTrial<Double>(stack, rows: rows, seed: seed).adjointError() <= 1e-12)
    }
  }

  @Test(arguments: seeds)
  func `Random stacks have an exact derivative`(seed: UInt64) {
    let sketches = RandomStack(seed: seed).sketches
    let trial = LayerTrial<Double>(Stack(sketches.map(\.layer)), rows: 3, seed: seed)
    #expect(trial.derivativeError { sketches.outputs($0[...], $1) } < 1e-6)
  }

  @Test(arguments: seeds)
  func `Cotangents are reported from the last layer to the first, each when it is complete`(seed: UInt64) {
    withThreads(1) {
      let stack = Stack(RandomStack(seed: seed).sketches.map(\.layer))
      let trial = LayerTrial<Double>(stack, rows: 2, seed: seed)
      var samples = Samples(seed: seed)
      let cotangent: Matrix<Double> = samples.matrix(2, stack.outputCount)
      let expected = trial.vjp(cotangent).parameters

      let cache = Vector<Double>.unset(2 * stack.cacheCount)
      let scratch = Vector<Double>.unset(stack.scratchCount(rows: 2))
      stack.forward(
        trial.inputs, trial.parameters, output: .unset(2, stack.outputCount), cache: cache, scratch: scratch)
      let gradient = Vector<Double>.unset(expected.count)
      var unreported = expected.count
      stack.vjp(
        at: LayerPoint(input: trial.inputs, parameters: trial.parameters, cache: cache), outputCotangent: cotangent,
        parameterCotangent: gradient, inputCotangent: nil, scratch: scratch
      ) { range in
        #expect(!range.isEmpty && range.upperBound == unreported)
        #expect(gradient[range].array == expected[range].array)
        unreported = range.lowerBound
      }
      #expect(unreported == 0)
    }
  }

  struct Interruption: Error {}

  @Test func `An error of the receiver ends the product`() {
    let stack = Stack([Linear(inputs: 2, outputs: 2), Linear(inputs: 2, outputs: 2)])
    let none = Matrix<Float>(zeros: 0, 2)
    var reports = 0
    #expect(throws: Interruption.self) {
      try stack.vjp(
        at: LayerPoint(input: none, parameters: Vector(zeros: 12), cache: Vector(zeros: 0)), outputCotangent: none,
        parameterCotangent: Vector(zeros: 12), inputCotangent: nil, scratch: Vector(zeros: 0)
      ) { _ throws(Interruption) in
        reports += 1
        throw Interruption()
      }
    }
    #expect(reports == 1)
  }

  /// `depth` repetitions of one block.
  func deep(_ depth: Int) -> Stack {
    let shape = image(4, 9, 9)
    let block: [any Layer] = [
      Convolution(shape, channels: 4, kernel: 3, padding: 1)!, Activation(.relu, count: shape.count),
      Residual(Stack([LayerNormalization(shape: [4, 9, 9]), MaxPooling(shape, kernel: 3, stride: 1, padding: 1)!])),
    ]
    return Stack((0..<depth).flatMap { _ in block })
  }

  @Test func `Scratch does not grow with depth, and never shrinks with rows`() {
    withThreads(1) {
      for rows in [0, 1, 16] {
        let counts = [2, 3, 30].map { deep($0).scratchCount(rows: rows) }
        #expect(Set(counts).count == 1)
        #expect(deep(2).scratchCount(rows: rows + 1) >= counts[0])
      }
    }
  }

  @Test func `Parameters of a residual block carry its number and theirs`() {
    let block = Residual(
      Stack([Linear(inputs: 4, outputs: 3), Activation(.relu, count: 3), Linear(inputs: 3, outputs: 4)]))
    let network = Network([Activation(.tanh, count: 4), block, LayerNormalization(shape: [2, 2, 1])])
    #expect(
      network.layout.entries.map(\.name) == [
        "model.1.0.weight", "model.1.0.bias", "model.1.2.weight", "model.1.2.bias", "model.2.weight", "model.2.bias",
      ])
    #expect(network.layout.entries.map(\.shape) == [[3, 4], [3], [4, 3], [4], [2, 2, 1], [2, 2, 1]])
  }
}
