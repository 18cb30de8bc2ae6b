import GaussNewton
import LinearAlgebra
import TestSupport
import Testing

@Suite(.serialized) struct StepReportCollectiveTests {
  /// ΔᵀG_GGNΔ + μ‖Δ‖² and the slope (g + μθ)ᵀΔ.
  func fullModel(_ problem: ToyProblem, _ Δ: [Double], weightDecay μ: Double) -> (slope: Double, curvature: Double) {
    let θ = problem.parameters
    return (
      dot(problem.oracle.gradient(θ, weightDecay: μ), Δ),
      quadraticForm(problem.oracle.gaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
    )
  }

  func checkLength<Scalar: DistributedScalar>(
    _: Scalar.Type, _ problem: ToyProblem, damping λ: Double, weightDecay μ: Double, tolerance: Double
  ) throws -> Double {
    var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
    options.stepLength = .ggn
    let (change, report) = try Trial<Scalar>(problem, options).change()
    let Δ = problem.oracle.step(problem.parameters, damping: λ, weightDecay: μ)
    let (slope, curvature) = fullModel(problem, Δ, weightDecay: μ)
    let expected = min(1, -slope / curvature)
    #expect(abs(report.stepLength / expected - 1) <= tolerance)
    #expect(relativeError(change, Δ.map { expected * $0 }) <= 2 * tolerance)
    return report.stepLength
  }

  @Test(arguments: [2, 3, 20], [0, 1e-2])
  func `The GGN step length is −gᵀΔ / ΔᵀG_GGNΔ, at most 1`(classes: Int, μ: Double) throws {
    var lengths: [Double] = []
    for largestMargin in [0.1, 1.0, 10, 100] {
      for λ in [1e-3, 1e-1, 10] {
        let problem = ToyProblem(rows: 31, features: 5, classes: classes, largestMargin: largestMargin, seed: 11)
        lengths.append(
          try checkLength(Double.self, problem, damping: λ, weightDecay: μ, tolerance: 1e-9))
        lengths.append(try checkLength(Float.self, problem, damping: λ, weightDecay: μ, tolerance: 3e-4))
      }
    }
    // With two classes FGN drops nothing; with many it overshoots if the damping is small.
    #expect(lengths.contains(1))
    #expect((lengths.min()! < 0.7) == (classes > 2))
  }

  @Test(arguments: [3, 20], [1.0, 0.3])
  func `The reduction ratio is the true change of the objective over the model's`(classes: Int, rate: Double) throws {
    for (λ, μ) in [(1.0, 0.0), (1e-2, 0), (1, 1e-2), (1e-2, 0.1)] {
      for stepLength in [StepLength.unit, .ggn] {
        let problem = ToyProblem(rows: 31, features: 5, classes: classes, largestMargin: 2, seed: 12)
        let (θ, oracle) = (problem.parameters, problem.oracle)
        var options = exactOptions(damping: λ, weightDecay: μ)
        options.stepLength = stepLength
        options.damping.policy = .levenbergMarquardt
        let report = try Trial<Double>(problem, options).advance(rate: rate)

        let Δ = oracle.step(θ, damping: λ, weightDecay: μ)
        let τ = rate * report.stepLength
        let slope = dot(oracle.gradient(θ, weightDecay: μ), Δ)
        let curvature = quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
        let change = oracle.objective(moved(θ, τ, Δ), weightDecay: μ) - oracle.objective(θ, weightDecay: μ)
        let expected = change / (τ * slope + τ * τ * curvature / 2)
        let ratio = try #require(report.reductionRatio)
        #expect(abs(ratio - expected) <= 1e-9 * max(1, abs(expected)))
      }
    }
  }

  @Test func `The model's curvature is right for a solve that stopped early, and with momentum`() throws {
    let problem = ToyProblem(rows: 31, features: 5, classes: 6, largestMargin: 4, seed: 13)
    let oracle = problem.oracle
    let (λ, μ) = (0.5, 1e-2)
    var options = exactOptions(damping: λ, weightDecay: μ)
    options.damping.policy = .levenbergMarquardt
    options.damping.factor = 1
    options.momentum = 0.7
    options.solver.maxIterations = 3
    let trial = Trial<Double>(problem, options)
    for _ in 0..<3 {
      let θ = trial.parameters.array
      let (Δ, report) = try trial.change()
      #expect(report.solver!.termination == .iterationLimit)
      let slope = dot(oracle.gradient(θ, weightDecay: μ), Δ)
      let curvature = quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
      let change = oracle.objective(moved(θ, 1, Δ), weightDecay: μ) - oracle.objective(θ, weightDecay: μ)
      #expect(abs(try #require(report.reductionRatio) - change / (slope + curvature / 2)) <= 1e-9)
    }
  }

  @Test func `A last step that points uphill is taken whole by the GGN length`() throws {
    let problem = ToyProblem(rows: 31, features: 5, classes: 6, largestMargin: 4, seed: 13)
    var options = exactOptions(damping: 10)
    options.stepLength = .ggn
    options.momentum = 1
    let trial = Trial<Double>(problem, options)
    trial.optimizer.lastStep.assign(Vector(problem.oracle.gradient(problem.parameters).map { 5 * $0 }))
    let last = trial.optimizer.lastStep.array
    let (Δ, report) = try trial.change()
    #expect(dot(problem.oracle.gradient(problem.parameters), Δ) > 0)
    #expect(report.stepLength == 1)
    let expected = problem.oracle.step(problem.parameters, damping: 10, momentum: 1, lastStep: last)
    #expect(relativeError(Δ, expected) < 1e-9)
  }
}
