import LinearAlgebra
import MPI
import Networks

/// Fast Gauss-Newton: damped second-order steps with one curvature row per example.
///
/// A step minimises ½‖RΔ − s‖² + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖θ + Δ‖² over Δ: the row-space model of the loss around θ with
/// damping λ, momentum η towards the last step Δ₋, and weight decay μ, solved as Δ = Δ₀ + Rᵀx,
/// (RRᵀ + (λ+μ)I) x = s − RΔ₀, Δ₀ = (λη Δ₋ − μθ)/(λ+μ). In a metric M, ‖v‖² is vᵀMv, Δ = Δ₀ + M⁻¹Rᵀx, and RM⁻¹Rᵀ takes the
/// place of RRᵀ: matrix-free as the same system of RL⁻ᵀ, M = LLᵀ. Rows are sharded over the ranks (`#b` of B), parameters are the
/// same everywhere. Source: Korbit and Zanon, arXiv 2605.06081.
package final class FastGaussNewton<Scalar: DistributedScalar>: DampedOptimizer {
  package let options: GaussNewtonOptions
  package let phases = Phases()
  package let damped: DampedStep<Scalar>

  private let loss: BatchLoss<Scalar>
  private let metric: Metric<Scalar>
  private let rowSpace: RowSpace<Scalar>
  private let solver: ConjugateGradient<Scalar>
  package let message: Message<Scalar>
  private let gram: GramMatrix<Scalar>
  private let gramSolver = GramSolver<Scalar>()
  private let communicator: Communicator
  private let residualRows, productRows: Vector<Scalar>
  /// What `auto` has measured; nil before, and where there is nothing to choose.
  package private(set) var plan: SolverPlan?
  /// How the next step is solved; never `auto`.
  package var solverKind: SolverOptions.Kind {
    options.solver.kind == .auto ? plan?.best ?? .cg : options.solver.kind
  }

  /// Allocates for shards of at most `capacity` rows.
  package init(_ network: Network, options: GaussNewtonOptions, capacity: Int, communicator: Communicator) {
    let parameterCount = network.layout.count
    self.options = options
    damped = DampedStep(network.layout, options: options)
    loss = BatchLoss(network, capacity: capacity, communicator: communicator, phases: phases)
    metric = Metric(
      loss.linearization, options: options.metric, capacity: capacity, communicator: communicator, phases: phases)
    rowSpace = RowSpace(loss.linearization, metric: metric, capacity: capacity)
    solver = ConjugateGradient(capacity: capacity, parameterCount: parameterCount)
    message = Message(loss.linearization, communicator: communicator, phases: phases)
    gram = GramMatrix(communicator: communicator, phases: phases)
    self.communicator = communicator
    residualRows = Vector(zeros: capacity)
    productRows = Vector(zeros: capacity)
  }

  /// One global step. Collective.
  package func advance(
    _ parameters: Vector<Scalar>, inputs: Matrix<Scalar>, labels: ArraySlice<Int32>, batchSize: Int, rate: Double,
    interrupt: Bool = false
  ) throws -> StepReport {
    // Linearise, margins, row space.
    phases.measure(.forward) {
      loss.linearize(at: parameters, on: inputs, labels, batchSize: batchSize)
      rowSpace.assign(loss.margin, cotangents: loss.cotangents, batchSize: batchSize)
    }

    // Moments of the metric.
    try metric.observe(loss.margin, cotangents: loss.cotangents, batchSize: batchSize)

    // Solve for Δ = Δ₀ + Rᵀx, with the quadratic model along it.
    var (report, model) = try solve(solverKind, parameters, batchSize: batchSize, interrupt: interrupt)
    if report.solver?.method == .cg { plan?.observe(iterations: report.solver!.iterations) }

    // Step length.
    report.stepNorm = model.squaredStep.squareRoot()
    let full =
      options.stepLength == .ggn
      ? try loss.fullCurvature(along: damped.step) + model.decay.curvature : nil
    let length = try damped.length(
      model, fullCurvature: full, rate: rate, on: loss, from: parameters, &report)

    // Damping, update.
    phases.measure(.update) { damped.finish(parameters, length: length, &report) }
    return report
  }

  private func solve(
    _ kind: SolverOptions.Kind, _ parameters: Vector<Scalar>, batchSize: Int, interrupt: Bool
  ) throws -> (StepReport, StepModel) {
    kind == .cg
      ? try solveMatrixFree(parameters, batchSize: batchSize, interrupt: interrupt)
      : try solveGram(kind, parameters, batchSize: batchSize, interrupt: interrupt)
  }

  /// Measures every solver on a batch and plans with that, where the configuration leaves the choice. The parameters stay
  /// as they are. Collective.
  package func makePlan(
    _ parameters: Vector<Scalar>, inputs: Matrix<Scalar>, labels: ArraySlice<Int32>, batchSize: Int
  ) throws {
    guard
      options.solver.kind == .auto,
      SolverPlan.isCandidate(batchSize: batchSize, loss.linearization.network)
    else { return }
    phases.measure(.forward) {
      loss.linearize(at: parameters, on: inputs, labels, batchSize: batchSize)
      rowSpace.assign(loss.margin, cotangents: loss.cotangents, batchSize: batchSize)
    }
    try metric.rehearse(loss.margin, cotangents: loss.cotangents, batchSize: batchSize)
    var seconds: [SolverOptions.Kind: [Double]] = [:]
    var iterations = 0
    var iteration: [Double] = []
    for _ in 0..<4 {
      for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
        try communicator.barrier()
        phases.reset()
        let start = ContinuousClock.now
        let (report, _) = try solve(kind, parameters, batchSize: batchSize, interrupt: false)
        let time = (ContinuousClock.now - start) / .seconds(1)
        seconds[kind, default: []].append(try communicator.allreduce(time, .max))
        if kind == .cg {
          iterations = report.solver!.iterations
          let jvps = damped.hasAnchor ? 1 : 0
          // The products before the iterations are like theirs: a gradient, and with Δ₀ a pair.
          let pairs = Double(iterations + jvps) + 0.5
          iteration.append(seconds[kind]!.last! / pairs)
        }
      }
    }
    // The first repetition warms up.
    func median(_ values: [Double]) -> Double { values.dropFirst().sorted()[1] }
    let pair = median(iteration)
    plan = SolverPlan(
      matrixFree: median(seconds[.cg]!) - Double(iterations) * pair, iteration: pair, gram: median(seconds[.gram]!),
      gramCG: median(seconds[.gramCG]!), iterations: Double(iterations))
  }

  package var counters: OptimizerCounters {
    get { OptimizerCounters(damping: damped.damping, moments: metric.isActive ? metric.steps : nil, plan: plan) }
    set {
      if let damping = newValue.damping { damped.damping = damping }
      if let moments = newValue.moments { metric.resume(after: moments) }
      plan = newValue.plan
    }
  }

  package var memory: [(name: String, vector: Vector<Scalar>)] {
    damped.memory + metric.memory
  }

  /// Conjugate gradient with products by R and Rᵀ: at most `solver.iterations` + 2 allreduces. Collective.
  private func solveMatrixFree(
    _ parameters: Vector<Scalar>, batchSize: Int, interrupt: Bool
  ) throws -> (StepReport, StepModel) {
    let (λ, μ) = (damped.damping, options.weightDecay)
    let s = rowSpace.rightHandSide
    let (r, t) = (residualRows[0..<s.count], productRows[0..<s.count])

    // The gradient g = −Rᵀs, the loss, and with them the solver's first collective.
    r.assign(s)
    let scaled = phases.measure(.vjp) { rowSpace.cotangents(scaledBy: r) }
    try message.sumProduct(scaled, [r.squaredNorm, loss.localSum, interrupt ? 1 : 0])
    var report = damped.begin(
      parameters, negativeGradient: message.parameters, loss: message[scalar: 1] / Double(batchSize),
      interrupted: message[scalar: 2] > 0)

    let gradientNorm = metric.isActive ? try whitenedGradientNorm() : report.gradientNorm

    // Momentum and weight decay move the starting point to Δ₀ and the right-hand side to s − RΔ₀.
    if damped.hasAnchor {
      damped.assignAnchor(parameters, metric: metric)
      phases.measure(.jvp) { rowSpace.apply(damped.anchor, into: t) }
      r.combine(-1, t)
    }
    if damped.hasAnchor || metric.isActive {
      try rowSpace.sumWhitened(r, [r.squaredNorm], in: message, phases)
    }

    report.solver = try phases.measure(.solve) {
      try solver.solve(
        rowSpace, r, damping: λ + μ, reference: gradientNorm > 0 ? gradientNorm : message.parameters.norm,
        message: message, step: damped.step, options: options.solver, phases: phases)
    }
    guard metric.isActive else { return (report, damped.model(parameters, residual: message.parameters)) }

    // RΔ = s − r − (λ+μ)x.
    t.assign(s)
    t.combine(-1, r)
    t.combine(Scalar(-(λ + μ)), solver.solution[0..<s.count])
    let sums = try phases.measure(.communication) {
      try communicator.allreduce([-s.dot(t), t.squaredNorm])
    }
    phases.measure(.metric) { metric.unwhiten(damped.step, 0..<damped.step.count) }
    try completeStep()
    return (report, damped.model(parameters, loss: Quadratic(slope: sums[0], curvature: sums[1])))
  }

  /// ‖L⁻¹(g + μDθ)‖, with one rank's word for all. Collective.
  private func whitenedGradientNorm() throws -> Double {
    // The step is not yet of use.
    damped.step.assign(damped.gradient)
    phases.measure(.metric) { metric.whiten(damped.step, 0..<damped.step.count) }
    return try phases.measure(.communication) { try communicator.broadcast([damped.step.norm])[0] }
  }

  /// Adds Δ₀ to y. What every rank has divided by the metric for itself is one rank's word for all. Collective in a metric.
  private func completeStep() throws {
    damped.addAnchor()
    guard metric.isActive, communicator.size > 1 else { return }
    try phases.measure(.communication) { try damped.step.withElements { try communicator.broadcast($0) } }
  }

  /// The matrix K = RRᵀ of all rows: one or two allgathers a layer, three more, and one allreduce of P numbers, that of
  /// the step; the gradient itself is never formed. Collective.
  private func solveGram(
    _ kind: SolverOptions.Kind, _ parameters: Vector<Scalar>, batchSize: Int, interrupt: Bool
  ) throws -> (StepReport, StepModel) {
    let (λ, μ) = (damped.damping, options.weightDecay)
    let shard = rowSpace.rightHandSide.count

    // What is known of each rank: its rows, the sum of their losses, its wish to stop.
    let facts = try phases.measure(.communication) {
      try communicator.allgather(
        [Double(shard), loss.localSum, interrupt ? 1 : 0], counts: Array(repeating: 3, count: communicator.size))
    }
    func column(_ index: Int) -> [Double] { stride(from: index, to: facts.count, by: 3).map { facts[$0] } }

    // Of all rows s, RΔ₀ and √(w̃/B).
    gram.begin(counts: column(0).map { Int($0) })
    let own = productRows[0..<shard]
    if damped.hasAnchor {
      damped.assignAnchor(parameters, metric: metric)
      phases.measure(.jvp) { rowSpace.apply(damped.anchor, into: own) }
    } else {
      own.fill(0)
    }
    let columns = try gram.gather([rowSpace.rightHandSide, own, rowSpace.rowFactors])
    let (s, t) = (columns[0], columns[1])
    try gram.assign(loss.linearization, cotangents: loss.cotangents, rowFactors: columns[2], metric: metric)

    let scalars = phases.measure(.solve) {
      let K = gram.matrix
      let r = s.copy()
      r.combine(-1, t)
      let product = Vector<Scalar>(zeros: s.count)
      product.assignSymmetricProduct(K, s)
      let gradientNorm = max(0, s.dot(product)).squareRoot()
      let summary = gramSolver.solve(
        K, r, damping: λ + μ, reference: gradientNorm, options: options.solver, kind: kind)
      // RΔ = RΔ₀ + Kx.
      product.assign(gramSolver.product)
      product.combine(1, t)
      return RowSpaceSolution(
        gradientNorm: gradientNorm, slope: -s.dot(product), curvature: product.squaredNorm, solver: summary)
    }
    let solution = try phases.measure(.communication) { try scalars.broadcast(over: communicator) }

    var report = StepReport(
      loss: column(1).reduce(0, +) / Double(batchSize), gradientNorm: solution.gradientNorm, damping: λ)
    report.interrupted = column(2).contains { $0 > 0 }
    report.solver = solution.solver

    // y = M⁻¹Rᵀx.
    let factors = rowSpace.factors(scaledBy: gramSolver.solution[gram.ownRows])
    try message.sum(.rowGradients(scaledBy: factors), transform: metric.divide)
    damped.step.assign(message.parameters)
    try completeStep()
    return (report, damped.model(parameters, loss: Quadratic(slope: solution.slope, curvature: solution.curvature)))
  }
}

/// What a solve in the row space says beside x; one rank's word counts for all, should their processors round differently.
private struct RowSpaceSolution {
  /// ‖g‖, gᵀΔ and ΔᵀGΔ.
  var gradientNorm, slope, curvature: Double
  var solver: SolverSummary

  /// What rank 0 has. Collective.
  func broadcast(over communicator: Communicator) throws -> RowSpaceSolution {
    typealias Summary = SolverSummary
    let numbers = try communicator.broadcast([
      gradientNorm, slope, curvature, Double(solver.iterations), solver.residual,
      Double(Summary.Method.allCases.firstIndex(of: solver.method)!),
      Double(Summary.Termination.allCases.firstIndex(of: solver.termination)!),
    ])
    return RowSpaceSolution(
      gradientNorm: numbers[0], slope: numbers[1], curvature: numbers[2],
      solver: Summary(
        method: Summary.Method.allCases[Int(numbers[5])], iterations: Int(numbers[3]), residual: numbers[4],
        termination: Summary.Termination.allCases[Int(numbers[6])]))
  }
}
