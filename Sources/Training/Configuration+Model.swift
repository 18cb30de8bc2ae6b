import LinearAlgebra
import Networks

extension Configuration.Model {
  /// The network for examples of the extents `featureShape`, as a data file has them.
  package func network(featureShape: [Int], classes: Int) throws(ConfigurationError) -> Network {
    if let inputShape, inputShape.elementCount != featureShape.elementCount {
      throw ConfigurationError(
        key: "model.input_shape",
        "\(inputShape) is no shape for examples of \(featureShape.reduce(1, *)) features; their product must be that")
    }
    do {
      return try Network(layers, example: inputShape ?? featureShape, channels: channels, classes: classes)
    } catch {
      throw ConfigurationError(key: error.key, error.problem)
    }
  }

  /// θ at the start: by rule, or from a file.
  package func initialParameters<Scalar: BLASScalar>(of network: Network, seed: UInt64) throws -> Vector<Scalar> {
    switch resolvedInitialization {
    case "zeros": Vector(zeros: network.layout.count)
    case "scaled": network.initialParameters(seed: seed)
    case let path: try ModelFile.parameters(of: network, in: Safetensors.load(path: path))
    }
  }

  /// With `auto` replaced by what it means: a linear head starts at zero, hidden units must differ.
  var resolvedInitialization: String {
    initialization != "auto" ? initialization : hasHiddenParameters ? "scaled" : "zeros"
  }

  var hasHiddenParameters: Bool { layers.contains(where: \.isTrained) }
}
