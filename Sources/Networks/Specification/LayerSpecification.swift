import LinearAlgebra

/// A hidden layer as a configuration describes it: its settings, without the sizes that follow from the layers before
/// it.
public indirect enum LayerSpecification: Equatable, Sendable {
  case linear(Int)
  case convolution(Kernel)
  case maxPool(Pool)
  case averagePool(Pool)
  /// The mean of each channel.
  case globalAveragePool
  case flatten
  case activation(ActivationFunction)
  case layerNorm
  /// x + f(x), for the layers f.
  case residual([LayerSpecification])

  /// The window of a convolution.
  public struct Kernel: Equatable, Sendable {
    public var channels: Int
    public var kernel: Int
    public var stride = 1
    public var padding = 0

    public init(channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0) {
      self.channels = channels
      self.kernel = kernel
      self.stride = stride
      self.padding = padding
    }
  }

  /// The window of a pool. Without a stride, windows are adjacent.
  public struct Pool: Equatable, Sendable {
    public var kernel: Int
    public var stride: Int
    public var padding: Int

    public init(kernel: Int, stride: Int? = nil, padding: Int = 0) {
      self.kernel = kernel
      self.stride = stride ?? kernel
      self.padding = padding
    }
  }

  /// The word for the layer in a configuration.
  package var word: String {
    switch self {
    case .linear: Word.linear.rawValue
    case .convolution: Word.convolution.rawValue
    case .maxPool: Word.maxPool.rawValue
    case .averagePool: Word.averagePool.rawValue
    case .globalAveragePool: Word.globalAveragePool.rawValue
    case .flatten: Word.flatten.rawValue
    case .activation(let function): function.rawValue
    case .layerNorm: Word.layerNorm.rawValue
    case .residual: Word.residual.rawValue
    }
  }

  /// The words for layers other than activation functions.
  enum Word: String, CaseIterable {
    case linear, convolution
    case maxPool = "max_pool"
    case averagePool = "average_pool"
    case globalAveragePool = "global_average_pool"
    case flatten
    case layerNorm = "layer_norm"
    case residual
  }

  /// All words for layers.
  static var words: [String] { Word.allCases.map(\.rawValue) + ActivationFunction.allCases.map(\.rawValue) }

  /// Whether the layer has parameters of its own.
  package var isTrained: Bool {
    switch self {
    case .linear, .convolution, .layerNorm: true
    case .maxPool, .averagePool, .globalAveragePool, .flatten, .activation: false
    case .residual(let layers): layers.contains(where: \.isTrained)
    }
  }

  /// Whether the layer is or contains a convolution.
  package var hasConvolution: Bool {
    switch self {
    case .convolution: true
    case .residual(let layers): layers.contains(where: \.hasConvolution)
    default: false
    }
  }
}

extension LayerSpecification: CustomStringConvertible {
  /// The layer in the form of a configuration, on one line.
  public var description: String {
    switch self {
    case .linear(let outputs): "{\(word): \(outputs)}"
    case .convolution(let window):
      "{\(word): {channels: \(window.channels), kernel: \(window.kernel), stride: \(window.stride), "
        + "padding: \(window.padding)}}"
    case .maxPool(let window), .averagePool(let window):
      "{\(word): {kernel: \(window.kernel), stride: \(window.stride), padding: \(window.padding)}}"
    case .globalAveragePool, .flatten, .activation, .layerNorm: word
    case .residual(let layers): "{\(word): \(layers)}"
    }
  }
}
