import LinearAlgebra
import MPI
import Networks

/// Fast Gauss-Newton: damped second-order steps with one curvature row per example.
///
/// A step minimises ½‖RΔ − s‖² + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖Dθ + Δ‖² over Δ: the row-space model of the loss around θ with
/// damping λ, momentum η towards the last step Δ₋, and weight decay μ of the parameters that D keeps, solved as Δ = Δ₀ + Rᵀx,
/// (RRᵀ + (λ+μ)I) x = s − RΔ₀, Δ₀ = (λη Δ₋ − μDθ)/(λ+μ). Where damping and momentum measure in a metric N, ‖v‖² = vᵀNv, with
/// M = (λN + μI)/(λ+μ) it is Δ = Δ₀ + M⁻¹Rᵀx, RM⁻¹Rᵀ takes the place of RRᵀ, and Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋ + Dθ):
/// matrix-free as the same system of RL⁻ᵀ, M = LLᵀ. Rows are sharded over the ranks (`#b` of B), parameters are the same
/// everywhere. Source: Korbit and Zanon, arXiv 2605.06081.
package final class FastGaussNewton<Scalar: DistributedScalar>: DampedOptimizer {
  package let options: GaussNewtonOptions
  package let phases = Phases()
  package let damped: DampedStep<Scalar>

  let exchange: RowExchange
  let loss: BatchLoss<Scalar>
  let metric: Metric<Scalar>
  let rowSpace: RowSpace<Scalar>
  let space: any ParameterSpace
  package let message: Message<Scalar>
  /// R, and RL⁻ᵀ.
  let rows, whitenedRows: any RowOperator<Scalar>
  let solver: MatrixFreeSolver<Scalar>
  let gram: GramMatrix<Scalar>
  let gramSolver = GramSolver<Scalar>()
  /// For the choice of a solver, which depends on the machines.
  let communicator: Communicator
  /// r = s − RΔ₀ − (RRᵀ + (λ+μ)I)x, and RΔ₀ (#b each).
  let residualRows, predictedRows: Vector<Scalar>
  /// What the choice of a solver follows from; nil before, and where there is nothing to choose.
  package internal(set) var plan: SolverPlan?
  /// How the next step is solved; never a choice itself.
  package var solverKind: SolverOptions.Kind {
    guard options.solver.kind.isChosen else { return options.solver.kind }
    return options.damping.policy == .sweep ? plan?.bestWithMatrix ?? .gram : plan?.best ?? .cg
  }
  /// Of the steps in which λ stays as it is.
  package private(set) var solveTimes = SolveTimes()
  /// While solvers are tried.
  var isRehearsal = false

  package var margin: SoftmaxMargin<Scalar> { loss.margin }

  /// Allocates for shards of at most `capacity` rows.
  package init(
    _ network: Network, options: GaussNewtonOptions, capacity: Int, partition: RowPartition = RowPartition(),
    communicator: Communicator
  ) {
    self.options = options
    space = ReplicatedParameters(communicator: communicator, phases: phases)
    damped = DampedStep(network.layout, options: options, over: space)
    exchange = RowExchange(partition: partition, communicator: communicator, phases: phases)
    loss = BatchLoss(network, capacity: capacity, partition: partition, exchange: exchange)
    metric = Metric(
      loss.linearization, options: options.metric, capacity: capacity, communicator: communicator, phases: phases)
    rowSpace = RowSpace(loss.linearization, capacity: capacity)
    message = Message(loss.linearization, communicator: communicator, phases: phases)
    rows = ShardedRows(rowSpace, message, phases: phases)
    whitenedRows = ShardedRows(rowSpace, message, whitenedBy: metric, phases: phases)
    solver = MatrixFreeSolver(capacity: capacity, parameterCount: network.layout.count, over: space)
    gram = GramMatrix(exchange)
    self.communicator = communicator
    residualRows = Vector(zeros: capacity)
    predictedRows = Vector(zeros: capacity)
  }

  /// One global step. Collective.
  package func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double, interrupt: Bool
  ) throws -> StepReport {
    // θ, or θ + Δ₀, where momentum and decay lead.
    let start = try startingPoint(from: parameters)

    // Linearise: the logits, the margins m with v and w, and with them the rows R and s.
    let kind = solverKind
    linearize(at: start, on: batch, for: kind)

    // The metric M, from moments of such batches.
    try metric.observe(loss.margin, cotangents: loss.cotangents, batchSize: batch.globalSize)
    try metric.prepare(decayRatio: decayRatio)

    // Solve (RM⁻¹Rᵀ + (λ+μ)I) x = s − RΔ₀ for Δ = Δ₀ + M⁻¹Rᵀx, with the quadratic model along it.
    let (facts, solution) = try timingSolve(kind) {
      let facts = try begin(kind, at: start, interrupt: interrupt)
      return (facts, try solve(kind, at: start, facts, minus: predictedOwnRows(start)))
    }
    var report = StepReport(facts, solution, damping: damped.damping)

    // The length of the step, α.
    let model = solution.model
    let length = try damped.length(
      model, fullCurvature: try fullCurvature(model), rate: rate, on: loss, from: start, &report)

    // The next λ, and θ ← θ + rate·αΔ.
    phases.measure(.update) { damped.finish(parameters, length: length, rate: rate, &report) }
    return report
  }

  /// θ, or with `nesterov` θ + Δ₀. Collective in a metric.
  private func startingPoint(from parameters: Vector<Scalar>) throws -> Vector<Scalar> {
    if damped.anchor.looksAhead { try metric.prepare(decayRatio: decayRatio) }
    return try phases.measure(.update) {
      try damped.anchor.start(from: parameters, damping: damped.damping, metric: metric) { try space.unify($0) }
    }
  }

  /// The network, the margins and the row space at θ. Local.
  func linearize(
    at parameters: Vector<Scalar>, on batch: Batch<Scalar>, for kind: SolverOptions.Kind
  ) {
    let network = loss.linearization.network
    let place =
      network.hasSingleLayer && kind != .cg
      ? gram.ownCotangents(of: batch, columns: network.outputCount) : nil
    phases.measure(.forward) {
      loss.linearize(at: parameters, on: batch, logits: place)
      rowSpace.assign(loss.margin, cotangents: loss.cotangents, batchSize: batch.globalSize)
    }
  }

  /// μ/λ, which the metric's factors depend on.
  var decayRatio: Double { options.weightDecay / damped.damping }

  /// The loss, and what else is known before the solve. Collective.
  private func begin(
    _ kind: SolverOptions.Kind, at parameters: Vector<Scalar>, interrupt: Bool
  ) throws -> BatchFacts {
    kind == .cg
      ? try beginMatrixFree(parameters, interrupt: interrupt) : try beginGram(interrupt: interrupt)
  }

  private func solve(
    _ kind: SolverOptions.Kind, at parameters: Vector<Scalar>, _ facts: BatchFacts, minus t: Vector<Scalar>
  ) throws -> StepSolution {
    kind == .cg
      ? try solveMatrixFree(parameters, facts, minus: t) : try solveGram(kind, parameters, minus: t)
  }

  /// A whole solve for the batch that is linearised. Collective.
  func solve(_ kind: SolverOptions.Kind, at parameters: Vector<Scalar>) throws -> StepSolution {
    let facts = try begin(kind, at: parameters, interrupt: false)
    return try solve(kind, at: parameters, facts, minus: predictedOwnRows(parameters))
  }

  /// RΔ₀ of the local rows (#b), until the next call; zero where the batch is linearised at θ + Δ₀.
  func predictedOwnRows(_ parameters: Vector<Scalar>) throws -> Vector<Scalar> {
    let own = predictedRows[0..<rowSpace.rightHandSide.count]
    let shift = phases.measure(.update) {
      damped.anchor.assignShift(parameters, damping: damped.damping, metric: metric)
    }
    if let shift { try rows.apply(shift, into: own) } else { own.fill(0) }
    return own
  }

  /// Δᵀ(G_GGN + μD)Δ, if the step length is `ggn`. Collective.
  func fullCurvature(_ model: StepModel) throws -> Double? {
    options.stepLength == .ggn ? try loss.fullCurvature(along: damped.step) + model.decay.curvature : nil
  }

  /// Counts the time and the iterations of a step's solve.
  private func timingSolve(
    _ kind: SolverOptions.Kind, _ solve: () throws -> (BatchFacts, StepSolution)
  ) rethrows -> (BatchFacts, StepSolution) {
    let (sweeps, begin) = (damped.control.sweeps, ContinuousClock.now)
    let result = try solve()
    if !sweeps { solveTimes.add(kind, (ContinuousClock.now - begin) / .seconds(1)) }
    plan?.observe(kind, iterations: result.1.solver.iterations)
    return result
  }

  package var counters: OptimizerCounters {
    get {
      var counters = damped.control.counters
      if metric.isActive { counters.moments = metric.steps }
      counters.plan = plan
      return counters
    }
    set {
      damped.control.resume(newValue)
      if let moments = newValue.moments { metric.resume(after: moments) }
      plan = newValue.plan
    }
  }

  package var memory: [(name: String, vector: Vector<Scalar>)] {
    damped.memory + metric.memory
  }

  package var earlyMemory: [(name: String, vector: Vector<Scalar>)] { metric.memory }
}
