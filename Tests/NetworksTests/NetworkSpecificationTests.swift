import Foundation
import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct NetworkSpecificationTests {
  /// Every kind of layer.
  private static let all: [LayerSpecification] = [
    .convolution(.init(channels: 6, kernel: 3, padding: 1)), .activation(.relu), .maxPool(.init(kernel: 2)),
    .layerNorm, .residual([.convolution(.init(channels: 6, kernel: 3, padding: 1)), .activation(.tanh)]),
    .averagePool(.init(kernel: 2, stride: 1)), .convolution(.init(channels: 5, kernel: 2, stride: 2)),
    .globalAveragePool, .flatten, .linear(8), .activation(.gelu),
    .residual([.layerNorm, .linear(8), .activation(.silu), .residual([.linear(8)])]),
  ]

  @Test func `Parameters have the names and shapes of torch.nn.Sequential`() throws {
    let network = try Network(Self.all, example: [3, 12, 10], classes: 4)
    // Conv2d(3, 6, 3, padding=1), ReLU, MaxPool2d(2), LayerNorm([6, 6, 5]), Residual(Conv2d(6, 6, 3, padding=1), Tanh),
    // AvgPool2d(2, stride=1), Conv2d(6, 5, 2, stride=2), pool, Flatten, Linear(5, 8), GELU, Residual(…), Linear(8, 4)
    let expected: [(String, [Int])] = [
      ("0.weight", [6, 3, 3, 3]), ("0.bias", [6]), ("3.weight", [6, 6, 5]), ("3.bias", [6, 6, 5]),
      ("4.0.weight", [6, 6, 3, 3]), ("4.0.bias", [6]), ("6.weight", [5, 6, 2, 2]), ("6.bias", [5]),
      ("9.weight", [8, 5]), ("9.bias", [8]), ("11.0.weight", [8]), ("11.0.bias", [8]), ("11.1.weight", [8, 8]),
      ("11.1.bias", [8]), ("11.3.0.weight", [8, 8]), ("11.3.0.bias", [8]), ("12.weight", [4, 8]), ("12.bias", [4]),
    ]
    #expect(network.layout.entries.map(\.name) == expected.map { "model.\($0.0)" })
    #expect(network.layout.entries.map(\.shape) == expected.map(\.1))
    #expect(network.inputCount == 360)
    #expect(network.outputCount == 4)
    #expect(network.example == [3, 12, 10])
    #expect(
      network.outline == [
        "convolution 6×12×10", "relu", "max_pool 6×6×5", "layer_norm", "residual (convolution 6×6×5, tanh)",
        "average_pool 6×5×4", "convolution 5×2×2", "global_average_pool 5", "flatten 5", "linear 8", "gelu",
        "residual (layer_norm, linear 8, silu, residual (linear 8))", "linear 4",
      ])
  }

  @Test func `No layers are a linear head`() throws {
    for example in [[12], [3, 4], [2, 2, 3], [1, 2, 2, 3]] {
      let network = try Network([], example: example, channels: .last, classes: 5)
      #expect(network.layout.entries.map(\.name) == ["model.0.weight", "model.0.bias"])
      #expect(network.layout.entries.map(\.shape) == [[5, 12], [5]])
      #expect(network.layers.count == 1)
      #expect("\(network)" == "linear 5")
    }
  }

  @Test(arguments: [false, true])
  func `A head without bias has weights alone, and hidden layers keep their biases`(sparse: Bool) throws {
    let head = try Network([], example: [12], classes: 5, bias: false, sparseInputs: sparse)
    #expect(head.layout.entries.map(\.name) == ["model.0.weight"])
    #expect(head.layout.count == 60 && !head.hasHeadBias && "\(head)" == "linear 5 without bias")
    #expect(head.connections.map(\.columns) == [12] && head.connections.map(\.range) == [0..<60])
    let deep = try Network(
      [.linear(4), .activation(.relu)], example: [12], classes: 5, bias: false, sparseInputs: sparse)
    #expect(deep.layout.entries.map(\.name) == ["0.weight", "0.bias", "2.weight"].map { "model.\($0)" })
    #expect(deep.connections.map(\.columns) == [13, 4] && deep.connections.map(\.hasBias) == [true, false])
    #expect(deep.connections.map(\.range) == [0..<52, 52..<72] && deep.layout.count == 72)
  }

  @Test func `A long outline loses its middle`() throws {
    let network = try Network((1...20).map { .linear($0) }, example: [3], classes: 2)
    #expect("\(network)".hasPrefix("linear 1, linear 2,"))
    #expect("\(network)".hasSuffix(", linear 7, …, linear 18, linear 19, linear 20, linear 2"))
  }

  @Test func `The first layer that minds decides whether an example is an image`() throws {
    let image = try Network([.activation(.relu), .maxPool(.init(kernel: 2)), .flatten], example: [4, 6], classes: 2)
    #expect(image.outline == ["relu", "max_pool 1×2×3", "flatten 6", "linear 2"])
    let inside = try Network(
      [.residual([.layerNorm, .maxPool(.init(kernel: 1))]), .flatten], example: [2, 4, 6], classes: 2)
    #expect(inside.layout.entries[0].shape == [2, 4, 6])
    // Features are flat from the beginning.
    for first in [LayerSpecification.flatten, .linear(24), .residual([.linear(24)])] {
      let flat = try Network([.layerNorm, first], example: [4, 6], classes: 2)
      #expect(flat.layout.entries[0].shape == [24])
    }
  }

  @Test func `Channels that come last are brought to the front, without a number`() throws {
    let (channels, height, width, rows) = (3, 5, 4, 6)
    let layers: [LayerSpecification] = [
      .convolution(.init(channels: 2, kernel: 3)), .activation(.tanh), .flatten, .linear(4),
    ]
    let first = try Network(layers, example: [channels, height, width], classes: 2)
    let last = try Network(layers, example: [height, width, channels], channels: .last, classes: 2)
    #expect(first.layout == last.layout)
    #expect(first.outline == last.outline)
    #expect(last.layers.count == first.layers.count + 1)

    var samples = Samples(seed: 2)
    let inputs: Matrix<Double> = samples.matrix(rows, first.inputCount)
    let reordered = Matrix<Double>(zeros: rows, first.inputCount)
    for i in 0..<rows {
      for c in 0..<channels {
        for p in 0..<height * width { reordered[row: i][p * channels + c] = inputs[row: i][c * height * width + p] }
      }
    }
    let parameters: Vector<Double> = first.initialParameters(seed: 3)
    #expect((last.initialParameters(seed: 3) as Vector<Double>).array == parameters.array)
    let expected = ForwardPass<Double>(first, capacity: rows)(parameters, inputs)
    let found = ForwardPass<Double>(last, capacity: rows)(parameters, reordered)
    #expect(relativeError(found.elements.array, expected.elements.array) < 1e-13)
    // With one channel, both orders are the same, and flat features have no order.
    #expect(try Network(layers, example: [5, 4], channels: .last, classes: 2).layers.count == first.layers.count)
    #expect(try Network(layers, example: [5, 4, 1], channels: .last, classes: 2).layers.count == first.layers.count)
    #expect(try Network([.linear(3)], example: [5, 4, 3], channels: .last, classes: 2).layers.count == 2)
  }

  /// Layers that do not fit, with the key that the error must name and its text.
  private static let faults: [(layers: [LayerSpecification], example: [Int], key: String, problem: String)] = [
    (
      [.convolution(.init(channels: 4, kernel: 3)), .maxPool(.init(kernel: 2)), .linear(3)], [8, 8], "model.layers[2]",
      "linear takes flat features, and max_pool before it gives 4 × 3 × 3; put flatten before it"
    ),
    (
      [.linear(16), .convolution(.init(channels: 4, kernel: 3))], [8, 8], "model.layers[1]",
      "convolution takes an image, and linear before it gives 16 features; put it before flatten and linear layers"
    ),
    (
      [.globalAveragePool, .averagePool(.init(kernel: 2))], [2, 8, 8], "model.layers[1]",
      "average_pool takes an image, and global_average_pool before it gives 2 features; "
        + "put it before flatten and linear layers"
    ),
    (
      [.activation(.relu), .convolution(.init(channels: 4, kernel: 9, padding: 1))], [6, 20], "model.layers[1]",
      "a kernel of 9 does not fit into 1 × 6 × 20 with padding 1, which relu before it gives; "
        + "use a smaller kernel or a larger padding"
    ),
    (
      [.maxPool(.init(kernel: 4))], [3, 20], "model.layers[0]",
      "a kernel of 4 does not fit into 1 × 3 × 20 with padding 0, which an example gives; "
        + "use a smaller kernel or a larger padding"
    ),
    (
      [.convolution(.init(channels: 4, kernel: 3)), .activation(.relu)], [8, 8], "model.layers",
      "the last layer gives 4 × 6 × 6, and the classes take flat features; "
        + "add flatten or global_average_pool at the end"
    ),
    (
      [.residual([.linear(5), .activation(.tanh)])], [4], "model.layers[0]",
      "residual adds its input to its output, and its layers turn 4 features into 5 features; make them keep the shape"
    ),
    (
      [.convolution(.init(channels: 4, kernel: 3)), .residual([.flatten])], [4, 4], "model.layers[1]",
      "residual adds its input to its output, and its layers turn 4 × 2 × 2 into 16 features; make them keep the shape"
    ),
    (
      [.linear(4), .residual([.activation(.tanh), .maxPool(.init(kernel: 1))])], [4], "model.layers[1].residual[1]",
      "max_pool takes an image, and tanh before it gives 4 features; put it before flatten and linear layers"
    ),
    (
      [.activation(.tanh), .maxPool(.init(kernel: 2))], [784], "model.layers[1]",
      "max_pool takes an image, and an example has 784 flat features; "
        + "set model.input_shape, such as [28, 28] or [channels, height, width]"
    ),
    (
      [.maxPool(.init(kernel: 2))], [2, 2, 2, 2], "model.layers[0]",
      "max_pool takes an image, and an example has the extents [2, 2, 2, 2]; "
        + "set model.input_shape, such as [28, 28] or [channels, height, width]"
    ),
    (
      [.linear(1_000_000), .linear(1_000_000)], [4], "model.layers[1]",
      "has 1000001000000 parameters; make it smaller, at most 2147483647"
    ),
    (
      [.convolution(.init(channels: 1_000_000, kernel: 3, padding: 1000))], [8, 8], "model.layers[0]",
      "gives 1000000 × 2006 × 2006 numbers an example; make it smaller, less than 2147483647 in all"
    ),
    (
      [.maxPool(.init(kernel: 2))], [1, 5000, 5000], "model.layers[0]",
      "gets 1 × 5000 × 5000 numbers an example; make it smaller, less than 16777216 in all"
    ),
  ]

  @Test(arguments: faults.indices)
  func `A layer that does not fit is refused with what it gets and what it needs`(index: Int) {
    let (layers, example, key, problem) = Self.faults[index]
    let error = #expect(throws: ShapeError.self) { try Network(layers, example: example, classes: 3) }
    #expect(error?.description == "\(key): \(problem)")
  }

  @Test func `Layers survive JSON`() throws {
    let data = try JSONEncoder().encode(Self.all)
    #expect(try JSONDecoder().decode([LayerSpecification].self, from: data) == Self.all)
    let error = #expect(throws: LayerFault.self) {
      try JSONDecoder().decode([LayerSpecification].self, from: Data(#"["tanh", {"linear": 0}]"#.utf8))
    }
    #expect(error?.key == "[1].linear")
  }

  @Test(arguments: [0, 1, 5])
  func `A forward pass gives the logits of the linearization, on the memory that it announces`(rows: Int) throws {
    try withThreads(2) {
      let network = try Network(Self.all, example: [3, 12, 10], classes: 4)
      var samples = Samples(seed: 4)
      let inputs: Matrix<Double> = samples.matrix(rows, network.inputCount)
      let parameters: Vector<Double> = network.initialParameters(seed: 3)
      let linearization = Linearization<Double>(network, capacity: 5)
      linearization.linearize(at: parameters, on: inputs)
      let logits = ForwardPass<Double>(network, capacity: 5)(parameters, inputs)
      #expect(logits.rows == rows)
      #expect(zip(logits.elements.array, linearization.logits.elements.array).allSatisfy { abs($0 - $1) < 1e-12 })
      // Two activations that alternate, and the memory of one layer, instead of all activations.
      let widest = 6 * 12 * 10
      #expect(network.forwardCount >= network.inputCount + 2 * widest)
      #expect(network.forwardCount < network.inputCount + 4 * widest)
      #expect(network.forwardCount < network.body.cacheCount)
    }
  }
}
