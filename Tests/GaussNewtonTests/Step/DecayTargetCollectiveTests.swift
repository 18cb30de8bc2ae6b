import GaussNewton
import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite(.serialized) struct DecayTargetCollectiveTests {
  let problem = ToyProblem(rows: 31, features: 4, classes: 5, largestMargin: 3, seed: 27)

  /// Three steps against the minimum of the model around θ, as one dense system in Δ, where weights decay to other values
  /// than those that the steps begin with.
  func check<Method: DampedOptimizer>(_ trial: MethodTrial<Method>, full: Bool) throws where Method.Scalar == Double {
    let (problem, options) = (trial.problem, trial.optimizer.options)
    let (oracle, weightCount) = (problem.oracle, 5 * 4)
    let (λ, μ, η) = (0.2, options.weightDecay, options.momentum)
    let center = problem.parameters.indices.map { cos(Double($0)) }
    trial.optimizer.begin(at: Vector(center))
    var last = problem.parameters.map { _ in 0.0 }
    for _ in 0..<3 {
      let θ = trial.parameters.array
      let decayed = θ.indices.map { options.decaysBiases || $0 < weightCount ? θ[$0] - center[$0] : 0 }
      let a = options.nesterov ? θ.indices.map { (λ * η * last[$0] - μ * decayed[$0]) / (λ + μ) } : θ.map { _ in 0 }
      let start = moved(θ, 1, a)
      let G = full ? oracle.gaussNewtonMatrix(start) : oracle.fastGaussNewtonMatrix(start)
      let matrix = G.indices.map { i in G.indices.map { G[i][$0] + (i == $0 ? λ + μ : 0) } }
      // g + G(Δ − a) + λ(Δ − ηΔ₋) + μ(D(θ − c) + Δ) = 0
      let (g, Ga) = (oracle.gradient(start), G.map { dot($0, a) })
      last = solve(matrix, θ.indices.map { -g[$0] + Ga[$0] + λ * η * last[$0] - μ * decayed[$0] })
      let (change, report) = try trial.change()
      #expect(relativeError(change, last) < 1e-9)
      // A solve with the matrix knows the norm of g alone.
      let formsGradient = full || options.solver.kind == .cg
      let gradient = zip(g, start.indices).map { g, i in
        g + (formsGradient && (options.decaysBiases || i < weightCount) ? μ * (start[i] - center[i]) : 0)
      }
      #expect(abs(report.gradientNorm / norm(gradient) - 1) < 1e-9)
    }
  }

  @Test(
    arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [(false, true), (true, true), (false, false), (true, false)])
  func `A step solves for weights that decay to those of the start`(
    kind: SolverOptions.Kind, options form: (isNesterov: Bool, decaysBiases: Bool)
  ) throws {
    var options = exactOptions(damping: 0.2, weightDecay: 0.3)
    options.solver.kind = kind
    options.momentum = 0.8
    options.nesterov = form.isNesterov
    options.decaysBiases = form.decaysBiases
    options.decaysToInitial = true
    for problem in [problem, problem.withoutBias] {
      try check(Trial<Double>(problem, options), full: false)
      if kind == .cg { try check(FullTrial<Double>(problem, options), full: true) }
    }
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram])
  func `The reduction that the model predicts counts decay from those of the start`(kind: SolverOptions.Kind) throws {
    var options = exactOptions(damping: 0.2, weightDecay: 0.3)
    options.solver.kind = kind
    options.decaysToInitial = true
    options.damping.policy = .levenbergMarquardt
    let (oracle, μ, trial) = (problem.oracle, 0.3, Trial<Double>(problem, options))
    let (θ, center) = (problem.parameters, problem.parameters.indices.map { cos(Double($0)) })
    trial.optimizer.begin(at: Vector(center))
    let (Δ, report) = try trial.change()
    func objective(_ θ: [Double]) -> Double {
      let distance = zip(θ, center).map { $0 - $1 }
      return oracle.loss(θ) + μ / 2 * dot(distance, distance)
    }
    let slope = dot(oracle.gradient(θ), Δ) + μ * dot(zip(θ, center).map { $0 - $1 }, Δ)
    let model = slope + (quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)) / 2
    let ratio = (objective(moved(θ, 1, Δ)) - objective(θ)) / model
    #expect(abs(try #require(report.reductionRatio) / ratio - 1) < 1e-8)
  }
}
