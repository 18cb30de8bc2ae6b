extension Configuration {
  /// Keys that may be null: their defaults depend on the method and the network.
  static let dependentDefaults = [
    ["optimizer", "learning_rate"], ["optimizer", "metric", "kind"], ["optimizer", "damping", "initial"],
    ["optimizer", "damping", "minimum"],
  ]

  /// Gives the keys that were null their values, which for sparse features are others. They follow from the sweeps in
  /// Benchmarks/defaults.md.
  package mutating func resolveDefaults(sparseInputs: Bool = false) {
    let isDeep = model.hasHiddenParameters
    func set<Value>(_ path: WritableKeyPath<Optimizer, Value>, _ key: [String], _ value: Value) {
      if defaulted.contains(["optimizer"] + key) { optimizer[keyPath: path] = value }
    }
    switch optimizer.method {
    case .fgn, .ggn: set(\.learningRate, ["learning_rate"], isDeep ? 0.2 : 0.5)
    case .sgd: set(\.learningRate, ["learning_rate"], 0.1)
    case .adam: set(\.learningRate, ["learning_rate"], 0.001)
    }
    let isPerceptron = isDeep && !model.layers.contains(where: \.hasConvolution)
    let hasMetric = optimizer.method == .fgn && isPerceptron && !sparseInputs
    set(\.metric.kind, ["metric", "kind"], hasMetric ? .kronecker : .identity)
    let λ = optimizer.method.isDamped && optimizer.metric.kind == .kronecker ? 1 : 0.3
    set(\.damping.initial, ["damping", "initial"], λ)
    set(\.damping.minimum, ["damping", "minimum"], λ)
  }
}
