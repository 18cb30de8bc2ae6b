import LinearAlgebra
import MPI
import Networks

extension FastGaussNewton {
  /// Takes one global step, and chooses the solver before the first one if the options leave the choice. Collective.
  ///
  /// - Parameters:
  ///   - parameters: θ (P), updated in place; the same on all ranks.
  ///   - batch: this rank's rows of the batch.
  ///   - rate: the learning rate, by which the step Δ is multiplied.
  /// - Throws: an error of the communicator. Numerical trouble is reported, not thrown.
  @discardableResult
  public func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double = 1
  ) throws -> StepReport {
    if plan == nil, options.solver.kind.isChosen,
      SolverPlan.isCandidate(batchSize: batch.globalSize, loss.linearization.network)
    {
      if options.solver.kind == .measured {
        try measurePlan(parameters, on: batch)
      } else {
        let entries = try communicator.allreduce(batch.inputs.entryCount)
        try makePlan(
          parameters, on: batch, batchSize: batch.globalSize,
          valuesPerRow: Double(entries) / Double(max(1, batch.globalSize)))
      }
    }
    return try advance(parameters, on: batch, rate: rate, interrupt: false)
  }

  /// Plans with a cost model of each solver on batches of `batchSize` rows, where the configuration leaves the choice.
  /// The same command always makes the same plan. The iterations of conjugate gradient are taken from the previous
  /// plan, or from a solve of this batch. The parameters do not change. Collective.
  ///
  /// - Parameter valuesPerRow: entries per row of sparse features.
  package func makePlan(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, batchSize: Int, valuesPerRow: Double
  ) throws {
    let network = loss.linearization.network
    guard options.solver.kind == .auto, SolverPlan.isCandidate(batchSize: batchSize, network) else { return }
    var costs = SolverCosts(network, options, batchSize: batchSize, rates: MachineRates(kernel: Kernels.name))
    costs.ranks = communicator.size
    costs.hosts = try communicator.spansHosts() ? 2 : 1
    costs.threads = Threads.count
    costs.valuesPerRow = valuesPerRow
    costs.width = MemoryLayout<Scalar>.size
    let iterations =
      try plan?.iterations
      ?? rehearse(parameters, batch) {
        try Double(solve(.cg, at: parameters).solver.iterations)
      }
    plan = try costs.plan(iterations: iterations).slowest(over: communicator)
  }

  /// Measures all solvers on a batch and plans with the seconds, where the configuration asks for it. The parameters do
  /// not change. Collective.
  package func measurePlan(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>
  ) throws {
    guard
      options.solver.kind == .measured,
      SolverPlan.isCandidate(batchSize: batch.globalSize, loss.linearization.network)
    else { return }
    var seconds: [SolverOptions.Kind: [Double]] = [:]
    var iterations = 0
    var iteration: [Double] = []
    try rehearse(parameters, batch) {
      for _ in 0..<4 {
        for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
          try communicator.barrier()
          phases.reset()
          let start = ContinuousClock.now
          let solution = try solve(kind, at: parameters)
          let time = (ContinuousClock.now - start) / .seconds(1)
          seconds[kind, default: []].append(try communicator.allreduce(time, .max))
          if kind == .cg {
            iterations = solution.solver.iterations
            let jvps = damped.anchor.isPredicted ? 1 : 0
            // The products before the iterations cost as much as theirs: a gradient, and with Δ₀ a pair.
            let pairs = Double(iterations + jvps) + 0.5
            iteration.append(seconds[kind]!.last! / pairs)
          }
        }
      }
    }
    // The first repetition is a warm-up.
    func median(_ values: [Double]) -> Double { values.dropFirst().sorted()[1] }
    let pair = median(iteration)
    plan = SolverPlan(
      matrixFree: median(seconds[.cg]!) - Double(iterations) * pair, iteration: pair, gram: median(seconds[.gram]!),
      gramCG: median(seconds[.gramCG]!), iterations: Double(iterations))
  }

  /// The result of `body`, which solves for steps on a batch that are not taken. Collective.
  private func rehearse<Result>(
    _ parameters: Vector<Scalar>, _ batch: Batch<Scalar>, _ body: () throws -> Result
  ) throws -> Result {
    try linearize(at: parameters, on: batch, for: .gram)
    try metric.rehearse(loss.margin, cotangents: loss.cotangents, batchSize: batch.globalSize)
    try metric.prepare(decayRatio: decayRatio)
    isRehearsal = true
    defer { isRehearsal = false }
    return try body()
  }
}

extension SolverPlan {
  /// The plan with the largest seconds of all ranks, whose threads and processors may differ. Collective.
  func slowest(over communicator: Communicator) throws -> SolverPlan {
    let seconds = try communicator.allreduce([matrixFree, iteration, gram, gramCG, gramIteration ?? 0], .max)
    return SolverPlan(
      matrixFree: seconds[0], iteration: seconds[1], gram: seconds[2], gramCG: seconds[3],
      gramIteration: gramIteration == nil ? nil : seconds[4], gramIterationRatio: gramIterationRatio,
      iterations: iterations, source: source ?? .measured)
  }
}
