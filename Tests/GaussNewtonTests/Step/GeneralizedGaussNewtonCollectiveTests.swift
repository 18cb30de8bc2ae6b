import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct GeneralizedGaussNewtonCollectiveTests {
  func options<Scalar: BLASScalar>(
    for _: Scalar.Type = Double.self, damping λ: Double, weightDecay μ: Double, momentum η: Double = 0
  ) -> GaussNewtonOptions {
    var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
    if Scalar.self == Double.self { options.solver.tolerance = 1e-13 }
    options.momentum = η
    return options
  }

  func checkSteps<Scalar: DistributedScalar>(
    _: Scalar.Type, _ problem: ToyProblem, _ options: GaussNewtonOptions, tolerance: Double, shard: Range<Int>? = nil
  ) throws {
    let (λ, μ, η) = (options.damping.initial, options.weightDecay, options.momentum)
    let trial = FullTrial<Scalar>(problem, options, shard: shard)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<(η == 0 ? 1 : 3) {
      let θ = trial.parameters.doubles
      let expected = try World.once {
        problem.oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last, full: true)
      }
      let (change, report) = try trial.change(rate: 0.5)
      #expect(relativeError(change, expected.map { 0.5 * $0 }) <= tolerance, "\(Scalar.self), μ \(μ)")
      #expect(report.accepted && report.stepLength == 1 && report.reductionRatio == nil)
      #expect(report.damping == λ && trial.optimizer.damping == λ)
      let loss = problem.oracle.loss(θ)
      #expect(abs(report.loss - loss) <= 8 * Double(Scalar.ulpOfOne) * max(1, loss))
      let gradientNorm = norm(problem.oracle.gradient(θ, weightDecay: μ))
      #expect(abs(report.gradientNorm / gradientNorm - 1) <= 64 * Double(Scalar.ulpOfOne))
      #expect(abs(report.stepNorm / norm(expected) - 1) <= tolerance)
      if η != 0 {
        last = trial.optimizer.lastStep.doubles
        #expect(relativeError(last, expected) <= tolerance)
      }
    }
  }

  @Test(arguments: [2, 3, 50], [1e-3, 1e-1, 10])
  func `A step equals the dense solve, and its report the dense norms`(classes: Int, λ: Double) throws {
    for largestMargin in [1.0, 10, 100] {
      let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
      for (problem, μ) in [(problem, 0), (problem, 1e-2), (problem.withoutBias, 1e-2)] {
        try checkSteps(Double.self, problem, options(damping: λ, weightDecay: μ), tolerance: 1e-9)
        try checkSteps(Float.self, problem, options(for: Float.self, damping: λ, weightDecay: μ), tolerance: 2e-4)
      }
    }
  }

  @Test(arguments: [2, 3, 50], [0, 1e-2])
  func `Steps with momentum pull towards the last step as the formula says`(classes: Int, μ: Double) throws {
    for largestMargin in [1.0, 30] {
      let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 8)
      try checkSteps(Double.self, problem, options(damping: 0.05, weightDecay: μ, momentum: 0.8), tolerance: 1e-9)
      try checkSteps(
        Float.self, problem, options(for: Float.self, damping: 0.05, weightDecay: μ, momentum: 0.8), tolerance: 2e-4)
    }
  }

  @Test(arguments: [1, 2, 3, 7, 29])
  func `Any number of rows is solved, also where some ranks have none`(rows: Int) throws {
    let problem = ToyProblem(rows: rows, features: 5, classes: 4, largestMargin: 3, seed: 17)
    try checkSteps(Double.self, problem, options(damping: 1e-2, weightDecay: 1e-3, momentum: 0.5), tolerance: 1e-9)
  }

  @Test func `One rank may have all the rows`() throws {
    let problem = ToyProblem(rows: 11, features: 5, classes: 4, largestMargin: 3, seed: 18)
    let world = World.communicator
    for owner in 0..<world.size {
      try checkSteps(
        Double.self, problem, options(damping: 1e-2, weightDecay: 0), tolerance: 1e-9,
        shard: world.rank == owner ? 0..<11 : 11..<11)
    }
  }

  @Test(arguments: [1e-3, 1e-1], [1.0, 10, 100])
  func `With two classes the step is that of Fast Gauss-Newton`(λ: Double, largestMargin: Double) throws {
    let problem = ToyProblem(rows: 37, features: 6, classes: 2, largestMargin: largestMargin, seed: 9)
    var options = exactOptions(damping: λ, weightDecay: 1e-3)
    options.momentum = 0.7
    let (full, fast) = (FullTrial<Double>(problem, options), Trial<Double>(problem, options))
    for _ in 0..<3 {
      #expect(relativeError(try full.change().Δ, try fast.change().Δ) < 1e-9)
    }
  }

  @Test(arguments: StepLength.allCases, [1.0, 0.3])
  func `The reduction ratio and the GGN length follow the full model, also of a solve that stopped early`(
    stepLength: StepLength, rate: Double
  ) throws {
    let problem = ToyProblem(rows: 31, features: 5, classes: 6, largestMargin: 4, seed: 13)
    let oracle = problem.oracle
    let μ = 1e-2
    var options = exactOptions(damping: 0.05, weightDecay: μ)
    options.damping.policy = .levenbergMarquardt
    options.damping.minimum = 1e-3
    options.stepLength = stepLength
    options.momentum = 0.5
    options.solver.maxIterations = 3
    let trial = FullTrial<Double>(problem, options)
    for _ in 0..<4 {
      let θ = trial.parameters.array
      let report = try trial.advance(rate: rate)
      try #require(report.accepted)
      let Δ = trial.optimizer.lastStep.array
      let slope = dot(oracle.gradient(θ, weightDecay: μ), Δ)
      let curvature = quadraticForm(oracle.gaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
      if stepLength == .ggn { #expect(abs(report.stepLength / min(1, -slope / curvature) - 1) < 1e-9) }
      let τ = rate * report.stepLength
      let change = oracle.objective(moved(θ, τ, Δ), weightDecay: μ) - oracle.objective(θ, weightDecay: μ)
      let expected = change / (τ * slope + τ * τ * curvature / 2)
      #expect(abs(try #require(report.reductionRatio) - expected) <= 1e-9)
    }
  }

  @Test func `A step uphill raises the damping and changes nothing, bit for bit`() throws {
    let problem = ToyProblem(rows: 31, features: 5, classes: 6, largestMargin: 4, seed: 13)
    for stepLength in [StepLength.unit, .lineSearch] {
      var options = exactOptions(damping: 10)
      options.damping.policy = .levenbergMarquardt
      options.stepLength = stepLength
      options.momentum = 1
      let trial = FullTrial<Double>(problem, options)
      trial.optimizer.lastStep.assign(Vector(problem.oracle.gradient(problem.parameters).map { 5 * $0 }))
      #expect(try !trial.advance().accepted)
      #expect(trial.optimizer.damping == 15)
      #expect(trial.parameters.array == problem.parameters)
      #expect(trial.optimizer.lastStep.array.allSatisfy { $0 == 0 })
      #expect(try trial.advance().accepted)
    }
  }

  @Test(arguments: StepLength.allCases, [Damping.Policy.constant, .levenbergMarquardt])
  func `A step takes at most four collectives more than products`(
    stepLength: StepLength, policy: Damping.Policy
  ) throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 12, largestMargin: 0.5, seed: 16)
    let P = problem.parameters.count
    for (η, μ, tolerance) in [(0.0, 0.0, 1e-3), (0.9, 1e-2, 1e-3), (0, 0, 0)] {
      var options = plainOptions()
      options.damping.initial = 1e-3
      options.damping.policy = policy
      options.stepLength = stepLength
      options.momentum = η
      options.weightDecay = μ
      options.solver.tolerance = tolerance
      options.solver.maxIterations = 101
      let trial = FullTrial<Double>(problem, options)
      let before = trial.communicator.statistics
      let report = try trial.advance()
      let used = trial.communicator.statistics - before
      let products = report.solver!.iterations + report.solver!.iterations / 50 + (η == 0 && μ == 0 ? 0 : 1)
      var (calls, numbers) = (1 + products, P + 2 + products * P)
      if report.reductionRatio != nil { (calls, numbers) = (calls + 1, numbers + 1) }
      if stepLength == .lineSearch, report.stepLength != 1 { (calls, numbers) = (calls + 1, numbers + 10) }
      #expect(used.allreduces == calls)
      #expect(used.allreducedBytes == 8 * numbers)
      #expect((report.reductionRatio != nil) == (policy != .constant || stepLength == .lineSearch))
    }
  }

  @Test(arguments: [0, 10, 49, 50, 51])
  func `At the iteration limit the residual is that of the step so far`(limit: Int) throws {
    let problem = ToyProblem(rows: 90, features: 8, classes: 10, largestMargin: 12, seed: 21)
    var options = exactOptions(damping: 1e-5)
    options.solver.maxIterations = limit
    let (Δ, report) = try FullTrial<Double>(problem, options).change()
    #expect(report.solver!.termination == .iterationLimit)
    #expect(report.solver!.iterations == limit)
    let (θ, oracle) = (problem.parameters, problem.oracle)
    let g = oracle.gradient(θ)
    let r = zip(oracle.gaussNewtonMatrix(θ), g.indices).map { row, i in dot(row, Δ) + 1e-5 * Δ[i] + g[i] }
    #expect(abs(report.solver!.residual / (norm(r) / norm(g)) - 1) < 1e-7)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func `A feature that is not finite ends the step and changes nothing`(value: Double) throws {
    let sound = ToyProblem(rows: 23, features: 4, classes: 3, largestMargin: 1, seed: 22)
    var features = sound.oracle.features
    features[15][1] = value
    let spoilt = ToyProblem(
      features: features, labels: sound.oracle.labels, classes: 3, parameters: sound.parameters)
    for stepLength in StepLength.allCases {
      var options = exactOptions(for: Float.self, damping: 0.1, weightDecay: 1e-2)
      options.stepLength = stepLength
      options.momentum = 0.9
      let trial = FullTrial<Float>(spoilt, options)
      let report = try trial.advance()
      #expect(report.solver!.termination == .nonFinite)
      #expect(!report.accepted && report.loss.isNaN)
      #expect(trial.parameters.doubles == sound.parameters)
      #expect(trial.optimizer.lastStep.array.allSatisfy { $0 == 0 })
    }
  }

  @Test func `A zero gradient is solved by a zero step`() throws {
    let solved = ToyProblem(
      features: [[1], [-1], [2]], labels: [0, 1, 0], classes: 2, parameters: [1000, -1000, 0, 0])
    let report = try FullTrial<Double>(solved, exactOptions(damping: 0.1)).advance()
    #expect(report.solver!.termination == .converged && report.solver!.residual == 0)
    #expect(report.accepted && report.stepNorm == 0)
  }

  @Test func `All ranks hold the same bits after ten steps, and those of one process to rounding`() throws {
    func run(on communicator: Communicator) throws -> [Double] {
      let problem = ToyProblem(rows: 150, features: 6, classes: 10, largestMargin: 2, seed: 19)
      var options = plainOptions()
      options.damping.policy = .levenbergMarquardt
      options.momentum = 0.6
      let trial = FullTrial<Double>(problem, options, communicator: communicator)
      for _ in 0..<10 { _ = try trial.advance(rate: 0.5) }
      return trial.parameters.array
    }
    let world = World.communicator
    let together = try run(on: world)
    #expect(try world.allgather(together) == (0..<world.size).flatMap { _ in together })
    #expect(relativeError(together, try run(on: Communicator())) < 1e-9)
  }
}
