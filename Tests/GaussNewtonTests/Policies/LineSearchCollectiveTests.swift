import GaussNewton
import LinearAlgebra
import TestSupport
import Testing

@Suite(.serialized) struct LineSearchCollectiveTests {
  func options(damping λ: Double, weightDecay μ: Double = 0) -> GaussNewtonOptions {
    var options = exactOptions(damping: λ, weightDecay: μ)
    options.stepLength = .lineSearch
    return options
  }

  @Test(arguments: [1.0, 0.5])
  func `The first sufficient of 1, ½, ¼, … is taken`(rate: Double) throws {
    var lengths: Set<Double> = []
    for (classes, λ, μ) in [
      (2, 1.0, 0.0), (20, 1e-1, 0), (20, 3e-2, 1e-2), (20, 1e-2, 0), (20, 1e-3, 1e-3), (50, 1e-4, 0), (5, 1e-4, 0),
    ] {
      let problem = ToyProblem(rows: 31, features: 5, classes: classes, largestMargin: 0.5, seed: 14)
      let (θ, oracle) = (problem.parameters, problem.oracle)
      let (change, report) = try Trial<Double>(problem, options(damping: λ, weightDecay: μ)).change(rate: rate)

      let Δ = oracle.step(θ, damping: λ, weightDecay: μ)
      let slope = dot(oracle.gradient(θ, weightDecay: μ), Δ)
      let base = oracle.objective(θ, weightDecay: μ)
      func isSufficient(_ τ: Double) -> Bool {
        let change = oracle.objective(moved(θ, τ, Δ), weightDecay: μ) - base
        return change <= 1e-4 * τ * slope
      }
      let expected = try #require((0...10).map { 1 / Double(1 << $0) }.first { isSufficient(rate * $0) })
      #expect(report.stepLength == expected)
      #expect(relativeError(change, Δ.map { rate * expected * $0 }) < 1e-8)
      #expect(report.accepted)
      lengths.insert(expected)
    }
    #expect(lengths.contains(1) && lengths.contains(rate == 1 ? 0.25 : 0.5))
  }

  @Test func `Where no length descends, nothing changes, bit for bit`() throws {
    let problem = ToyProblem(rows: 31, features: 5, classes: 6, largestMargin: 4, seed: 13)
    var options = options(damping: 10)
    options.momentum = 1
    let trial = Trial<Double>(problem, options)
    trial.optimizer.lastStep.assign(Vector(problem.oracle.gradient(problem.parameters).map { 5 * $0 }))
    let before = trial.parameters.array
    let report = try trial.advance()
    #expect(!report.accepted)
    #expect(report.stepLength == 0)
    #expect(trial.parameters.array == before)
    // Momentum would lead there again.
    #expect(trial.optimizer.lastStep.array.allSatisfy { $0 == 0 })
  }
}
