import Glibc
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

/// Steps of networks whose heads' classes are shared out, while ranks share out the rows of the layers below.
@Suite(.serialized) struct TrunkStepCollectiveTests {
  static let kinds: [SolverOptions.Kind] = [.cg, .gram, .gramCG]

  func problem(rows: Int = 21, classes: Int) -> ToyProblem {
    ToyProblem(rows: rows, features: 4, classes: classes, largestMargin: 2, seed: 12)
      .weighted((0..<rows).map { [1, 2, 0, 0.5, 1.5][$0 % 5] })
  }

  /// Two steps against dense ones; `make` gives the trial on a trunk.
  func check<Method: DampedOptimizer>(
    _ trial: ClassTrial<Method>, _ options: GaussNewtonOptions, full: Bool, tolerance: Double
  ) throws {
    let oracle = TrunkOracle(problem: trial.problem, width: 5)
    var last = [Double](repeating: 0, count: trial.network.layout.count)
    for _ in 0..<2 {
      let θ = try trial.whole(trial.parameters)
      let (Δ, report) = try trial.change()
      let expected = try World.once {
        oracle.step(
          θ, damping: options.damping.initial, weightDecay: options.weightDecay, momentum: options.momentum,
          lastStep: last, full: full
        ).step
      }
      #expect(relativeError(Δ, expected) <= tolerance, "\(Method.self), \(options.solver.kind)")
      let (head, W) = oracle.head(θ)
      #expect(abs(report.loss / head.loss(W) - 1) <= 64 * Double(Method.Scalar.ulpOfOne))
      #expect(abs(report.stepNorm / norm(expected) - 1) <= tolerance)
      last = try trial.whole(trial.optimizer.lastStep)
    }
  }

  func options<Scalar: BLASScalar>(_ kind: SolverOptions.Kind, for _: Scalar.Type) -> GaussNewtonOptions {
    var options = exactOptions(for: Scalar.self, damping: 0.05, weightDecay: 1e-2)
    options.solver.kind = kind
    options.solver.gramTolerance = options.solver.tolerance
    options.momentum = 0.8
    return options
  }

  // Two classes are fewer than some numbers of ranks, and 21 rows a multiple of one and three alone.
  @Test(arguments: [2, 3, 7], kinds)
  func `A step equals the dense solve with every solver`(classes: Int, kind: SolverOptions.Kind) throws {
    let layers: [any Layer] = [Linear(inputs: 4, outputs: 5), Activation(.tanh, count: 5)]
    for rows in [2, 21] {
      let problem = problem(rows: rows, classes: classes)
      let wide = options(kind, for: Double.self)
      try check(
        ClassTrial<FastGaussNewton<Double>>(problem, wide, on: layers), wide, full: false, tolerance: 1e-9)
      let narrow = options(kind, for: Float.self)
      try check(
        ClassTrial<FastGaussNewton<Float>>(problem, narrow, on: layers), narrow, full: false, tolerance: 2e-4)
    }
  }

  @Test(arguments: [2, 3, 7])
  func `A step with the full matrix equals its dense solve`(classes: Int) throws {
    let layers: [any Layer] = [Linear(inputs: 4, outputs: 5), Activation(.tanh, count: 5)]
    var options = options(.cg, for: Double.self)
    options.solver.tolerance = 1e-13
    try check(
      ClassTrial<GeneralizedGaussNewton<Double>>(problem(classes: classes), options, on: layers), options,
      full: true, tolerance: 1e-9)
  }

  @Test func `Layers below without parameters change nothing but the inputs of the head`() throws {
    let problem = problem(classes: 5)
    for kind in Self.kinds {
      let options = options(kind, for: Double.self)
      let trial = try ClassTrial<FastGaussNewton<Double>>(problem, options, on: [Activation(.tanh, count: 4)])
      let θ = try trial.whole(trial.parameters)
      let (Δ, _) = try trial.change()
      let oracle = DenseOracle(
        features: problem.oracle.features.map { $0.map { tanh($0) } }, labels: problem.oracle.labels, classCount: 5,
        weights: problem.oracle.weights)
      #expect(relativeError(Δ, oracle.step(θ, damping: 0.05, weightDecay: 1e-2)) <= 1e-9)
    }
  }
}
