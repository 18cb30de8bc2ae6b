import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct InitializationTests {
  /// The variance of the weights times their fan-in.
  func scaledVariance(_ entry: ParameterLayout.Entry, _ parameters: Vector<Double>) -> Double {
    let fanIn = entry.shape.dropFirst().reduce(1, *)
    return parameters[entry.range].squaredNorm / Double(entry.range.count) * Double(fanIn)
  }

  @Test(arguments: [
    (ActivationFunction.tanh, 25.0 / 9), (.sigmoid, 1), (.relu, 2), (.gelu, 2), (.silu, 2),
  ])
  func `Weights before an activation have variance gain²/fan-in, those before none 1/fan-in`(
    function: ActivationFunction, squaredGain: Double
  ) {
    let first = Convolution(image(8, 6, 6), channels: 160, kernel: 3)!
    let pool = MaxPooling(first.output, kernel: 2, stride: 2)!
    let block = Residual(
      Stack([
        Linear(inputs: pool.outputCount, outputs: 20), Activation(function, count: 20),
        Linear(inputs: 20, outputs: pool.outputCount),
      ]))
    let network = Network([
      // Pooling between the two does not hide the activation.
      first, pool, Activation(function, count: pool.outputCount), block, Linear(inputs: pool.outputCount, outputs: 20),
    ])
    let parameters: Vector<Double> = network.initialParameters(seed: 4)
    let expected = ["0.weight": squaredGain, "3.0.weight": squaredGain, "3.2.weight": 1, "4.weight": 1]
    for entry in network.layout.entries {
      if let expected = expected[String(entry.name.dropFirst("model.".count))] {
        // Five standard deviations of the estimate.
        let tolerance = 5 * (2 / Double(entry.range.count)).squareRoot()
        #expect(abs(scaledVariance(entry, parameters) / expected - 1) < tolerance)
      } else {
        #expect(entry.name.hasSuffix("bias"))
        #expect(parameters[entry.range].array.allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func `A normalisation begins as one that changes nothing else`() {
    let network = Network([Linear(inputs: 3, outputs: 6), LayerNormalization(shape: [6]), Activation(.relu, count: 6)])
    let parameters: Vector<Float> = network.initialParameters(seed: 4)
    #expect(parameters[24..<30].array == [1, 1, 1, 1, 1, 1])
    #expect(parameters[30..<36].array == [0, 0, 0, 0, 0, 0])
  }

  @Test(arguments: Array(UInt64(1)...5))
  func `Both precisions and every number of threads begin with the same numbers`(seed: UInt64) {
    let network = Network(RandomStack(seed: seed).sketches.map(\.layer))
    let expected: Vector<Double> = network.initialParameters(seed: seed)
    let single: Vector<Float> = network.initialParameters(seed: seed)
    #expect(single.array == expected.array.map { Float($0) })
    #expect(expected.array == withThreads(3) { (network.initialParameters(seed: seed) as Vector<Double>).array })
  }

  @Test func `Equal layers begin with different weights`() {
    let layer = Convolution(image(2, 5, 5), channels: 2, kernel: 3, padding: 1)!
    let network = Network([layer, layer, Residual(Stack([layer]))])
    let parameters: Vector<Double> = network.initialParameters(seed: 1)
    let weights = network.layout.entries.filter { $0.name.hasSuffix("weight") }.map { parameters[$0.range].array }
    #expect(Set(weights).count == 3)
    #expect(Set(weights.joined()).count == 3 * 36)
  }

  @Test func `A rank with some classes begins with their numbers of the whole network`() {
    let trunk: [any Layer] = [
      Linear(inputs: 4, outputs: 5), Activation(.tanh, count: 5), LayerNormalization(shape: [5]),
    ]
    for network in [
      Network(trunk + [Linear(inputs: 5, outputs: 11)]), Network([Linear(inputs: 3, outputs: 11, hasBias: false)]),
      Network([SparseLinear(inputs: 6, outputs: 11)]),
      Network([Activation(.relu, count: 3), Linear(inputs: 3, outputs: 11)]),
    ] {
      let all: Vector<Float> = network.initialParameters(seed: 9)
      #expect(Set(all.array).count > 20)
      for classes in [0..<11, 0..<4, 4..<9, 9..<11, 3..<3] {
        let own: Vector<Float> = network.initialParameters(seed: 9, keeping: classes)
        #expect(own.array == network.parameters(classes, of: all).array)
      }
    }
  }
}
