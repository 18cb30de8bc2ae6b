import GaussNewton
import Glibc
import LinearAlgebra
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct DampingSweepCollectiveTests {
  let problem = ToyProblem(rows: 43, features: 4, classes: 5, largestMargin: 2, seed: 31)

  func length(_ oracle: DenseOracle, _ options: GaussNewtonOptions, _ θ: [Double], _ Δ: [Double]) -> Double {
    let μ = options.weightDecay
    guard options.stepLength == .ggn else { return 1 }
    let curvature = quadraticForm(oracle.gaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
    return StepLength.ggn(slope: dot(oracle.gradient(θ, weightDecay: μ), Δ), curvature: curvature)
  }

  /// The minimiser of ½‖R(Δ − a) − s‖² + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖θ + Δ‖² with R and s at θ + a, minus a.
  func step(
    _ oracle: DenseOracle, _ options: GaussNewtonOptions, _ θ: [Double], _ a: [Double], damping λ: Double,
    last: [Double]
  ) -> [Double] {
    let (μ, η, start) = (options.weightDecay, options.momentum, moved(θ, 1, a))
    var matrix = oracle.fastGaussNewtonMatrix(start)
    for i in matrix.indices { matrix[i][i] += λ + μ }
    let g = oracle.gradient(start, weightDecay: μ)
    return solve(matrix, g.indices.map { -g[$0] - λ * (a[$0] - η * last[$0]) })
  }

  /// The λ whose step from θ + a, computed without the held-out rows, has the smallest objective on these.
  func best(
    among candidates: [Double], _ oracle: DenseOracle, _ θ: [Double], _ a: [Double], _ options: GaussNewtonOptions,
    last: [Double]
  ) -> Double {
    func part(_ rows: Range<Int>) -> DenseOracle {
      DenseOracle(
        features: Array(oracle.features[rows]), labels: Array(oracle.labels[rows]), classCount: 5,
        weights: Array(oracle.weights[rows]))
    }
    // Of 43 rows, an eighth, rounded down, is held out.
    let (fitted, heldOut) = (part(0..<38), part(38..<43))
    let start = moved(θ, 1, a)
    func objective(_ λ: Double) -> Double {
      let Δ = step(fitted, options, θ, a, damping: λ, last: last)
      return heldOut.objective(moved(start, length(oracle, options, start, Δ), Δ), weightDecay: options.weightDecay)
    }
    return candidates.min { objective($0) < objective($1) }!
  }

  @Test(
    arguments: [
      (0, 0, StepLength.unit, false), (1e-2, 0.7, .unit, false), (1e-2, 0.7, .ggn, false), (1e-2, 0.7, .unit, true),
      (0.3, 0, .ggn, true),
    ], [false, true])
  func `λ is the best of many at first and of its neighbours later, as held-out rows say`(
    settings: (weightDecay: Double, momentum: Double, length: StepLength, isNesterov: Bool), isWeighted: Bool
  ) throws {
    let (μ, η, length, isNesterov) = settings
    let problem = isWeighted ? problem.weighted((0..<43).map { Double($0 * 5 % 7) / 3 }) : problem
    for λ in [1e-3, 10] {
      var options = exactOptions(damping: λ, weightDecay: μ)
      options.damping.policy = .sweep
      options.damping.minimum = 1e-9
      options.momentum = η
      options.nesterov = isNesterov
      options.stepLength = length
      options.solver.kind = .gram
      let trial = Trial<Double>(problem, options)
      var last = [Double](repeating: 0, count: problem.parameters.count)
      var current = λ
      for step in 0..<4 {
        let θ = trial.parameters.array
        // The point of linearisation belongs to the λ before.
        let a = zip(last, θ).map { isNesterov ? (current * η * $0 - μ * $1) / (current + μ) : 0 }
        let reach = step == 0 ? 8 : 1
        current = best(
          among: (-reach...reach).map { current * exp2(Double($0)) }, problem.oracle, θ, a, options, last: last)
        let (change, report) = try trial.change(rate: 0.5)
        #expect(abs(report.damping! / current - 1) < 1e-12)
        let expected = self.step(problem.oracle, options, θ, a, damping: current, last: last)
        let scale = self.length(problem.oracle, options, moved(θ, 1, a), expected)
        #expect(relativeError(change, moved(a, scale, expected).map { $0 / 2 }) < 1e-9)
        last = isNesterov ? moved(a, scale, expected) : expected
      }
    }
  }

  @Test(arguments: [SolverOptions.Kind.gram, .gramCG])
  func `Ranks that share out the classes find what one process finds`(kind: SolverOptions.Kind) throws {
    let problem = ToyProblem(rows: 43, features: 4, classes: 130, largestMargin: 2, seed: 37)
    func run(on communicator: Communicator) throws -> (dampings: [Double], parameters: [Double]) {
      var options = exactOptions(damping: 1, weightDecay: 1e-3)
      options.damping.policy = .sweep
      options.damping.interval = 2
      options.momentum = 0.5
      options.solver.kind = kind
      let trial = Trial<Double>(problem, options, communicator: communicator)
      return (try (0..<4).map { _ in try trial.advance().damping! }, trial.parameters.array)
    }
    let (expected, together) = (try run(on: Communicator()), try run(on: World.communicator))
    #expect(together.dampings == expected.dampings)
    #expect(relativeError(together.parameters, expected.parameters) < 1e-8)
  }

  @Test func `Where a run begins does not matter`() throws {
    let found = try [1e-3, 1e-2, 0.1, 1, 10].map { λ in
      var options = exactOptions(damping: λ)
      options.damping.policy = .sweep
      options.damping.minimum = 1e-9
      options.solver.kind = .gram
      let trial = Trial<Double>(problem, options)
      _ = try trial.advance()
      return trial.optimizer.damping
    }
    #expect(found.max()! <= 2.1 * found.min()!)
  }

  @Test func `A sweep keeps to its bounds`() throws {
    var options = exactOptions(damping: 1e-3)
    options.damping.policy = .sweep
    options.damping.minimum = 1e-9
    options.solver.kind = .gram
    let free = try Trial<Double>(problem, options).advance().damping!
    for (minimum, maximum) in [(2 * free, 100 * free), (free / 100, free / 2)] {
      (options.damping.minimum, options.damping.maximum) = (minimum, maximum)
      let found = try Trial<Double>(problem, options).advance().damping!
      #expect(found >= minimum && found <= maximum)
    }
  }

  @Test func `A sweep comes once an interval, and a batch too small to hold rows out keeps its λ`() throws {
    var options = exactOptions(damping: 5)
    options.damping.policy = .sweep
    options.damping.interval = 2
    options.solver.kind = .gram
    let trial = Trial<Double>(problem, options)
    let found = try (0..<4).map { _ in try trial.advance().damping! }
    #expect(found[0] != 5 && found[1] == found[0] && found[3] == found[2])
    let small = ToyProblem(rows: 7, features: 4, classes: 5, largestMargin: 2, seed: 31)
    #expect(try Trial<Double>(small, options).advance().damping == 5)
  }
}
