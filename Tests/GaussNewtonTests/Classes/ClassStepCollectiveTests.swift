import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

/// Steps of heads whose classes are shared out over the ranks, against dense linear algebra on any number of ranks.
@Suite(.serialized) struct ClassStepCollectiveTests {
  typealias FastTrial<Scalar: DistributedScalar> = ClassTrial<FastGaussNewton<Scalar>>
  typealias FullTrial<Scalar: DistributedScalar> = ClassTrial<GeneralizedGaussNewton<Scalar>>

  static let kinds: [SolverOptions.Kind] = [.cg, .gram, .gramCG]
  static let weights = (0..<37).map { [1, 2, 0, 0.5, 1.5][$0 % 5] }

  func problem(_ classes: Int, _ largestMargin: Double) -> ToyProblem {
    ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
      .weighted(Self.weights)
  }

  func checkSteps<Scalar: DistributedScalar>(
    _: Scalar.Type, _ kind: SolverOptions.Kind, _ problem: ToyProblem, isSparse: Bool = false, tolerance: Double
  ) throws {
    let (λ, μ, η) = (0.05, 1e-2, 0.8)
    var options = exactOptions(for: Scalar.self, damping: λ, weightDecay: μ)
    options.solver.kind = kind
    options.solver.gramTolerance = options.solver.tolerance
    options.momentum = η
    let trial = try FastTrial<Scalar>(problem, options, isSparse: isSparse)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<2 {
      let θ = try trial.whole(trial.parameters)
      let (Δ, report) = try trial.change()
      let expected = try World.once {
        problem.oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last)
      }
      #expect(relativeError(Δ, expected) <= tolerance, "\(Scalar.self), \(kind)")
      #expect(abs(report.loss / problem.oracle.loss(θ) - 1) <= 64 * Double(Scalar.ulpOfOne))
      #expect(abs(report.stepNorm / norm(expected) - 1) <= tolerance)
      // With the matrix the gradient itself is never formed, and of the whole objective less so.
      let gradient = problem.oracle.gradient(θ, weightDecay: kind == .cg ? μ : 0)
      #expect(abs(report.gradientNorm / norm(gradient) - 1) <= tolerance)
      #expect(report.solver!.termination == .converged || Scalar.self == Float.self)
      last = try trial.whole(trial.optimizer.lastStep)
    }
  }

  // Two and three classes are fewer than some numbers of ranks, and none but 2 and 3 are multiples of three.
  @Test(arguments: [2, 3, 13, 50], [1.0, 10, 100])
  func `A step equals the dense solve with every solver`(classes: Int, largestMargin: Double) throws {
    for kind in Self.kinds {
      for problem in [problem(classes, largestMargin), problem(classes, largestMargin).withoutBias] {
        try checkSteps(Double.self, kind, problem, tolerance: 1e-9)
        try checkSteps(Float.self, kind, problem, tolerance: 2e-4)
      }
    }
  }

  @Test(arguments: [2, 5, 12], kinds)
  func `A step on sparse features equals the dense solve`(classes: Int, kind: SolverOptions.Kind) throws {
    let problem = SparseStepCollectiveTests.problem(rows: 23, classes: classes)
    for problem in [problem, problem.withoutBias] {
      try checkSteps(Double.self, kind, problem, isSparse: true, tolerance: 1e-9)
    }
  }

  @Test(arguments: [2, 3, 12], [1.0, 10, 80])
  func `A step towards other targets than labels equals the dense solve`(classes: Int, largestMargin: Double) throws {
    let problem = problem(classes, largestMargin)
    let cases = [
      (problem.smoothed(0.1), problem, 0.1),
      (
        problem.softened(deviation: 2, smoothing: 0.2, seed: 4),
        problem.softened(deviation: 2, smoothing: 0, seed: 4), 0.2
      ),
    ]
    for (reference, problem, ε) in cases {
      for kind in Self.kinds {
        var options = exactOptions(damping: 0.05)
        options.solver.kind = kind
        options.solver.gramTolerance = options.solver.tolerance
        var trial = try FastTrial<Double>(problem, options)
        trial.smoothing = ε
        let (Δ, report) = try trial.change()
        let expected = try World.once { reference.oracle.step(problem.parameters, damping: 0.05) }
        #expect(relativeError(Δ, expected) <= 1e-9)
        #expect(abs(report.loss / reference.oracle.loss(problem.parameters) - 1) <= 1e-13)
      }
      var options = exactOptions(damping: 0.05)
      options.solver.tolerance = 1e-13
      var trial = try FullTrial<Double>(problem, options)
      trial.smoothing = ε
      let (Δ, _) = try trial.change()
      let expected = try World.once { reference.oracle.step(problem.parameters, damping: 0.05, full: true) }
      #expect(relativeError(Δ, expected) <= 1e-9)
    }
  }

  @Test(arguments: [2, 3, 20], [1.0, 30])
  func `A step with the full matrix equals its dense solve`(classes: Int, largestMargin: Double) throws {
    let problem = problem(classes, largestMargin)
    var options = exactOptions(damping: 0.05, weightDecay: 1e-2)
    options.solver.tolerance = 1e-13
    let trial = try FullTrial<Double>(problem, options)
    let (Δ, report) = try trial.change()
    let expected = try World.once {
      problem.oracle.step(problem.parameters, damping: 0.05, weightDecay: 1e-2, full: true)
    }
    #expect(relativeError(Δ, expected) < 1e-9)
    #expect(abs(report.loss / problem.oracle.loss(problem.parameters) - 1) < 1e-13)
  }

  @Test(arguments: [2, 3])
  func `Margins of a thousand neither overflow nor spoil the step`(classes: Int) throws {
    for kind in Self.kinds {
      try checkSteps(Double.self, kind, problem(classes, 1000), tolerance: 1e-9)
    }
  }

  @Test func `Logits that are not finite give a loss of NaN on all ranks, and no step`() throws {
    let C = 7
    for (row, value) in [(0, Double.nan), (C - 1, .infinity), (0, -.infinity)] {
      let problem = ToyProblem(rows: 9, features: 3, classes: C, largestMargin: 1, seed: 2).withoutBias
      let trial = try FastTrial<Double>(problem, exactOptions(damping: 0.1))
      if trial.classes.own.contains(row) { trial.parameters[3 * (row - trial.classes.own.lowerBound)] = value }
      let before = trial.parameters.array
      let report = try trial.advance()
      #expect(report.loss.isNaN && !report.accepted)
      #expect(trial.parameters.array.map(\.bitPattern) == before.map(\.bitPattern))
    }
  }
}
