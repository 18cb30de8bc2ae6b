import LinearAlgebra
import Networks

/// A description of a layer, to build it and to compute its outputs from the definition (`Sketch+Reference.swift`).
indirect enum Sketch: Sendable {
  case linear(Int, Int)
  /// A linear layer without biases.
  case weights(Int, Int)
  case activation(ActivationFunction, Int)
  case convolution(ImageShape, channels: Int, SlidingWindow)
  case maxPooling(ImageShape, SlidingWindow)
  case averagePooling(ImageShape, SlidingWindow)
  case globalAveragePooling(ImageShape)
  case layerNormalization([Int])
  case flatten(Int)
  case channelsFirst(ImageShape)
  case residual([Sketch])

  struct SlidingWindow: Sendable {
    let kernel, stride, padding: Int

    init(_ kernel: Int, stride: Int = 1, padding: Int = 0) {
      self.kernel = kernel
      self.stride = stride
      self.padding = padding
    }

    func outputSize(_ size: Int) -> Int { (size + 2 * padding - kernel) / stride + 1 }
  }

  var layer: any Layer {
    switch self {
    case .linear(let inputs, let outputs): Linear(inputs: inputs, outputs: outputs)
    case .weights(let inputs, let outputs): Linear(inputs: inputs, outputs: outputs, hasBias: false)
    case .activation(let function, let count): Activation(function, count: count)
    case .convolution(let image, let channels, let w):
      Convolution(image, channels: channels, kernel: w.kernel, stride: w.stride, padding: w.padding)!
    case .maxPooling(let image, let w): MaxPooling(image, kernel: w.kernel, stride: w.stride, padding: w.padding)!
    case .averagePooling(let image, let w):
      AveragePooling(image, kernel: w.kernel, stride: w.stride, padding: w.padding)!
    case .globalAveragePooling(let image): GlobalAveragePooling(image)
    case .layerNormalization(let shape): LayerNormalization(shape: shape)
    case .flatten(let count): Flatten(count: count)
    case .channelsFirst(let image): ChannelsFirst(image)
    case .residual(let body): Residual(Stack(body.map(\.layer)))
    }
  }
}

/// All kinds of layers, with the windows that are easy to get wrong.
let sketches: [Sketch] =
  [.linear(5, 3), .linear(1, 1), .weights(5, 3), .weights(1, 1), .flatten(6)]
  + ActivationFunction.allCases.map { .activation($0, 37) }
  + [
    .convolution(image(2, 5, 6), channels: 3, .init(3, padding: 1)),
    .convolution(image(1, 7, 5), channels: 2, .init(3, stride: 2)),
    .convolution(image(3, 8, 8), channels: 2, .init(3, stride: 2, padding: 1)),
    // A kernel as large as the image, and larger.
    .convolution(image(2, 4, 4), channels: 1, .init(4)),
    .convolution(image(1, 3, 2), channels: 2, .init(5, padding: 2)),
    .convolution(image(2, 1, 1), channels: 3, .init(1)),
    .convolution(image(1, 1, 1), channels: 2, .init(3, padding: 1)),
    // Pixels that no window covers, and windows that cover no pixel.
    .convolution(image(2, 9, 7), channels: 2, .init(2, stride: 3)),
    .convolution(image(1, 6, 6), channels: 1, .init(2, stride: 3, padding: 1)),
    .convolution(image(1, 2, 3), channels: 2, .init(2, padding: 3)),
    // One image per chunk.
    .convolution(image(2, 20, 17), channels: 2, .init(3, padding: 1)),
  ]
  + [
    (image(3, 8, 6), .init(2, stride: 2)), (image(2, 7, 9), .init(2, stride: 2)),
    (image(1, 40, 37), .init(2, stride: 2)), (image(2, 9, 8), .init(3, stride: 2, padding: 1)),
    (image(1, 5, 5), .init(3, padding: 1)), (image(2, 7, 7), .init(2, stride: 3)), (image(1, 1, 1), .init(1)),
    (image(1, 2, 2), .init(2, stride: 2, padding: 1)), (image(1, 3, 3), .init(5, stride: 4, padding: 2)),
  ].flatMap { [Sketch.maxPooling($0, $1), .averagePooling($0, $1)] }
  + [
    .globalAveragePooling(image(3, 4, 5)), .globalAveragePooling(image(2, 1, 1)),
    .layerNormalization([6]), .layerNormalization([2, 3, 4]), .layerNormalization([1]),
    .channelsFirst(image(3, 2, 4)), .channelsFirst(image(1, 3, 3)),
    .residual([.linear(4, 6), .activation(.tanh, 6), .linear(6, 4)]),
    .residual([.activation(.silu, 5)]),
    .residual([
      .convolution(image(2, 4, 3), channels: 2, .init(3, padding: 1)),
      .residual([.layerNormalization([2, 4, 3]), .activation(.gelu, 24)]),
    ]),
  ]

/// Larger layers, whose loops are worth several threads.
let largeSketches: [Sketch] = {
  let large = image(4, 32, 32)
  return [
    .activation(.tanh, large.count), .convolution(large, channels: 3, .init(3, padding: 1)),
    .maxPooling(large, .init(2, stride: 2)), .maxPooling(large, .init(3, stride: 2, padding: 1)),
    .averagePooling(large, .init(2, stride: 2)), .globalAveragePooling(large),
    .layerNormalization([4, 32, 32]), .channelsFirst(large), .residual([.activation(.gelu, large.count)]),
  ]
}()

func image(_ channels: Int, _ height: Int, _ width: Int) -> ImageShape {
  ImageShape(channels: channels, height: height, width: width)
}
