/// The order of an image's axes in a data file.
public enum ChannelOrder: String, Codable, CaseIterable, Sendable {
  /// Channels × height × width, as in the layers.
  case first
  /// Height × width × channels.
  case last
}

extension [Int] {
  /// The number of elements of an array with these axes; nil unless all are positive and the number fits into an `Int`.
  package var elementCount: Int? {
    reduce(1) { product, extent in
      guard let product, extent > 0 else { return nil }
      let (result, overflows) = product.multipliedReportingOverflow(by: extent)
      return overflows ? nil : result
    }
  }
}

/// The shape of one example between two layers.
enum FeatureShape: Equatable {
  case flat(Int)
  case image(ImageShape)

  var count: Int {
    switch self {
    case .flat(let count): count
    case .image(let shape): shape.count
    }
  }

  /// The shape that PyTorch's `LayerNorm` takes.
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

/// A layer that does not fit the layers before it. The description is one line.
public struct ShapeError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The key of the layer, such as `model.layers[2]`.
  public let key: String
  public let problem: String

  public var description: String { "\(key): \(problem)" }
}
