import Glibc
import LinearAlgebra
import MPI
import Networks

/// Steps along the gradient, by stochastic gradient descent or Adam, as a comparison for second-order steps.
///
/// With the gradient h = g + μD(θ − c) of a batch, where D keeps the parameters that decay to c, SGD is v ← ηv + h, θ ← θ −
/// rate·v, or θ − rate·(h + ηv) in Nesterov's form. Adam is m ← β₁m + (1−β₁)h, v ← β₂v + (1−β₂)h², θ ← θ − rate·m̂/(√v̂
/// + ε), with m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ). Both are as in PyTorch. Rows are sharded over the ranks (`#b` of B);
/// parameters and moments are the same on all ranks. Source: Sutskever et al., ICML 2013; Kingma and Ba, arXiv
/// 1412.6980; Loshchilov and Hutter, arXiv 1711.05101.
package final class FirstOrder<Scalar: DistributedScalar>: Optimizer {
  package let options: FirstOrderOptions
  package let phases = Phases()

  private let linearization: Linearization<Scalar>
  /// The layers below, where the linearisation is of a head whose classes ranks share out.
  private let trunk: Trunk<Scalar>?
  package private(set) var margin: SoftmaxMargin<Scalar>
  package let message: Message<Scalar>
  private let space: any ParameterSpace
  /// nil where this rank has all classes.
  private let classes: ClassShards?
  private let decay: WeightDecay<Scalar>
  /// v of SGD; m and v of Adam (P, or empty where the method has none).
  private let velocity, firstMoment, secondMoment: Vector<Scalar>
  /// t, the number of steps that the moments have seen.
  private var moments = 0
  package var willUpdate: () -> Void = {}

  /// Allocates memory for shards of at most `capacity` rows; for `classes` see `FastGaussNewton`.
  package init(
    _ network: Network, options: FirstOrderOptions, capacity: Int, partition: RowPartition = RowPartition(),
    communicator: Communicator, classes: ClassShards? = nil
  ) {
    let parameterCount = network.layout.count
    let placement = StepPlacement<Scalar>(
      network, capacity: capacity, partition, classes: classes, over: communicator, phases: phases)
    self.options = options
    (self.classes, trunk) = (placement.classes, placement.trunk)
    linearization = Linearization(placement.network, capacity: placement.capacity, partition: placement.partition)
    margin = SoftmaxMargin(capacity: placement.capacity)
    message = Message(linearization, on: trunk, communicator: placement.rowCommunicator, phases: phases)
    space = placement.space
    decay = WeightDecay(
      rate: options.weightDecay, includesBiases: options.decaysBiases, toInitial: options.decaysToInitial,
      network.layout, over: space)
    velocity = Vector(zeros: options.hasVelocity ? parameterCount : 0)
    firstMoment = Vector(zeros: options.hasMoments ? parameterCount : 0)
    secondMoment = Vector(zeros: options.hasMoments ? parameterCount : 0)
  }

  package var memory: [(name: String, vector: Vector<Scalar>)] {
    let own =
      options.hasMoments
      ? [("first_moment", firstMoment), ("second_moment", secondMoment)]
      : options.hasVelocity ? [("velocity", velocity)] : []
    return own + decay.memory
  }

  package func begin(at parameters: Vector<Scalar>) { decay.begin(at: parameters) }

  package var counters: OptimizerCounters {
    get { OptimizerCounters(moments: options.hasMoments ? moments : nil) }
    set { if let moments = newValue.moments { self.moments = moments } }
  }

  /// Takes one global step, with one allreduce. Collective.
  package func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double, interrupt: Bool
  ) throws -> StepReport {
    let gradient = message.parameters

    // Linearise, margins.
    try phases.measure(.forward) {
      try linearization.linearize(at: parameters, on: batch, above: trunk)
      margin.weights = batch.weights
      try margin.assign(
        replacing: linearization.logits, targets: batch.targets, parts: linearization.parts.all, over: classes)
      try trunk?.assignCotangents(linearization.logits, head: linearization, at: parameters)
    }

    // The gradient g = −(1/B) Σ ω(1−p) Jᵀv, and the loss.
    let sums = try message.sum(
      .scaledLogits(
        linearization.logits, by: margin.gradientFactors(batch.labels.count, times: -1 / Scalar(batch.globalSize))),
      with: [
        (.loss, linearization.sums { margin.lossSum(rows: $0) }),
        (.interruptions, linearization.interruptions(interrupt)),
      ])

    let square = phases.measure(.update) {
      // g − μDc, so that the passes below add μDθ to it.
      decay.removeCenter(from: gradient)
      return decay.sum { gradient[$0.range].squaredNorm(adding: Scalar($0.rate), parameters[$0.range]) }
    }
    let squaredGradient = try space.totals(square)
    var report = StepReport(
      loss: try (classes?.agreed([sums[.loss]])[0] ?? sums[.loss]) / Double(batch.globalSize),
      gradientNorm: squaredGradient.squareRoot())
    report.interrupted = try space.isWished(sums[.interruptions])

    // Update, unless the parameters or the moments would not stay finite; one moment holds squares.
    report.accepted =
      report.loss.isFinite && report.gradientNorm.isFinite
      && (!options.hasMoments || Scalar(squaredGradient).isFinite)
    if report.accepted {
      willUpdate()
      let own = phases.measure(.update) { update(parameters, gradient, rate) }
      let square = try own.map { try classes == nil ? $0 : space.totals($0) }
      report.stepNorm = (square ?? squaredGradient).squareRoot()
    }
    return report
  }

  /// Takes the step θ ← θ − rate·d; returns ‖d‖² of this rank's parameters, or nil where d is the gradient.
  private func update(_ parameters: Vector<Scalar>, _ gradient: Vector<Scalar>, _ rate: Double) -> Double? {
    switch options.method {
    case .sgd(momentum: 0, _):
      for (range, μ, _) in decay.parts {
        parameters[range].combine(Scalar(-rate), gradient[range], Scalar(1 - rate * μ))
      }
      return nil
    case .sgd(let momentum, let nesterov):
      return decay.sum { part in
        let rule = SGDUpdate(rate: rate, momentum: momentum, decay: part.rate, nesterov: nesterov ? 1 : 0)
        return parameters[part.range].descend(
          rule, gradient: gradient[part.range], velocity: velocity[part.range])
      }
    case .adam(let adam):
      moments += 1
      if adam.decoupledWeightDecay {
        // Here decay acts on θ itself, which θ − c takes the place of.
        decay.removeCenter(from: gradient, times: -1)
        decay.moveByCenter(parameters, sign: -1)
      }
      defer { if adam.decoupledWeightDecay { decay.moveByCenter(parameters, sign: 1) } }
      return decay.sum { part in
        let (range, μ) = (part.range, part.rate)
        let rule = AdamUpdate(
          rate: rate, beta1: adam.beta1, beta2: adam.beta2, epsilon: adam.epsilon,
          decay: adam.decoupledWeightDecay ? 0 : μ, decoupled_decay: adam.decoupledWeightDecay ? μ : 0,
          correction1: 1 - pow(adam.beta1, Double(moments)), correction2: 1 - pow(adam.beta2, Double(moments)))
        return parameters[range].descend(
          rule, gradient: gradient[range], firstMoment: firstMoment[range], secondMoment: secondMoment[range])
      }
    }
  }
}
