import LinearAlgebra

/// Layers in order over one flat parameter vector; the last one's outputs are the logits.
package struct Network: Sendable {
  package let layers: [any Layer]
  package let layout: ParameterLayout

  /// Where each layer's parameters lie in the flat vector.
  let parameterRanges: [Range<Int>]

  /// - Precondition: there is at least one layer, and each takes as many inputs as the one before has outputs.
  package init(_ layers: [any Layer]) {
    precondition(!layers.isEmpty, "a network has at least one layer")
    for (layer, next) in zip(layers, layers.dropFirst()) {
      precondition(layer.outputCount == next.inputCount, "the layers of a network fit together")
    }
    self.layers = layers
    var layout = ParameterLayout()
    var ranges: [Range<Int>] = []
    for (number, layer) in layers.enumerated() {
      let start = layout.count
      for (name, shape) in layer.parameterShapes { layout.append("model.\(number).\(name)", shape: shape) }
      ranges.append(start..<layout.count)
    }
    self.layout = layout
    parameterRanges = ranges
  }

  /// d, the number of features.
  package var inputCount: Int { layers.first!.inputCount }

  /// C, the number of classes.
  package var outputCount: Int { layers.last!.outputCount }

  /// Starting values by each layer's rule, from `seed` alone.
  package func initialParameters<Scalar: BLASScalar>(seed: UInt64) -> Vector<Scalar> {
    var generator = SplitMix64(seed: seed)
    let parameters = Vector<Scalar>(zeros: layout.count)
    for (layer, range) in zip(layers, parameterRanges) {
      layer.initialize(parameters[range], using: &generator)
    }
    return parameters
  }
}
