import GaussNewton
import Networks

/// The steps that are predicted.
enum ScalingGrid {
  /// Iterations of conjugate gradient, as WordNet's head takes with momentum.
  static let iterations = 3.0

  struct Case {
    let network, scaling: String
    let step: PredictedStep
  }

  struct NamedNetwork {
    let name, title: String
    /// The widths from the features to the classes.
    let widths: [Int]
    let placements: [PredictedStep.Placement]

    /// The network with so many times the classes.
    func network(times factor: Int) -> Network {
      var layers: [any Layer] = []
      for (index, (inputs, outputs)) in zip(widths, widths.dropFirst()).enumerated() {
        if index > 0 { layers.append(Activation(.tanh, count: inputs)) }
        layers.append(Linear(inputs: inputs, outputs: index == widths.count - 2 ? factor * outputs : outputs))
      }
      return Network(layers)
    }
  }

  static let heads = [
    NamedNetwork(name: "wordnet", title: "head 384-4796", widths: [384, 4796], placements: [.rows, .classes]),
    NamedNetwork(name: "language", title: "head 576-49152", widths: [576, 49152], placements: [.rows, .classes]),
  ]
  static let networks =
    heads + [
      NamedNetwork(
        name: "perceptron", title: "perceptron 784-512-256-10", widths: [784, 512, 256, 10], placements: [.rows])
    ]

  static func steps(isQuick: Bool) -> [Case] {
    let ranks = (0...12).filter { !isQuick || $0 % 2 == 0 }.map { 1 << $0 }
    return networks.flatMap { named in
      ["strong", "weak"].flatMap { scaling in
        named.placements.flatMap { placement in
          ranks.flatMap { count in steps(named, scaling, placement, ranks: count) }
        }
      }
    }
  }

  /// A step by each solver.
  private static func steps(
    _ named: NamedNetwork, _ scaling: String, _ placement: PredictedStep.Placement, ranks: Int
  ) -> [Case] {
    let growth = scaling == "weak" ? ranks : 1
    let isHead = named.widths.count == 2
    let network = named.network(times: isHead ? growth : 1)
    let batchSize = 512 * (isHead ? 1 : growth)
    let methods: [PredictedStep.Method] =
      [.matrixFree(iterations: iterations)]
      // The matrix of a batch that grows does not pay for long.
      + (isHead || scaling == "strong" ? [.gram, .gramCG(iterations: iterations)] : [])
    return methods.map { method in
      Case(
        network: named.name, scaling: scaling,
        step: PredictedStep(network, batchSize: batchSize, method: method, placement: placement, ranks: ranks))
    }
  }
}
