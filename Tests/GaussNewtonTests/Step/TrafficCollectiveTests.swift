import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct TrafficCollectiveTests {
  /// The allreduces of a step and their bytes, for P parameters, by the steps that `FastGaussNewton` documents.
  func expected<Scalar: DistributedScalar>(
    _: Scalar.Type, _ options: GaussNewtonOptions, _ report: StepReport, parameterCount P: Int
  ) -> (calls: Int, bytes: Int) {
    let hasAnchor = options.momentum != 0 || options.weightDecay != 0
    let iterations = report.solver!.iterations
    // The gradient with r₀ᵀr₀, the loss and the wish to stop; RᵀRΔ₀ with its scalar; z of each iteration with two
    // scalars, and a third in every 50th iteration.
    var calls = 1 + (hasAnchor ? 1 : 0) + iterations
    let numbers = (P + 3) + (hasAnchor ? P + 1 : 0) + iterations * (P + 2) + iterations / 50
    var bytes = numbers * MemoryLayout<Scalar>.stride
    if options.stepLength == .ggn { (calls, bytes) = (calls + 1, bytes + 8) }
    if options.stepLength == .lineSearch || options.damping.policy == .levenbergMarquardt {
      (calls, bytes) = (calls + 1, bytes + 8)
    }
    if options.stepLength == .lineSearch, report.stepLength != 1 { (calls, bytes) = (calls + 1, bytes + 80) }
    return (calls, bytes)
  }

  func check<Scalar: DistributedScalar>(_: Scalar.Type, _ options: GaussNewtonOptions) throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 12, largestMargin: 0.5, seed: 16)
    let trial = Trial<Scalar>(problem, options)
    for _ in 0..<3 {
      let before = trial.communicator.statistics
      let report = try trial.advance()
      let used = trial.communicator.statistics - before
      let expected = expected(Scalar.self, options, report, parameterCount: problem.parameters.count)
      #expect(used.allreduces <= report.solver!.iterations + 4)
      #expect(used.allreduces == expected.calls)
      #expect(used.allreducedBytes == expected.bytes)
    }
  }

  @Test(arguments: StepLength.allCases, [Damping.Policy.constant, .levenbergMarquardt])
  func `A step takes at most four collectives more than iterations`(
    stepLength: StepLength, policy: Damping.Policy
  ) throws {
    for (η, μ) in [(0.0, 0.0), (0.9, 0), (0, 1e-2), (0.9, 1e-2)] {
      var options = plainOptions()
      options.damping.initial = 1e-3
      options.damping.policy = policy
      options.damping.interval = 1
      options.stepLength = stepLength
      options.momentum = η
      options.weightDecay = μ
      options.solver.tolerance = 1e-3
      try check(Float.self, options)
    }
  }

  @Test func `Replaced residuals cost one number each`() throws {
    var options = exactOptions(damping: 1e-6)
    options.solver.tolerance = 0
    options.solver.maxIterations = 101
    try check(Double.self, options)
  }
}
