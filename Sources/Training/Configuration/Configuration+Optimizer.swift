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
  /// The method's implementation for what a rank holds of a network, for batches of at most `batchSize` rows.
  package func makeOptimizer<Scalar: DistributedScalar>(
    _ share: ParameterShare, batchSize: Int, partition: RowPartition, over communicator: Communicator
  ) -> any Optimizer<Scalar> {
    let (network, classes) = (share.own, share.classes)
    let capacity = partition.capacity(of: batchSize)
    switch method {
    case .fgn:
      var options = gaussNewton
      if partition.isVirtual || classes != nil {
        options.solver.kind = settledSolver(share.network, batchSize: batchSize, sharesClasses: classes != nil)
      }
      return FastGaussNewton(
        network, options: options, capacity: capacity, partition: partition, communicator: communicator,
        classes: classes)
    case .ggn:
      return GeneralizedGaussNewton(
        network, options: gaussNewton, capacity: capacity, partition: partition, communicator: communicator,
        classes: classes)
    case .sgd, .adam:
      return FirstOrder(
        network, options: firstOrder, capacity: capacity, partition: partition, communicator: communicator,
        classes: classes)
    }
  }

  /// The solver where `auto` does not choose by costs, the same on all ranks: in runs that are reproducible, where nothing may
  /// depend on time, and where ranks share out classes. It is the matrix of a batch where there is one; with shared classes
  /// its rows stay on their ranks.
  func settledSolver(_ network: Network, batchSize: Int, sharesClasses: Bool) -> SolverOptions.Kind {
    if solver.kind != .auto { return solver.kind }
    if !SolverPlan.isCandidate(batchSize: batchSize, network) { return .cg }
    return sharesClasses ? .gramCG : .gram
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
    options.decaysToInitial = decaysToInitial
    options.metric = metric
    return options
  }

  /// Whether parameters decay to those that the run begins with.
  var decaysToInitial: Bool { decayTo == .initial && weightDecay > 0 }

  var firstOrder: FirstOrderOptions {
    FirstOrderOptions(
      method == .adam ? .adam(adam) : .sgd(momentum: momentum, nesterov: nesterov), weightDecay: weightDecay,
      decaysBiases: decayBiases, decaysToInitial: decaysToInitial)
  }

  /// Whether a run with these options reads the setting or section `key`, such as `optimizer.damping.factor`: the method
  /// may have no use for it, or the policy of damping, the kind of the metric or of the solver.
  package func reads(_ key: String) -> Bool {
    let path = key.split(separator: ".").dropFirst().map(String.init)
    let name = path.count > 1 ? path[1] : ""
    switch path.first {
    case "damping":
      guard method.isDamped else { return false }
      return switch name {
      case "minimum", "maximum", "interval": damping.policy != .constant
      case "factor": damping.policy == .levenbergMarquardt
      default: true
      }
    case "solver":
      guard method.isDamped else { return false }
      let isMatrixFree = method == .ggn || solver.kind == .cg
      return switch name {
      case "kind": method == .fgn
      case "gram_tolerance": !isMatrixFree
      default: true
      }
    case "metric":
      return method == .fgn && (metric.kind != .identity || name.isEmpty || name == "kind")
    case "schedule": return name != "final" || schedule.kind != .constant
    case "step_length": return method.isDamped
    case "momentum", "nesterov": return method != .adam
    case "adam": return method == .adam
    case "decay_biases", "decay_to": return weightDecay > 0
    default: return true
    }
  }

  /// Settings that differ from their defaults although the method does not read them, so that a comparison of methods
  /// needs no change but `method`. A person is told of them.
  package var unreadSettings: [String] {
    let standard = Self()
    let settings: [(key: String, isChanged: Bool)] = [
      ("damping", damping != standard.damping), ("solver", solver != standard.solver),
      ("schedule.final", schedule.final != standard.schedule.final),
      ("step_length", stepLength != standard.stepLength), ("momentum", momentum != standard.momentum),
      ("nesterov", nesterov != standard.nesterov), ("adam", adam != standard.adam),
      ("metric", metric != standard.metric), ("decay_to", decayTo != standard.decayTo),
    ]
    return settings.filter(\.isChanged).map { "optimizer.\($0.key)" }.filter { !reads($0) }
  }

  /// The method and what steers it, for people; `resumed` is the λ that a run goes on with, nil for one that begins.
  package func summary(resumed: Double? = nil) -> String {
    let start = "\(method.rawValue), batch \(batchSize), rate \(learningRate.short), "
    switch method {
    case .fgn, .ggn:
      let tolerance = solver.kind == .gramCG ? solver.toleranceWithMatrix : solver.tolerance
      let isBound = resumed == nil && damping.start != damping.initial
      let bound = isBound ? " (its bound, instead of \(damping.initial.short))" : ""
      return start + "damping \((resumed ?? damping.start).short)\(bound) \(damping.policy.rawValue), "
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
