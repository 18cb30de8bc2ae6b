import LinearAlgebra
import Networks
import TestSupport

/// A random network of one to three image layers or groups of them, as many layers on features, and a linear head.
struct RandomStack {
  private(set) var sketches: [Sketch] = []
  private var samples: Samples

  init(seed: UInt64) {
    samples = Samples(seed: seed)
    if choose(0...3) > 0 { appendImages() } else { appendFeatures(choose(4...9)) }
  }

  private mutating func choose(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + samples.integer(below: range.count)
  }

  private mutating func function() -> ActivationFunction {
    ActivationFunction.allCases[choose(0...ActivationFunction.allCases.count - 1)]
  }

  private mutating func appendImages() {
    var shape = image(choose(1...3), choose(4...8), choose(4...8))
    if choose(0...2) == 0 { sketches.append(.channelsFirst(shape)) }
    for _ in 0..<choose(1...5) { appendImageLayer(&shape) }
    if choose(0...1) == 0 {
      sketches.append(.globalAveragePooling(shape))
      shape = image(shape.channels, 1, 1)
    }
    sketches.append(.flatten(shape.count))
    appendFeatures(shape.count)
  }

  private mutating func appendImageLayer(_ shape: inout ImageShape) {
    let least = min(shape.height, shape.width)
    let padding = choose(0...1)
    let window = Sketch.SlidingWindow(
      choose(max(1, 2 * padding)...max(2, min(3, least))), stride: choose(1...2), padding: padding)
    let fits = least + 2 * padding >= window.kernel
    let channels = choose(1...4)
    func output(_ channels: Int) -> ImageShape {
      image(channels, window.outputSize(shape.height), window.outputSize(shape.width))
    }
    switch choose(0...6) {
    case 0, 1:
      guard fits else { return }
      sketches.append(.convolution(shape, channels: channels, window))
      shape = output(channels)
    case 2: sketches.append(.activation(function(), shape.count))
    case 3:
      guard fits else { return }
      sketches.append(.maxPooling(shape, window))
      shape = output(shape.channels)
    case 4:
      guard fits else { return }
      sketches.append(.averagePooling(shape, window))
      shape = output(shape.channels)
    case 5:
      if shape.count >= 4 { sketches.append(.layerNormalization([shape.channels, shape.height, shape.width])) }
    default:
      let inner = image(channels, shape.height, shape.width)
      sketches.append(
        .residual([
          .convolution(shape, channels: channels, .init(3, padding: 1)), .activation(function(), inner.count),
          .convolution(inner, channels: shape.channels, .init(1)),
        ]))
    }
  }

  private mutating func appendFeatures(_ count: Int) {
    var count = count
    for _ in 0..<choose(1...4) {
      switch choose(0...4) {
      case 0, 1:
        let outputs = choose(1...8)
        sketches.append(.linear(count, outputs))
        count = outputs
      case 2: sketches.append(.activation(function(), count))
      case 3: if count >= 4 { sketches.append(.layerNormalization([count])) }
      default:
        let inner = choose(1...6)
        sketches.append(
          .residual([
            .linear(count, inner), .residual([.activation(function(), inner), .linear(inner, inner)]),
            .linear(inner, count),
          ]))
      }
    }
    sketches.append(.linear(count, choose(2...5)))
  }
}
