import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct GramTests {
  func options<Scalar: BLASScalar>(
    _ kind: SolverOptions.Kind, for _: Scalar.Type = Double.self, damping λ: Double, weightDecay μ: Double = 0
  ) -> GaussNewtonOptions {
    var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
    options.solver.kind = kind
    return options
  }

  func check<Scalar: DistributedScalar>(
    _: Scalar.Type, _ kind: SolverOptions.Kind, _ problem: ToyProblem, damping λ: Double, weightDecay μ: Double,
    momentum η: Double, shard: Range<Int>? = nil, tolerance: Double
  ) throws {
    var options = options(kind, for: Scalar.self, damping: λ, weightDecay: μ)
    options.momentum = η
    let trial = Trial<Scalar>(problem, options, shard: shard)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<2 {
      let θ = trial.parameters.doubles
      let expected = problem.oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last)
      let (Δ, report) = try trial.change()
      #expect(relativeError(Δ, expected) <= tolerance, "\(Scalar.self) λ \(λ) μ \(μ) η \(η) \(report.solver!)")
      let roundings = Double(Scalar.ulpOfOne)
      #expect(abs(report.loss - problem.oracle.loss(θ)) <= 8 * roundings * max(1, report.loss))
      #expect(abs(report.gradientNorm / norm(problem.oracle.gradient(θ)) - 1) <= 1000 * roundings)
      #expect(abs(report.stepNorm / norm(expected) - 1) <= tolerance)
      last = trial.optimizer.lastStep.doubles
    }
  }

  @Test(arguments: [SolverOptions.Kind.gram, .gramCG], [2, 3, 20])
  func `A step equals the dense solve`(kind: SolverOptions.Kind, classes: Int) throws {
    for largestMargin in [1.0, 10, 100] {
      let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
      for λ in [1e-4, 1e-1, 10] {
        for (μ, η) in [(0, 0), (1e-2, 0), (0, 0.8), (1e-2, 0.8)] {
          try check(Double.self, kind, problem, damping: λ, weightDecay: μ, momentum: η, tolerance: 1e-9)
          // A matrix of rounded numbers keeps few digits of a step that is hardly damped, and may not even be positive
          // definite, which conjugate gradient relies on.
          if kind == .gramCG, λ < 1e-2 { continue }
          try check(
            Float.self, kind, problem, damping: λ, weightDecay: μ, momentum: η, tolerance: λ < 1e-2 ? 2e-2 : 3e-4)
        }
      }
    }
  }

  @Test(arguments: [1, 2, 3, 5, 29])
  func `Any number of rows is solved, also where some ranks have none`(rows: Int) throws {
    let problem = ToyProblem(rows: rows, features: 5, classes: 4, largestMargin: 3, seed: 17)
    try check(Double.self, .gram, problem, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5, tolerance: 1e-9)
    let world = World.communicator
    for owner in 0..<world.size {
      try check(
        Double.self, .gram, problem, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5,
        shard: world.rank == owner ? 0..<rows : rows..<rows, tolerance: 1e-9)
    }
  }

  @Test(arguments: [StepLength.unit, .ggn])
  func `A step of any network is that of the matrix-free solver, on any number of ranks`(length: StepLength) throws {
    let networks = [
      try Network([.linear(9), .activation(.tanh), .linear(7), .activation(.relu)], example: [6], classes: 5),
      try Network(
        [
          .convolution(.init(channels: 3, kernel: 3, padding: 1)), .activation(.tanh), .maxPool(.init(kernel: 2)),
          .residual([.layerNorm, .convolution(.init(channels: 3, kernel: 3, padding: 1))]), .flatten,
          .residual([.layerNorm, .linear(27), .activation(.gelu)]),
        ], example: [6, 6], classes: 4),
      // The second convolution has few positions and many channels.
      try Network(
        [
          .convolution(.init(channels: 8, kernel: 3, padding: 1)), .activation(.tanh), .maxPool(.init(kernel: 2)),
          .convolution(.init(channels: 32, kernel: 3, padding: 1)), .activation(.tanh), .flatten, .linear(5),
        ], example: [4, 4], classes: 3),
    ]
    for network in networks {
      for rows in [1, 13] {
        var free = options(.cg, damping: 1e-2, weightDecay: 1e-3)
        free.momentum = 0.5
        free.stepLength = length
        free.solver.tolerance = 1e-13
        var gram = free
        gram.solver.kind = .gram
        let (expected, reference) = try change(of: network, free, rows: rows, over: Communicator())
        let (Δ, report) = try change(of: network, gram, rows: rows, over: World.communicator)
        #expect(relativeError(Δ, expected) < 1e-9)
        #expect(abs(report.stepLength / reference.stepLength - 1) < 1e-9)
        #expect(report.solver?.method == SolverSummary.Method.cholesky)
      }
    }
  }

  @Test func `Communication is what the documentation says`() throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 12, largestMargin: 0.5, seed: 16)
    for η in [0, 0.9] {
      var options = options(.gram, for: Float.self, damping: 1e-1)
      options.momentum = η
      options.stepLength = .ggn
      let trial = Trial<Float>(problem, options)
      let before = trial.communicator.statistics
      _ = try trial.advance()
      let used = trial.communicator.statistics - before
      let (B, N, P) = (23, trial.communicator.size, problem.parameters.count)
      #expect(used.allreduces == 2 && used.allreducedBytes == 4 * P + 8)
      #expect(used.allgathers == (N == 1 ? 3 : 5))
      #expect(used.allgatheredBytes == 24 * N + 4 * ((N == 1 ? 0 : B * (4 + 12)) + B * B + 3 * B))
    }
  }

  @Test func `The rows of the triangle are shared out evenly`() {
    for size in [0, 1, 7, 1000] {
      for ranks in 1...5 {
        let shares = (0..<ranks).map { GramPanel.part($0, of: ranks, 0..<size, size) }
        #expect(shares.flatMap { Array($0) } == Array(0..<size))
        // A row has as many products as rows follow it, and the time of 48 on top.
        let costs = shares.map { $0.reduce(0) { $0 + size - $1 + 48 } }
        let mean = Double(costs.reduce(0, +)) / Double(ranks)
        #expect(costs.allSatisfy { abs(Double($0) - mean) <= Double(size + 48) })
      }
    }
  }
}
