import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct GramCollectiveTests {
  func options<Scalar: BLASScalar>(
    _ kind: SolverOptions.Kind, for _: Scalar.Type = Double.self, damping λ: Double, weightDecay μ: Double = 0,
    momentum η: Double = 0
  ) -> GaussNewtonOptions {
    var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
    options.solver.kind = kind
    options.momentum = η
    return options
  }

  func check<Scalar: DistributedScalar>(
    _: Scalar.Type, _ problem: ToyProblem, _ options: GaussNewtonOptions, shard: Range<Int>? = nil, tolerance: Double
  ) throws {
    let (λ, μ, η) = (options.damping.initial, options.weightDecay, options.momentum)
    let trial = Trial<Scalar>(problem, options, shard: shard)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<2 {
      let θ = trial.parameters.doubles
      let expected = try World.once {
        problem.oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last)
      }
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
    for (largestMargin, hasBias) in [(1.0, true), (10, true), (10, false), (100, true)] {
      let biased = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
      let problem = hasBias ? biased : biased.withoutBias
      for λ in [1e-4, 1e-1, 10] {
        for (μ, η) in [(0, 0), (1e-2, 0), (0, 0.8), (1e-2, 0.8)] {
          try check(Double.self, problem, options(kind, damping: λ, weightDecay: μ, momentum: η), tolerance: 1e-9)
          // A matrix of rounded numbers determines few digits of a step with little damping, and may even be
          // indefinite, while conjugate gradient relies on positive definiteness.
          if kind == .gramCG, λ < 1e-2 { continue }
          try check(
            Float.self, problem, options(kind, for: Float.self, damping: λ, weightDecay: μ, momentum: η),
            tolerance: λ < 1e-2 ? 2e-2 : 3e-4)
        }
      }
    }
  }

  @Test(arguments: [1, 2, 3, 5, 29])
  func `Any number of rows is solved, also where some ranks have none`(rows: Int) throws {
    let problem = ToyProblem(rows: rows, features: 5, classes: 4, largestMargin: 3, seed: 17)
    try check(Double.self, problem, options(.gram, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5), tolerance: 1e-9)
    let world = World.communicator
    for owner in 0..<world.size {
      try check(
        Double.self, problem, options(.gram, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5),
        shard: world.rank == owner ? 0..<rows : rows..<rows, tolerance: 1e-9)
    }
  }

  /// On up to four ranks, each forms the step of a share of the classes.
  @Test(arguments: [SolverOptions.Kind.gram, .gramCG], [(1, true), (2, true), (37, true), (37, false)])
  func `A step of many classes equals the dense solve`(
    kind: SolverOptions.Kind, problem form: (rows: Int, hasBias: Bool)
  ) throws {
    let rows = form.rows
    let biased = ToyProblem(rows: rows, features: 3, classes: 130, largestMargin: 2, seed: 23)
    let problem = form.hasBias ? biased : biased.withoutBias
    let world = World.communicator
    for owner in -1..<world.size {
      let shard = owner < 0 ? nil : world.rank == owner ? 0..<rows : rows..<rows
      try check(
        Double.self, problem, options(kind, damping: 0.1, weightDecay: 1e-2, momentum: 0.8), shard: shard,
        tolerance: 1e-9)
      try check(
        Float.self, problem, options(kind, for: Float.self, damping: 0.1, weightDecay: 1e-2, momentum: 0.8),
        shard: shard, tolerance: 3e-4)
    }
  }

  @Test func `Conjugate gradient that replaces its residuals equals the dense solve`() throws {
    let problem = ToyProblem(rows: 61, features: 8, classes: 7, largestMargin: 100, seed: 29)
    var options = options(.gramCG, damping: 1e-6)
    let exact = problem.oracle.step(problem.parameters, damping: 1e-6)
    let (Δ, report) = try Trial<Double>(problem, options).change()
    #expect(report.solver!.iterations > 60)
    #expect(relativeError(Δ, exact) < 1e-7)
    // The reported residual is that of the step.
    options.solver.maxIterations = 55
    let trial = Trial<Double>(problem, options)
    let (early, stopped) = try trial.change()
    #expect(stopped.solver!.iterations == 55 && stopped.solver!.termination == .iterationLimit)
    #expect(
      abs(stopped.solver!.residual / problem.oracle.residual(problem.parameters, of: early, damping: 1e-6) - 1) < 1e-2)
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
      // On several ranks, each forms the step of a share of the first layer's outputs.
      try Network([.linear(130), .activation(.tanh), .linear(7)], example: [6], classes: 5),
      // The second layer is large enough for a sum of its own.
      try Network([.linear(130), .activation(.tanh), .linear(130)], example: [6], classes: 5),
      try Network([.residual([.linear(130), .activation(.tanh)]), .linear(7)], example: [130], classes: 5),
      // The head has no biases.
      try Network([.linear(130), .activation(.tanh), .linear(7)], example: [6], classes: 5, bias: false),
      try Network(
        [.convolution(.init(channels: 3, kernel: 3, padding: 1)), .activation(.tanh), .flatten], example: [6, 6],
        classes: 4, bias: false),
      try Network([], example: [6], classes: 130, bias: false),
      // A wide layer that is not the first one with parameters.
      try Network([.layerNorm, .linear(130), .activation(.tanh)], example: [6], classes: 5),
    ]
    for network in networks {
      for rows in [1, 13] {
        var free = options(.cg, damping: 1e-2, weightDecay: 1e-3)
        free.momentum = 0.5
        free.stepLength = length
        free.solver.tolerance = 1e-13
        let (expected, reference) = try change(of: network, free, rows: rows, over: Communicator())
        for (kind, exchange, method) in [
          (SolverOptions.Kind.gram, Exchange.single, SolverSummary.Method.cholesky), (.gramCG, .bucketed, .gramCG),
        ] {
          var gram = free
          gram.solver.kind = kind
          let (Δ, report) = try change(of: network, gram, rows: rows, exchange: exchange, over: World.communicator)
          #expect(relativeError(Δ, expected) < 1e-9)
          #expect(abs(report.stepLength / reference.stepLength - 1) < 1e-9)
          #expect(report.solver?.method == method)
        }
      }
    }
  }

  @Test(arguments: [SolverOptions.Kind.gram, .gramCG])
  func `Ranks that share out the classes make the steps of one process`(kind: SolverOptions.Kind) throws {
    let problem = ToyProblem(rows: 41, features: 5, classes: 130, largestMargin: 3, seed: 35)
      .weighted((0..<41).map { Double($0 * 5 % 7) / 3 })
    let settings: [@Sendable (inout GaussNewtonOptions) -> Void] = [
      { ($0.momentum, $0.nesterov, $0.stepLength) = (0.5, true, .ggn) },
      { ($0.momentum, $0.decaysBiases, $0.damping.policy) = (0.5, false, .levenbergMarquardt) },
      { ($0.metric.kind, $0.stepLength) = (.kronecker, .lineSearch) },
    ]
    for set in settings {
      func run(on communicator: Communicator) throws -> [Double] {
        var options = options(kind, damping: 0.1, weightDecay: 1e-2)
        set(&options)
        let trial = Trial<Double>(problem, options, communicator: communicator)
        for _ in 0..<3 { _ = try trial.advance() }
        return trial.parameters.array
      }
      #expect(relativeError(try run(on: World.communicator), try run(on: Communicator())) < 1e-8)
    }
  }

  @Test func `All ranks hold the same bits`() throws {
    let problem = ToyProblem(rows: 41, features: 5, classes: 130, largestMargin: 3, seed: 33)
    let world = World.communicator
    for kind in [SolverOptions.Kind.gram, .gramCG] {
      var options = options(kind, for: Float.self, damping: 1e-2, weightDecay: 1e-3)
      options.momentum = 0.5
      options.damping.policy = .levenbergMarquardt
      let trial = Trial<Float>(problem, options)
      for _ in 0..<5 { _ = try trial.advance() }
      let own = trial.parameters.array
      #expect(try world.allgather(own) == (0..<world.size).flatMap { _ in own })
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

  @Test func `Between ranks conjugate gradient sends vectors, and a wide first layer is gathered`() throws {
    let biased = ToyProblem(rows: 23, features: 4, classes: 130, largestMargin: 0.5, seed: 16)
    for (problem, η) in [(biased, 0), (biased, 0.9), (biased.withoutBias, 0.9)] {
      var options = options(.gramCG, for: Float.self, damping: 1e-3)
      (options.momentum, options.solver.tolerance) = (η, 1e-3)
      let trial = Trial<Float>(problem, options)
      let before = trial.communicator.statistics
      let report = try trial.advance()
      let used = trial.communicator.statistics - before
      let (B, N, P) = (23, trial.communicator.size, problem.parameters.count)
      let iterations = report.solver!.iterations
      #expect(report.solver!.method == .gramCG && iterations > 1)
      let (products, sums) = η == 0 ? (1 + iterations, 0) : (2 + iterations, 8 * (B + 1))
      if N == 1 {
        #expect(used.allreduces == 1 && used.allreducedBytes == 4 * P)
        #expect(used.allgathers == 3 && used.allgatheredBytes == 24 + 4 * (B * B + 3 * B))
      } else {
        #expect(used.allreduces == products && used.allreducedBytes == (1 + iterations) * 8 * (B + 4) + sums)
        #expect(used.allgathers == (problem.oracle.hasBias ? 6 : 5))
        #expect(used.allgatheredBytes == 24 * N + 4 * (B * (4 + 130) + 3 * B + P))
      }
    }
  }

  @Test func `The rows of the triangle are shared out evenly`() {
    for size in [0, 1, 7, 1000] {
      for ranks in 1...5 {
        let shares = (0..<ranks).map { GramPanel.part($0, of: ranks, 0..<size, size) }
        #expect(shares.flatMap { Array($0) } == Array(0..<size))
        // A row costs one product per row after it, and 48 in addition.
        let costs = shares.map { $0.reduce(0) { $0 + size - $1 + 48 } }
        let mean = Double(costs.reduce(0, +)) / Double(ranks)
        #expect(costs.allSatisfy { abs(Double($0) - mean) <= Double(size + 48) })
      }
    }
  }
}
