import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct NesterovCollectiveTests {
  let problem = ToyProblem(rows: 31, features: 4, classes: 5, largestMargin: 3, seed: 23)

  func options(_ kind: SolverOptions.Kind, weightDecay μ: Double) -> GaussNewtonOptions {
    var options = exactOptions(damping: 0.2, weightDecay: μ)
    options.solver.kind = kind
    options.momentum = 0.8
    options.nesterov = true
    return options
  }

  /// Three steps against the dense solution at θ + Δ₀, each with the length that `length` gives for y.
  func check<Method: DampedOptimizer>(
    _ trial: MethodTrial<Method>, full: Bool, length: (_ y: [Double], _ start: [Double]) -> Double = { _, _ in 1 }
  ) throws where Method.Scalar == Double {
    let (oracle, options) = (problem.oracle, trial.optimizer.options)
    let (λ, μ, η, rate) = (0.2, options.weightDecay, 0.8, 0.5)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<3 {
      let θ = trial.parameters.array
      let Δ0 = zip(last, θ).map { (λ * η * $0 - μ * $1) / (λ + μ) }
      let start = moved(θ, 1, Δ0)
      // The remaining objective in y: its curvature is G + λ + μ, and its gradient that of the cross-entropy.
      var matrix = full ? oracle.gaussNewtonMatrix(start) : oracle.fastGaussNewtonMatrix(start)
      for i in matrix.indices { matrix[i][i] += λ + μ }
      let y = solve(matrix, oracle.gradient(start).map { -$0 })
      last = moved(Δ0, length(y, start), y)
      let (change, report) = try trial.change(rate: rate)
      #expect(relativeError(change, last.map { rate * $0 }) < 1e-9)
      #expect(relativeError(trial.optimizer.lastStep.array, last) < 1e-9)
      #expect(abs(report.loss / oracle.loss(start) - 1) < 1e-12)
      #expect(abs(report.stepNorm / norm(last) - 1) < 1e-9)
    }
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram], [0, 1e-2])
  func `A step is solved where momentum and decay lead`(kind: SolverOptions.Kind, weightDecay μ: Double) throws {
    try check(Trial<Double>(problem, options(kind, weightDecay: μ)), full: false)
    if kind == .cg { try check(FullTrial<Double>(problem, options(kind, weightDecay: μ)), full: true) }
  }

  @Test func `The step length is that of y`() throws {
    var options = options(.gram, weightDecay: 1e-2)
    options.stepLength = .ggn
    let (oracle, μ) = (problem.oracle, 1e-2)
    try check(Trial<Double>(problem, options), full: false) { y, start in
      let curvature = quadraticForm(oracle.gaussNewtonMatrix(start), y) + μ * dot(y, y)
      return StepLength.ggn(slope: dot(oracle.gradient(start, weightDecay: μ), y), curvature: curvature)
    }
  }

  @Test func `A metric changes nothing of it, on any number of ranks`() throws {
    let network = try Network([.linear(6), .activation(.tanh)], example: [5], classes: 4)
    var options = options(.cg, weightDecay: 1e-2)
    options.metric.kind = .kronecker
    options.decaysBiases = false
    let (free, _) = try change(of: network, options, rows: 17, steps: 4, over: Communicator())
    options.solver.kind = .gram
    let (gram, _) = try change(of: network, options, rows: 17, steps: 4, over: World.communicator)
    #expect(relativeError(gram, free) < 1e-9)
  }

  @Test func `Levenberg–Marquardt judges y, and a refused step leaves the parameters alone`() throws {
    var options = options(.gram, weightDecay: 0)
    options.damping.policy = .levenbergMarquardt
    let trial = Trial<Double>(problem, options)
    let report = try trial.advance()
    let (oracle, θ) = (problem.oracle, problem.parameters)
    let Δ = oracle.step(θ, damping: 0.2)
    let model = dot(oracle.gradient(θ), Δ) + quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) / 2
    // Initially θ + Δ₀ is θ.
    #expect(abs(report.reductionRatio! / ((oracle.loss(moved(θ, 1, Δ)) - oracle.loss(θ)) / model) - 1) < 1e-9)

    trial.parameters.assign(Vector(θ))
    trial.optimizer.lastStep.assign(Vector(oracle.gradient(θ).map { _ in .nan }))
    #expect(try !trial.advance().accepted)
    #expect(trial.parameters.array == θ)
  }
}
