import Glibc
import LinearAlgebra
import Networks
import TestSupport

// Deliberately naive, and written from the definitions alone: shares no code with the package.

extension Sketch {
  var parameterCount: Int {
    switch self {
    case .linear(let inputs, let outputs): outputs * inputs + outputs
    case .weights(let inputs, let outputs): outputs * inputs
    case .convolution(let image, let channels, let w): channels * image.channels * w.kernel * w.kernel + channels
    case .layerNormalization(let shape): 2 * shape.reduce(1, *)
    case .residual(let body): body.reduce(0) { $0 + $1.parameterCount }
    default: 0
    }
  }

  /// The outputs for one row of features `x` with the parameters θ.
  func outputs(_ θ: ArraySlice<Double>, _ x: [Double]) -> [Double] {
    let θ = Array(θ)
    switch self {
    case .linear(let inputs, let outputs):
      return (0..<outputs).map { o in
        (0..<inputs).reduce(θ[outputs * inputs + o]) { $0 + θ[o * inputs + $1] * x[$1] }
      }
    case .weights(let inputs, let outputs):
      return (0..<outputs).map { o in (0..<inputs).reduce(0) { $0 + θ[o * inputs + $1] * x[$1] } }
    case .activation(let function, _): return x.map { function.reference($0) }
    case .convolution(let image, let channels, let w):
      return (0..<channels).flatMap { o in
        w.positions(over: image).map { y0, x0 in
          var sum = θ[channels * image.channels * w.kernel * w.kernel + o]
          for c in 0..<image.channels {
            for (ky, kx) in w.places {
              let weight = θ[((o * image.channels + c) * w.kernel + ky) * w.kernel + kx]
              sum += weight * (image.pixel(x, c, y0 + ky, x0 + kx) ?? 0)
            }
          }
          return sum
        }
      }
    case .maxPooling(let image, let w):
      return w.pooled(image, x) { $0.compactMap { $0 }.max()! }
    case .averagePooling(let image, let w):
      return w.pooled(image, x) { $0.reduce(0) { $0 + ($1 ?? 0) } / Double($0.count) }
    case .globalAveragePooling(let image):
      let area = image.height * image.width
      return (0..<image.channels).map { c in x[c * area..<(c + 1) * area].reduce(0, +) / Double(area) }
    case .layerNormalization:
      let n = Double(x.count)
      let mean = accurateSum(x) / n
      let variance = accurateSum(x.map { ($0 - mean) * ($0 - mean) }) / n
      return x.indices.map { θ[$0] * (x[$0] - mean) / (variance + 1e-5).squareRoot() + θ[x.count + $0] }
    case .flatten: return x
    case .channelsFirst(let image):
      return (0..<image.channels).flatMap { c in
        (0..<image.height * image.width).map { x[$0 * image.channels + c] }
      }
    case .residual(let body): return zip(x, body.outputs(θ[...], x)).map { $0 + $1 }
    }
  }
}

extension [Sketch] {
  /// The outputs of these layers in sequence.
  func outputs(_ θ: ArraySlice<Double>, _ x: [Double]) -> [Double] {
    var (θ, x) = (θ, x)
    for sketch in self {
      x = sketch.outputs(θ.prefix(sketch.parameterCount), x)
      θ = θ.dropFirst(sketch.parameterCount)
    }
    return x
  }
}

extension Sketch.SlidingWindow {
  /// (ky, kx) of all places of the window.
  var places: [(Int, Int)] { (0..<kernel).flatMap { ky in (0..<kernel).map { (ky, $0) } } }

  /// The first row and column that the window covers at each of its positions.
  func positions(over image: ImageShape) -> [(Int, Int)] {
    (0..<outputSize(image.height)).flatMap { oy in
      (0..<outputSize(image.width)).map { (oy * stride - padding, $0 * stride - padding) }
    }
  }

  /// `reduce` of the pixels under the window, per channel and position; nil outside the image.
  func pooled(_ image: ImageShape, _ x: [Double], _ reduce: ([Double?]) -> Double) -> [Double] {
    (0..<image.channels).flatMap { c in
      positions(over: image).map { y0, x0 in
        reduce(places.map { ky, kx in image.pixel(x, c, y0 + ky, x0 + kx) })
      }
    }
  }
}

extension ImageShape {
  /// The pixel; nil outside the image.
  fileprivate func pixel(_ x: [Double], _ c: Int, _ row: Int, _ column: Int) -> Double? {
    guard row >= 0, row < height, column >= 0, column < width else { return nil }
    return x[(c * height + row) * width + column]
  }
}

extension ActivationFunction {
  fileprivate func reference(_ x: Double) -> Double {
    switch self {
    case .tanh: Glibc.tanh(x)
    case .sigmoid: 1 / (1 + exp(-x))
    case .relu: max(x, 0)
    case .gelu: x * (1 + erf(x / 2.0.squareRoot())) / 2
    case .silu: x / (1 + exp(-x))
    }
  }
}
