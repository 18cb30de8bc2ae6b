import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

/// Steps towards targets that are not the label alone, against dense linear algebra on any number of ranks.
@Suite(.serialized) struct SoftStepCollectiveTests {
  static let kinds: [SolverOptions.Kind] = [.cg, .gram, .gramCG]

  /// The problem for the oracle, the one for the trial, and its ε: labels smoothed, or distributions smoothed.
  func problems(_ classes: Int, _ largestMargin: Double) -> [(oracle: ToyProblem, trial: ToyProblem, ε: Double)] {
    let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
      .weighted((0..<37).map { [1, 2, 0, 0.5, 1.5][$0 % 5] })
    return [
      (problem.smoothed(0.1), problem, 0.1),
      (
        problem.softened(deviation: 2, smoothing: 0.2, seed: 4),
        problem.softened(deviation: 2, smoothing: 0, seed: 4), 0.2
      ),
    ]
  }

  func checkStep<Scalar: DistributedScalar>(
    _: Scalar.Type, _ kind: SolverOptions.Kind, classes: Int, largestMargin: Double, tolerance: Double
  ) throws {
    let (λ, μ) = (0.05, 1e-2)
    for (reference, problem, ε) in problems(classes, largestMargin) {
      var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
      options.solver.kind = kind
      options.solver.gramTolerance = options.solver.tolerance
      options.momentum = 0.8
      var trial = Trial<Scalar>(problem, options)
      trial.smoothing = ε
      var last = [Double](repeating: 0, count: problem.parameters.count)
      for _ in 0..<2 {
        let θ = trial.parameters.doubles
        let (Δ, report) = try trial.change()
        let expected = try World.once {
          reference.oracle.step(θ, damping: λ, weightDecay: μ, momentum: 0.8, lastStep: last)
        }
        #expect(relativeError(Δ, expected) <= tolerance, "\(Scalar.self), \(kind), ε \(ε)")
        #expect(abs(report.loss / reference.oracle.loss(θ) - 1) <= 64 * Double(Scalar.ulpOfOne))
        last = expected
      }
    }
  }

  @Test(arguments: [2, 3, 12], [1.0, 10, 80])
  func `Steps equal the dense solve with every solver`(classes: Int, largestMargin: Double) throws {
    for kind in Self.kinds {
      try checkStep(Double.self, kind, classes: classes, largestMargin: largestMargin, tolerance: 1e-9)
      try checkStep(Float.self, kind, classes: classes, largestMargin: largestMargin, tolerance: 3e-4)
    }
  }

  @Test(arguments: [2, 3, 20], [1.0, 30])
  func `A step with the full matrix equals its dense solve`(classes: Int, largestMargin: Double) throws {
    for (reference, problem, ε) in problems(classes, largestMargin) {
      var options = exactOptions(damping: 0.05)
      options.solver.tolerance = 1e-13
      var trial = FullTrial<Double>(problem, options)
      trial.smoothing = ε
      let (Δ, report) = try trial.change()
      let expected = try World.once { reference.oracle.step(problem.parameters, damping: 0.05, full: true) }
      #expect(relativeError(Δ, expected) < 1e-9)
      #expect(abs(report.loss / reference.oracle.loss(problem.parameters) - 1) < 1e-13)
    }
  }

  @Test func `A gradient step follows the gradient, which is that of finite differences`() throws {
    for (reference, problem, ε) in problems(4, 3) {
      var trial = FirstOrderTrial<Double>(problem, FirstOrderOptions(.sgd(momentum: 0, nesterov: false)))
      trial.smoothing = ε
      let θ = problem.parameters
      let (Δ, report) = try trial.change()
      #expect(relativeError(Δ, reference.oracle.gradient(θ).map { -$0 }) < 1e-13)
      #expect(abs(report.loss / reference.oracle.loss(θ) - 1) < 1e-13)
      let h = 1e-5
      for i in θ.indices {
        var (up, down) = (θ, θ)
        up[i] += h
        down[i] -= h
        let slope = (reference.oracle.loss(up) - reference.oracle.loss(down)) / (2 * h)
        #expect(abs(-Δ[i] - slope) < 1e-9)
      }
    }
  }

  @Test(arguments: [2, 5, 40])
  func `Step lengths and reduction ratios take the change of the softened objective`(classes: Int) throws {
    for (reference, problem, ε) in problems(classes, 2) {
      let θ = problem.parameters
      var options = exactOptions(damping: 1e-2)
      options.stepLength = .ggn
      options.damping.policy = .levenbergMarquardt
      var trial = Trial<Double>(problem, options)
      trial.smoothing = ε
      let (change, report) = try trial.change()
      let oracle = reference.oracle
      let Δ = oracle.step(θ, damping: 1e-2)
      let (slope, full) = (dot(oracle.gradient(θ), Δ), quadraticForm(oracle.gaussNewtonMatrix(θ), Δ))
      #expect(abs(report.stepLength / min(1, -slope / full) - 1) < 1e-8)
      let length = report.stepLength
      let after = oracle.loss(moved(θ, length, Δ)) - oracle.loss(θ)
      let model = length * slope + length * length / 2 * quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ)
      #expect(abs(try #require(report.reductionRatio) / (after / model) - 1) < 1e-7)
      #expect(relativeError(change, Δ.map { length * $0 }) < 1e-8)
    }
  }

  func checkExtremes<Scalar: DistributedScalar>(_: Scalar.Type, _ largestMargin: Double) throws {
    for kind in Self.kinds {
      for (reference, problem, ε) in problems(3, largestMargin) {
        var options = exactOptions(for: Scalar.self, damping: 0.1)
        options.solver.kind = kind
        options.solver.gramTolerance = options.solver.tolerance
        var trial = Trial<Scalar>(problem, options)
        trial.smoothing = ε
        let (Δ, report) = try trial.change()
        #expect(report.accepted && report.loss.isFinite)
        let expected = try World.once { reference.oracle.step(problem.parameters, damping: 0.1) }
        #expect(relativeError(Δ, expected) < (Scalar.self == Float.self ? 1e-3 : 1e-9), "\(kind), ε \(ε)")
      }
    }
  }

  @Test(arguments: [80, 1e4])
  func `Extreme margins neither overflow nor spoil the step`(largestMargin: Double) throws {
    try checkExtremes(Float.self, largestMargin)
    try checkExtremes(Double.self, largestMargin)
  }

  @Test func `Without smoothing the bits are those of labels`() throws {
    let problem = ToyProblem(rows: 37, features: 6, classes: 5, largestMargin: 5, seed: 7)
    for kind in Self.kinds {
      var options = plainOptions()
      options.solver.kind = kind
      let (plain, _) = try Trial<Float>(problem, options).change()
      var zero = Trial<Float>(problem, options)
      zero.smoothing = 0
      #expect(try zero.change().Δ == plain)
      let oneHot = Trial<Float>(problem.smoothed(0), options)
      #expect(relativeError(try oneHot.change().Δ, plain) < 1e-4)
    }
  }
}
