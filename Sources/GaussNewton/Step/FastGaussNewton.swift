import LinearAlgebra
import MPI
import Networks

/// Fast Gauss-Newton: damped second-order steps with one curvature row per example.
///
/// A step minimises ½‖RΔ − s‖² + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖Dθ + Δ‖² over Δ: the row-space model of the loss around θ with
/// damping λ, momentum η towards the last step Δ₋, and weight decay μ of the parameters that D keeps (θ counts from what
/// they decay to). The solution is Δ = Δ₀ + Rᵀx, (RRᵀ + (λ+μ)I) x = s − RΔ₀, Δ₀ = (λη Δ₋ − μDθ)/(λ+μ).
///
/// Where damping and momentum measure in a metric N, ‖v‖² = vᵀNv, with M = (λN + μI)/(λ+μ), the solution is Δ = Δ₀ +
/// M⁻¹Rᵀx with RM⁻¹Rᵀ in the place of RRᵀ, and Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋ + Dθ). Matrix-free, it is the same system of
/// RL⁻ᵀ, M = LLᵀ. Rows are sharded over the ranks (`#b` of B); parameters are the same on all ranks. Source: Korbit and
/// Zanon, arXiv 2605.06081.
public final class FastGaussNewton<Scalar: DistributedScalar>: DampedOptimizer {
  public let options: GaussNewtonOptions
  package let phases = Phases()
  package let damped: DampedStep<Scalar>

  let exchange: RowExchange
  /// nil where this rank has all classes.
  let classes: ClassShards?
  let loss: BatchLoss<Scalar>
  let metric: Metric<Scalar>
  let rowSpace: RowSpace<Scalar>
  let space: any ParameterSpace
  package let message: Message<Scalar>
  /// R, and RL⁻ᵀ, which nothing asks for where ranks share out classes.
  let rows, whitenedRows: any RowOperator<Scalar>
  /// K through products with R and Rᵀ, where ranks share out classes.
  let kernel: ClassKernel<Scalar>?
  let solver: MatrixFreeSolver<Scalar>
  let gram: GramMatrix<Scalar>
  let gramSolver = GramSolver<Scalar>()
  /// Used for the choice of a solver, which depends on the machines.
  let communicator: Communicator
  /// r = s − RΔ₀ − (RRᵀ + (λ+μ)I)x, and RΔ₀ (#b each).
  let residualRows, predictedRows: Vector<Scalar>
  /// The basis for the choice of a solver; nil before the first plan, and where there is no choice.
  package internal(set) var plan: SolverPlan?
  /// The solver of the next step; never one that leaves the choice.
  package var solverKind: SolverOptions.Kind {
    guard options.solver.kind.isChosen else { return options.solver.kind }
    return options.damping.policy == .sweep ? plan?.bestWithMatrix ?? .gram : plan?.best ?? .cg
  }
  /// The times of solves without a sweep over λ.
  package private(set) var solveTimes = SolveTimes()
  /// Whether solvers are being tried.
  var isRehearsal = false

  package var margin: SoftmaxMargin<Scalar> { loss.margin }

  /// Rows lie in shards on the ranks of `communicator`, and parameters on all of them. Allocates memory for shards of at
  /// most `capacity` rows.
  public convenience init(
    _ network: Network, options: GaussNewtonOptions = GaussNewtonOptions(), capacity: Int,
    communicator: Communicator = Communicator()
  ) {
    self.init(
      network, options: options, capacity: capacity, partition: RowPartition(), communicator: communicator)
  }

