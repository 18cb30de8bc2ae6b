import GaussNewton
import LinearAlgebra
import MPI
import Networks

extension Configuration.TrainingOptions {
  /// How ranks share the rows of batches.
  func partition(rank: Int, ranks: Int) -> RowPartition {
    RowPartition(rank: rank, ranks: ranks, virtualShards: reproducible ? virtualShards : nil)
  }
}

extension Configuration.OptimizerOptions {
  /// The method's implementation, for batches of at most `batchSize` rows. A run that is reproducible chooses no solver by
  /// the time that it takes: `auto` is then the matrix of a batch where there is one.
  package func makeOptimizer<Scalar: DistributedScalar>(
    _ network: Network, batchSize: Int, partition: RowPartition, over communicator: Communicator
  ) -> any Optimizer<Scalar> {
    let capacity = partition.capacity(of: batchSize)
    switch method {
    case .fgn:
      var options = gaussNewton
      if partition.isVirtual, solver.kind == .auto {
        options.solver.kind = SolverPlan.isCandidate(batchSize: batchSize, network) ? .gram : .cg
      }
      return FastGaussNewton(
        network, options: options, capacity: capacity, partition: partition, communicator: communicator)
    case .ggn:
      return GeneralizedGaussNewton(
        network, options: gaussNewton, capacity: capacity, partition: partition, communicator: communicator)
    case .sgd, .adam:
      return FirstOrder(
        network, options: firstOrder, capacity: capacity, partition: partition, communicator: communicator)
    }
  }

  var gaussNewton: GaussNewtonOptions {
    var options = GaussNewtonOptions()
    options.damping = damping
    options.solver = solver
    options.stepLength = stepLength
    options.momentum = momentum
    options.nesterov = nesterov
    options.weightDecay = weightDecay
    options.decaysBiases = decayBiases
    options.metric = metric
    return options
  }

  var firstOrder: FirstOrderOptions {
    FirstOrderOptions(
      method == .adam ? .adam(adam) : .sgd(momentum: momentum, nesterov: nesterov), weightDecay: weightDecay,
      decaysBiases: decayBiases)
  }

  /// Settings that differ from their defaults although the method does not read them, so that a comparison of methods
  /// needs no change but `method`. A person is told of them.
  package var unreadSettings: [String] {
    let standard = Self()
    let damped: [Method] = [.fgn, .ggn]
    let settings: [(key: String, isChanged: Bool, methods: [Method])] = [
      ("damping", damping != standard.damping, damped),
      ("solver", solver != standard.solver, damped),
      ("step_length", stepLength != standard.stepLength, damped),
      ("momentum", momentum != standard.momentum, damped + [.sgd]),
      ("nesterov", nesterov != standard.nesterov, damped + [.sgd]),
      ("adam", adam != standard.adam, [.adam]),
      ("metric", metric != standard.metric, [.fgn]),
    ]
    return settings.filter { $0.isChanged && !$0.methods.contains(method) }.map { "optimizer.\($0.key)" }
  }

  /// The method and what steers it, for people.
  package var summary: String {
    let start = "\(method.rawValue), batch \(batchSize), rate \(learningRate.short), "
    switch method {
    case .fgn, .ggn:
      let tolerance = solver.kind == .gramCG ? solver.toleranceWithMatrix : solver.tolerance
      let bound = damping.start == damping.initial ? "" : " (its bound, instead of \(damping.initial.short))"
      return start + "damping \(damping.start.short)\(bound) \(damping.policy.rawValue), "
        + "step length \(stepLength.rawValue), solver \(method == .ggn ? "cg" : solver.kind.rawValue)"
        + (solver.kind == .gram ? "" : " to \(tolerance.short) in at most \(solver.maxIterations)")
        + (metric.kind == .identity || method == .ggn ? "" : ", metric \(metric.kind.rawValue)")
    case .sgd:
      return start + "momentum \(momentum.short)\(nesterov ? " (Nesterov)" : ""), weight decay \(weightDecay.short)"
    case .adam:
      return start + "betas \(adam.beta1.short) and \(adam.beta2.short), epsilon \(adam.epsilon.short), "
        + "weight decay \(weightDecay.short)\(adam.decoupledWeightDecay ? " (decoupled)" : "")"
    }
  }
}
