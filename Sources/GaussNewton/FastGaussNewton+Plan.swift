import LinearAlgebra
import MPI
import Networks

extension FastGaussNewton {
  /// Measures every solver on a batch and plans with that, where the configuration leaves the choice. The parameters stay
  /// as they are. Collective.
  package func makePlan(
    _ parameters: Vector<Scalar>, inputs: Matrix<Scalar>, labels: ArraySlice<Int32>, batchSize: Int
  ) throws {
    try makePlan(parameters, inputs: .dense(inputs), labels: labels, batchSize: batchSize)
  }

  /// The same on inputs of either kind. Collective.
  package func makePlan(
    _ parameters: Vector<Scalar>, inputs: Inputs<Scalar>, labels: ArraySlice<Int32>, weights: Vector<Scalar>? = nil,
    batchSize: Int
  ) throws {
    guard
      options.solver.kind == .auto,
      SolverPlan.isCandidate(batchSize: batchSize, loss.linearization.network)
    else { return }
    linearize(at: parameters, on: inputs, labels, weights: weights, batchSize: batchSize, for: .gram)
    try metric.rehearse(loss.margin, cotangents: loss.cotangents, batchSize: batchSize)
    try metric.prepare(decayRatio: decayRatio)
    isRehearsal = true
    defer { isRehearsal = false }
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
          let jvps = damped.predictsAnchor ? 1 : 0
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
}
