import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct NetworkTests {
  let deep = Network([Linear(inputs: 5, outputs: 7), Linear(inputs: 7, outputs: 4), Linear(inputs: 4, outputs: 3)])

  @Test func `Parameters are named and shaped as torch.nn.Sequential has them`() {
    #expect(
      deep.layout.entries.map(\.name) == [
        "model.0.weight", "model.0.bias", "model.1.weight", "model.1.bias", "model.2.weight", "model.2.bias",
      ])
    #expect(deep.layout.entries.map(\.shape) == [[7, 5], [7], [4, 7], [4], [3, 4], [3]])
    #expect(deep.layout.entries.map(\.range) == [0..<35, 35..<42, 42..<70, 70..<74, 74..<86, 86..<89])
    #expect(deep.layout.count == 89)
    #expect(deep.inputCount == 5)
    #expect(deep.outputCount == 3)
  }

  @Test func `A layout appends one tensor after another`() {
    var layout = ParameterLayout()
    #expect(layout.count == 0)
    #expect(layout.append("a", shape: [2, 3]) == 0..<6)
    #expect(layout.append("scalar", shape: []) == 6..<7)
    #expect(layout.append("empty", shape: [4, 0]) == 7..<7)
    #expect(layout.append("b", shape: [5]) == 7..<12)
    #expect(layout.count == 12)
    #expect(layout.entries.map(\.name) == ["a", "scalar", "empty", "b"])
  }

  @Test func `Initial parameters depend on the seed alone`() {
    let first: Vector<Double> = deep.initialParameters(seed: 3)
    let again: Vector<Double> = deep.initialParameters(seed: 3)
    let other: Vector<Double> = deep.initialParameters(seed: 4)
    let single: Vector<Float> = deep.initialParameters(seed: 3)
    #expect(first.array == again.array)
    #expect(first.array != other.array)
    #expect(single.array == first.array.map { Float($0) })
    // Each layer continues the sequence of random numbers, so that none repeats the one before.
    #expect(first[0] * 5.squareRoot() != first[42] * 7.squareRoot())
  }

  @Test(arguments: [1, 16, 400])
  func `Weights begin with variance 1/inputs, and biases at zero`(inputs: Int) {
    let outputs = 40_000 / inputs
    let network = Network([Linear(inputs: inputs, outputs: outputs)])
    let parameters: Vector<Double> = network.initialParameters(seed: 9)
    let count = inputs * outputs
    let weights = parameters[0..<count]
    #expect(parameters[count..<count + outputs].array.allSatisfy { $0 == 0 })
    let mean = weights.array.reduce(0, +) / Double(count)
    let variance = weights.squaredNorm / Double(count)
    // Five standard deviations of each estimate.
    #expect(abs(mean) < 5 * (1 / Double(inputs * count)).squareRoot())
    #expect(abs(variance * Double(inputs) - 1) < 5 * (2 / Double(count)).squareRoot())
  }
}
