/// The order of an image's extents in a data file.
package enum ChannelOrder: String, Codable, CaseIterable, Sendable {
  /// Channels × height × width, as the layers have it.
  case first
  /// Height × width × channels.
  case last
}

extension [Int] {
  /// The number of elements of an array with these extents; nil unless they are positive and it is an `Int`.
  package var elementCount: Int? {
    reduce(1) { product, extent in
      guard let product, extent > 0 else { return nil }
      let (result, overflows) = product.multipliedReportingOverflow(by: extent)
      return overflows ? nil : result
    }
  }
}

/// What one example is between two layers.
enum FeatureShape: Equatable {
  case flat(Int)
  case image(ImageShape)

  var count: Int {
    switch self {
    case .flat(let count): count
    case .image(let shape): shape.count
    }
  }

  /// As PyTorch's `LayerNorm` takes it.
  var extents: [Int] {
    switch self {
    case .flat(let count): [count]
    case .image(let shape): [shape.channels, shape.height, shape.width]
    }
  }
}

extension ImageShape: CustomStringConvertible {
  package var description: String { "\(channels) × \(height) × \(width)" }
}

extension FeatureShape: CustomStringConvertible {
  var description: String {
    switch self {
    case .flat(let count): "\(count) features"
    case .image(let shape): "\(shape)"
    }
  }
}

/// A layer that does not fit what comes before it. Its description is one line.
package struct ShapeError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Such as `model.layers[2]`.
  package let key: String
  package let problem: String

  package var description: String { "\(key): \(problem)" }
}
