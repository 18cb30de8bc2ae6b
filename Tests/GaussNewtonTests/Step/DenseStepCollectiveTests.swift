import GaussNewton
import LinearAlgebra
import TestSupport
import Testing

@Suite(.serialized) struct DenseStepCollectiveTests {
  func checkStep<Scalar: DistributedScalar>(
    _: Scalar.Type, _ problem: ToyProblem, damping λ: Double, weightDecay μ: Double, tolerance: Double
  ) throws {
    let trial = Trial<Scalar>(problem, exactOptions(for: Scalar.self, damping: λ, weightDecay: μ))
    let (Δ, report) = try trial.change()
    let expected = try World.once { problem.oracle.step(problem.parameters, damping: λ, weightDecay: μ) }
    let error = relativeError(Δ, expected)
    #expect(error <= tolerance, "\(Scalar.self), μ \(μ)")
    #expect(report.solver!.termination == .converged)
    #expect(report.accepted && report.stepLength == 1 && report.reductionRatio == nil)
    let θ = problem.parameters
    #expect(abs(report.loss / problem.oracle.loss(θ) - 1) <= 8 * Double(Scalar.ulpOfOne))
    let gradientNorm = norm(problem.oracle.gradient(θ, weightDecay: μ))
    #expect(abs(report.gradientNorm / gradientNorm - 1) <= 64 * Double(Scalar.ulpOfOne))
    #expect(abs(report.stepNorm / norm(expected) - 1) <= tolerance)
    #expect(report.damping == λ && trial.optimizer.damping == λ)
  }

  @Test(arguments: [2, 3, 50], [1e-4, 1e-3, 1e-1, 10])
  func `A step equals the dense solve, and its report the dense norms`(classes: Int, λ: Double) throws {
    for largestMargin in [1.0, 10, 100] {
      let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
      for (problem, μ) in [(problem, 0), (problem, 1e-2), (problem.withoutBias, 0), (problem.withoutBias, 1e-2)] {
        try checkStep(Double.self, problem, damping: λ, weightDecay: μ, tolerance: 1e-9)
        try checkStep(Float.self, problem, damping: λ, weightDecay: μ, tolerance: 2e-4)
      }
    }
  }

  @Test(arguments: [2, 3])
  func `Margins of a thousand neither overflow nor spoil the step`(classes: Int) throws {
    let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: 1000, seed: 7)
    for λ in [1e-3, 1e-1] {
      try checkStep(Double.self, problem, damping: λ, weightDecay: 0, tolerance: 1e-9)
      try checkStep(Float.self, problem, damping: λ, weightDecay: 0, tolerance: 2e-4)
    }
  }

  func checkMomentum<Scalar: DistributedScalar>(
    _: Scalar.Type, _ problem: ToyProblem, weightDecay μ: Double, tolerance: Double
  ) throws {
    let (λ, η, rate) = (0.05, 0.8, 0.5)
    var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
    options.momentum = η
    let trial = Trial<Scalar>(problem, options)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<3 {
      let θ = trial.parameters.doubles
      let expected = try World.once {
        problem.oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last)
      }
      let (change, report) = try trial.change(rate: rate)
      last = trial.optimizer.lastStep.doubles
      #expect(relativeError(last, expected) <= tolerance)
      #expect(relativeError(change, expected.map { rate * $0 }) <= tolerance)
      #expect(abs(report.stepNorm / norm(expected) - 1) <= tolerance)
    }
  }

  @Test(arguments: [2, 3, 50], [0, 1e-2])
  func `Steps with momentum pull towards the last step as the formula says`(classes: Int, μ: Double) throws {
    for largestMargin in [1.0, 30] {
      let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 8)
      for problem in [problem, problem.withoutBias] {
        try checkMomentum(Double.self, problem, weightDecay: μ, tolerance: 1e-9)
        try checkMomentum(Float.self, problem, weightDecay: μ, tolerance: 2e-4)
      }
    }
  }

  @Test func `The last step is whole: neither the rate nor the step length shortens it`() throws {
    let problem = ToyProblem(rows: 30, features: 4, classes: 20, largestMargin: 0.5, seed: 3)
    var options = exactOptions(damping: 1e-3)
    options.momentum = 0.5
    options.stepLength = .ggn
    let trial = Trial<Double>(problem, options)
    let (change, report) = try trial.change(rate: 0.25)
    let expected = problem.oracle.step(problem.parameters, damping: 1e-3)
    #expect(report.stepLength < 1)
    #expect(relativeError(trial.optimizer.lastStep.array, expected) < 1e-9)
    #expect(relativeError(change, expected.map { 0.25 * report.stepLength * $0 }) < 1e-9)
  }

  @Test(arguments: [1e-3, 1e-1], [1.0, 10, 100])
  func `With two classes the step is that of the full Gauss-Newton matrix`(λ: Double, largestMargin: Double) throws {
    let problem = ToyProblem(rows: 37, features: 6, classes: 2, largestMargin: largestMargin, seed: 9)
    for problem in [problem, problem.withoutBias] {
      let (Δ, _) = try Trial<Double>(problem, exactOptions(damping: λ)).change()
      #expect(relativeError(Δ, problem.oracle.step(problem.parameters, damping: λ, full: true)) < 1e-9)
    }
  }

  @Test(arguments: [2, 3, 5, 20])
  func `0 ⪯ G_FGN ⪯ G_GGN, with equality for two classes alone`(classes: Int) {
    let problem = ToyProblem(rows: 19, features: 3, classes: classes, largestMargin: 3, seed: 10)
    let fast = problem.oracle.fastGaussNewtonMatrix(problem.parameters)
    let full = problem.oracle.gaussNewtonMatrix(problem.parameters)
    let difference = zip(full, fast).map { zip($0, $1).map { $0 - $1 } }
    #expect(isPositiveSemidefinite(fast))
    #expect(isPositiveSemidefinite(difference) || classes == 2)
    let share = norm(difference.flatMap { $0 }) / norm(full.flatMap { $0 })
    #expect(classes == 2 ? share < 1e-14 : share > 1e-2)
    #expect(!isPositiveSemidefinite(difference.map { $0.map { -$0 } }) || classes == 2)
  }
}
