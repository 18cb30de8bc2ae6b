
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite("The distributed step", .serialized)
struct FastGaussNewtonTests {
  /// One step of `problem` in `Scalar`, sharded over all ranks: the change of the parameters.
  func step<Scalar: DistributedScalar>(
    _ problem: ToyProblem, as: Scalar.Type, options: FastGaussNewtonOptions
  ) throws -> (change: [Double], report: StepReport) {
    let world = World.communicator
    let oracle = problem.oracle
    let network = Network([Linear(inputs: problem.featureCount, outputs: oracle.classCount)])
    let rows = oracle.features.count
    let shard = rows * world.rank / world.size..<rows * (world.rank + 1) / world.size
    let optimizer = FastGaussNewton<Scalar>(network, options: options, capacity: shard.count, communicator: world)
    let parameters = Vector(problem.parameters.map { Scalar($0) })
    let report = try optimizer.advance(
      parameters, inputs: problem.inputs(shard), labels: problem.labels(shard), batchSize: rows, rate: 1)
    return (zip(parameters.array, problem.parameters).map { Double($0) - $1 }, report)
  }

  @Test(
    "equals a dense solve",
    arguments: [2, 3, 50], [1e-4, 1e-3, 1e-1, 10])
  func equalsDenseSolve(classes: Int, λ: Double) throws {
    for largestMargin in [1.0, 10, 100] {
      for μ in [0, 1e-2] {
        let problem = ToyProblem(rows: 37, features: 6, classes: classes, largestMargin: largestMargin, seed: 7)
        let expected = problem.oracle.step(problem.parameters, damping: λ, weightDecay: μ)

        var options = FastGaussNewtonOptions()
        options.damping.initial = λ
        options.weightDecay = μ
        options.stepLength = .unit
        options.solver.tolerance = 1e-12
        options.solver.maxIterations = 2000
        let double = try step(problem, as: Double.self, options: options)
        print("D", classes, λ, largestMargin, μ, relativeError(double.change, expected), double.report.solver)

        var single = FastGaussNewtonOptions()
        single.damping.initial = λ
        single.weightDecay = μ
        single.stepLength = .unit
        single.solver.tolerance = 1e-7
        single.solver.maxIterations = 200
        let float = try step(problem, as: Float.self, options: single)
        print("F", classes, λ, largestMargin, μ, relativeError(float.change, expected), float.report.solver)
      }
    }
  }
}
