import GaussNewton
import LinearAlgebra
import MPI
import Networks

extension Configuration.Optimizer {
  /// The method's implementation, for shards of at most `capacity` rows.
  func makeOptimizer<Scalar: DistributedScalar>(
    _ network: Network, capacity: Int, over communicator: Communicator
  ) -> any GaussNewton.Optimizer<Scalar> {
    switch method {
    case .fgn:
      FastGaussNewton(network, options: gaussNewton, capacity: capacity, communicator: communicator)
    case .ggn:
      GeneralizedGaussNewton(network, options: gaussNewton, capacity: capacity, communicator: communicator)
    case .sgd, .adam:
      FirstOrder(network, options: firstOrder, capacity: capacity, communicator: communicator)
    }
  }

  private var gaussNewton: GaussNewtonOptions {
    var options = GaussNewtonOptions()
    options.damping = damping
    options.solver = solver
    options.stepLength = stepLength
    options.momentum = momentum
    options.weightDecay = weightDecay
    return options
  }

  private var firstOrder: FirstOrderOptions {
    FirstOrderOptions(
      method == .adam ? .adam(adam) : .sgd(momentum: momentum, nesterov: nesterov), weightDecay: weightDecay)
  }

  /// Throws for a setting that the method would not read: whoever changed it expects it to count.
  func validateMethod(source: String) throws {
    let standard = Self()
    let damped: [Method] = [.fgn, .ggn]
    let settings: [(key: String, value: Any, standard: Any, methods: [Method])] = [
      ("damping.initial", damping.initial, standard.damping.initial, damped),
      ("damping.policy", damping.policy.rawValue, standard.damping.policy.rawValue, damped),
      ("damping.minimum", damping.minimum, standard.damping.minimum, damped),
      ("damping.maximum", damping.maximum, standard.damping.maximum, damped),
      ("damping.factor", damping.factor, standard.damping.factor, damped),
      ("solver.kind", solver.kind.rawValue, standard.solver.kind.rawValue, damped),
      ("solver.tolerance", solver.tolerance, standard.solver.tolerance, damped),
      ("solver.max_iterations", solver.maxIterations, standard.solver.maxIterations, damped),
      ("step_length", stepLength.rawValue, standard.stepLength.rawValue, damped),
      ("momentum", momentum, standard.momentum, damped + [.sgd]),
      ("nesterov", nesterov, standard.nesterov, [.sgd]),
      ("adam.beta1", adam.beta1, standard.adam.beta1, [.adam]),
      ("adam.beta2", adam.beta2, standard.adam.beta2, [.adam]),
      ("adam.epsilon", adam.epsilon, standard.adam.epsilon, [.adam]),
      ("adam.decoupled_weight_decay", adam.decoupledWeightDecay, standard.adam.decoupledWeightDecay, [.adam]),
    ]
    for (key, value, standard, methods) in settings
    where !methods.contains(method) && "\(value)" != "\(standard)" {
      let readers = methods.map(\.rawValue).joined(separator: ", ")
      throw ConfigurationError(
        source: source, key: "optimizer.\(key)",
        "\(value) means nothing to optimizer.method \(method.rawValue), only to \(readers); leave it at \(standard)")
    }
    if nesterov, momentum == 0 {
      throw ConfigurationError(
        source: source, key: "optimizer.nesterov", "true means nothing without optimizer.momentum; raise it above 0")
    }
  }

  /// The method and what steers it, for people.
  package var summary: String {
    let start = "\(method.rawValue), batch \(batchSize), rate \(learningRate.short), "
    switch method {
    case .fgn, .ggn:
      return start + "damping \(damping.initial.short) \(damping.policy.rawValue), step length \(stepLength.rawValue), "
        + "solver cg to \(solver.tolerance.short) in at most \(solver.maxIterations)"
    case .sgd:
      return start + "momentum \(momentum.short)\(nesterov ? " (Nesterov)" : ""), weight decay \(weightDecay.short)"
    case .adam:
      return start + "betas \(adam.beta1.short) and \(adam.beta2.short), epsilon \(adam.epsilon.short), "
        + "weight decay \(weightDecay.short)\(adam.decoupledWeightDecay ? " (decoupled)" : "")"
    }
  }
}
