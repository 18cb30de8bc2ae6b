import LinearAlgebra

/// Layers in order over one flat parameter vector; the outputs of the last layer are the logits.
public struct Network: Sendable {
  package let body: Stack
  public let layout: ParameterLayout
  /// The axes of one example, such as [28, 28]; their product is d.
  public let example: [Int]
  /// Each layer with the shape of its output, for the user.
  public let outline: [String]

  /// - Precondition: there is at least one layer, and each takes as many inputs as the one before has outputs.
  package init(_ layers: [any Layer]) {
    let body = Stack(layers)
    self.init(body, example: [body.inputCount], outline: layers.map { "\(type(of: $0)) \($0.outputCount)" })
  }

  init(_ body: Stack, example: [Int], outline: [String]) {
    self.body = body
    self.example = example
    self.outline = outline
    var layout = ParameterLayout()
    for (index, (name, shape)) in body.parameterShapes.enumerated() {
      layout.append("model.\(name)", shape: shape, isTransposed: index == 0 && body.layers.first is SparseLinear)
    }
    self.layout = layout
  }

  package var layers: [any Layer] { body.layers }

  /// Whether the network is a head alone, so that nothing but its only layer depends on the cotangents of the logits.
  package var hasSingleLayer: Bool { layers.count == 1 }

  /// Whether the last layer, which is fully connected, has biases.
  package var hasHeadBias: Bool { (layers.last as? any FullyConnected)?.hasBias ?? false }

  /// d, the number of features.
  public var inputCount: Int { body.inputCount }

  /// C, the number of classes.
  public var outputCount: Int { body.outputCount }

  /// Starting values by each layer's rule, determined by `seed` alone.
  public func initialParameters<Scalar: BLASScalar>(seed: UInt64) -> Vector<Scalar> {
    var generator = SplitMix64(seed: seed)
    let parameters = Vector<Scalar>(zeros: layout.count)
    body.initialize(parameters, gain: 1, using: &generator)
    return parameters
  }
}

extension Network: CustomStringConvertible {
  /// The outline on one line; a long one is shortened in its middle.
  public var description: String {
    let parts = outline.count <= 12 ? outline : outline.prefix(7) + ["…"] + outline.suffix(4)
    return parts.joined(separator: ", ")
  }
}