  /// Allocates memory for shards of at most `capacity` rows.
  ///
  /// - Parameter classes: where ranks share out the classes of a head. The network then has this rank's classes alone; each
  ///   rank has all rows, but those of the layers below the head are shared out. The metric has no matrices.
  package init(
    _ network: Network, options: GaussNewtonOptions, capacity: Int, partition: RowPartition, communicator: Communicator,
    classes: ClassShards? = nil
  ) {
    let placement = StepPlacement<Scalar>(
      network, capacity: capacity, partition, classes: classes, over: communicator, phases: phases)
    let (classes, rowCommunicator, capacity) = (placement.classes, placement.rowCommunicator, placement.capacity)
    self.options = options
    self.classes = classes
    space = placement.space
    damped = DampedStep(network.layout, options: options, over: space)
    exchange = RowExchange(
      partition: partition, communicator: communicator, phases: phases, classes: classes)
    loss = BatchLoss(placement, exchange: exchange)
    metric = Metric(
      loss, options: options.metric, capacity: capacity, communicator: rowCommunicator, phases: phases)
    rowSpace = RowSpace(loss.linearization, capacity: capacity)
    message = Message(loss.linearization, on: loss.trunk, communicator: rowCommunicator, phases: phases)
    let own = ShardedRows(rowSpace, message, phases: phases)
    let classRows = classes.map { [loss] in ClassRows(own: own, classes: $0, trunk: loss.trunk) }
    rows = classRows ?? own
    kernel = classRows.map { [metric, exchange] in ClassKernel(rows: $0, exchange: exchange, metric: metric) }
    whitenedRows = ShardedRows(rowSpace, message, whitenedBy: metric, phases: phases)
    solver = MatrixFreeSolver(capacity: capacity, parameterCount: network.layout.count, over: space)
    gram = GramMatrix(exchange)
    self.communicator = communicator
    residualRows = Vector(zeros: capacity)
    predictedRows = Vector(zeros: capacity)
  }

  /// Takes one global step. Collective.
  package func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double, interrupt: Bool
  ) throws -> StepReport {
    // The starting point: θ, or θ + Δ₀.
    let start = try startingPoint(from: parameters)

    // Linearise: the logits, the margins m with v and w, and with them the rows R and s.
    let kind = solverKind
    try linearize(at: start, on: batch, for: kind)

    // The metric M, from the moments of batches.
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
    try phases.measure(.update) { try damped.finish(parameters, length: length, rate: rate, &report) }
    return report
  }

  /// θ, or with `nesterov` θ + Δ₀. Collective in a metric.
  private func startingPoint(from parameters: Vector<Scalar>) throws -> Vector<Scalar> {
    if damped.anchor.looksAhead { try metric.prepare(decayRatio: decayRatio) }
    return try phases.measure(.update) {
      try damped.anchor.start(from: parameters, damping: damped.damping, metric: metric) { try space.unify($0) }
    }
  }

  /// Computes the network, the margins and the row space at θ. Collective where ranks share out classes.
  func linearize(
    at parameters: Vector<Scalar>, on batch: Batch<Scalar>, for kind: SolverOptions.Kind
  ) throws {
    let network = loss.linearization.network
    // In a diagonal metric the gathered cotangents are scaled, and these are not.
    let place =
      network.hasSingleLayer && kind != .cg && !metric.isDiagonal
      ? gram.ownCotangents(of: batch, columns: network.outputCount) : nil
    try phases.measure(.forward) {
      try loss.linearize(at: parameters, on: batch, logits: place)
      rowSpace.assign(loss.margin, cotangents: loss.cotangents, batchSize: batch.globalSize)
      loss.trunk?.assignRows(of: rowSpace)
    }
  }

  /// μ/λ, which the metric's factors depend on.
  var decayRatio: Double { options.weightDecay / damped.damping }

  /// The loss, and the other facts that precede the solve. Collective.
  private func begin(
    _ kind: SolverOptions.Kind, at parameters: Vector<Scalar>, interrupt: Bool
  ) throws -> BatchFacts {
    solvesByParameters(kind)
      ? try beginMatrixFree(parameters, interrupt: interrupt) : try beginGram(interrupt: interrupt)
  }

  private func solve(
    _ kind: SolverOptions.Kind, at parameters: Vector<Scalar>, _ facts: BatchFacts, minus t: Vector<Scalar>
  ) throws -> StepSolution {
    solvesByParameters(kind)
      ? try solveMatrixFree(parameters, facts, minus: t) : try solveGram(kind, parameters, minus: t)
  }

  /// Whether the solve works on vectors of all parameters, from the gradient on, and not on those of all rows alone.
  private func solvesByParameters(_ kind: SolverOptions.Kind) -> Bool { kind == .cg && classes == nil }

  /// A complete solve for the linearised batch. Collective.
  func solve(_ kind: SolverOptions.Kind, at parameters: Vector<Scalar>) throws -> StepSolution {
    let facts = try begin(kind, at: parameters, interrupt: false)
    return try solve(kind, at: parameters, facts, minus: predictedOwnRows(parameters))
  }

  /// RΔ₀ of the local rows (#b), valid until the next call; zero where the batch is linearised at θ + Δ₀.
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

  /// Records the time and the iterations of a solve.
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
