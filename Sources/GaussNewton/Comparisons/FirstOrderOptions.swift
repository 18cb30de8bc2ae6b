/// The options of a step along the gradient.
package struct FirstOrderOptions: Equatable, Sendable {
  package enum Method: Equatable, Sendable {
    /// Stochastic gradient descent with momentum η.
    case sgd(momentum: Double, nesterov: Bool)
    case adam(AdamOptions)
  }

  package var method: Method
  /// μ
  package var weightDecay: Double
  /// Whether biases decay as weights do.
  package var decaysBiases: Bool
  /// Whether parameters decay to those of `begin(at:)` instead of zero.
  package var decaysToInitial: Bool

  package init(
    _ method: Method, weightDecay: Double = 0, decaysBiases: Bool = true, decaysToInitial: Bool = false
  ) {
    self.method = method
    self.weightDecay = weightDecay
    self.decaysBiases = decaysBiases
    self.decaysToInitial = decaysToInitial
  }

  var hasVelocity: Bool {
    if case .sgd(let momentum, _) = method { momentum != 0 } else { false }
  }

  var hasMoments: Bool {
    if case .adam = method { true } else { false }
  }
}

/// The options of Adam.
package struct AdamOptions: Codable, Equatable, Sendable {
  /// The decay of the first moment, the mean of gradients.
  package var beta1 = 0.9
  /// The decay of the second moment, the mean of squared gradients.
  package var beta2 = 0.999
  /// ε, added to the root of the second moment.
  package var epsilon = 1e-8
  /// Whether weight decay acts on the parameters directly instead of through the moments (AdamW).
  package var decoupledWeightDecay = false

  enum CodingKeys: String, CodingKey {
    case beta1, beta2, epsilon
    case decoupledWeightDecay = "decoupled_weight_decay"
  }

  package init() {}
}
