import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport

/// A toy problem whose rows are sharded over the ranks, the optimizer at work on it, and its parameters.
struct Trial<Scalar: DistributedScalar> {
  let problem: ToyProblem
  let communicator: Communicator
  let shard: Range<Int>
  let optimizer: FastGaussNewton<Scalar>
  let parameters: Vector<Scalar>

  /// By default, every rank of the job has as many rows as any other, or one less.
  init(
    _ problem: ToyProblem, _ options: FastGaussNewtonOptions, communicator: Communicator = World.communicator,
    shard: Range<Int>? = nil
  ) {
    self.problem = problem
    self.communicator = communicator
    self.shard = shard ?? evenShard(of: problem.rowCount, communicator)
    optimizer = FastGaussNewton(
      Network([Linear(inputs: problem.featureCount, outputs: problem.oracle.classCount)]), options: options,
      capacity: self.shard.count, communicator: communicator)
    parameters = Vector(problem.parameters.map { Scalar($0) })
  }

  /// One step on all rows. Collective.
  func advance(rate: Double = 1) throws -> StepReport {
    try optimizer.advance(
      parameters, inputs: problem.inputs(shard), labels: problem.labels(shard), batchSize: problem.rowCount,
      rate: rate)
  }

  /// One step, and the change of the parameters that it made. Collective.
  func change(rate: Double = 1) throws -> (Δ: [Double], report: StepReport) {
    let before = parameters.doubles
    let report = try advance(rate: rate)
    return (zip(parameters.doubles, before).map { $0 - $1 }, report)
  }
}

/// The rows of `count` that belong to this rank.
func evenShard(of count: Int, _ communicator: Communicator) -> Range<Int> {
  count * communicator.rank / communicator.size..<count * (communicator.rank + 1) / communicator.size
}

/// Options of a unit step that is solved as exactly as the precision allows.
func exactOptions<Scalar: BLASScalar>(
  for _: Scalar.Type = Double.self, damping λ: Double, weightDecay μ: Double = 0
) -> FastGaussNewtonOptions {
  var options = FastGaussNewtonOptions()
  options.damping.initial = λ
  options.weightDecay = μ
  options.stepLength = .unit
  options.solver.tolerance = Scalar.self == Float.self ? 1e-7 : 1e-12
  options.solver.maxIterations = 2000
  return options
}
