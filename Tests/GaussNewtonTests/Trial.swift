import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport

/// Fast Gauss-Newton on a toy problem.
typealias Trial<Scalar: DistributedScalar> = MethodTrial<FastGaussNewton<Scalar>>

/// The full Gauss-Newton method on a toy problem.
typealias FullTrial<Scalar: DistributedScalar> = MethodTrial<GeneralizedGaussNewton<Scalar>>

/// A gradient method on a toy problem.
typealias FirstOrderTrial<Scalar: DistributedScalar> = MethodTrial<FirstOrder<Scalar>>

/// A toy problem whose rows are sharded over the ranks, the optimizer at work on it, and its parameters.
struct MethodTrial<Method: Optimizer> {
  typealias Scalar = Method.Scalar

  let problem: ToyProblem
  let communicator: Communicator
  let shard: Range<Int>
  let optimizer: Method
  let parameters: Vector<Scalar>
  /// ε of the batch, beside the distributions of the problem.
  var smoothing = 0.0

  /// By default the numbers of rows on the ranks differ by at most one.
  private init(
    _ problem: ToyProblem, _ communicator: Communicator, _ shard: Range<Int>?, _ make: (Network, Int) -> Method
  ) {
    self.problem = problem
    self.communicator = communicator
    self.shard = shard ?? evenShard(of: problem.rowCount, communicator)
    optimizer = make(
      Network([
        Linear(
          inputs: problem.featureCount, outputs: problem.oracle.classCount, hasBias: problem.oracle.hasBias)
      ]), self.shard.count)
    parameters = Vector(problem.parameters.map { Scalar($0) })
  }

  init<Number>(
    _ problem: ToyProblem, _ options: GaussNewtonOptions, communicator: Communicator = World.communicator,
    shard: Range<Int>? = nil
  ) where Method == FastGaussNewton<Number> {
    let partition =
      shard == nil ? RowPartition(rank: communicator.rank, ranks: communicator.size) : RowPartition()
    self.init(problem, communicator, shard) {
      FastGaussNewton($0, options: options, capacity: $1, partition: partition, communicator: communicator)
    }
  }

  init<Number>(
    _ problem: ToyProblem, _ options: GaussNewtonOptions, communicator: Communicator = World.communicator,
    shard: Range<Int>? = nil
  ) where Method == GeneralizedGaussNewton<Number> {
    self.init(problem, communicator, shard) {
      GeneralizedGaussNewton($0, options: options, capacity: $1, communicator: communicator)
    }
  }

  init<Number>(
    _ problem: ToyProblem, _ options: FirstOrderOptions, communicator: Communicator = World.communicator,
    shard: Range<Int>? = nil
  ) where Method == FirstOrder<Number> {
    self.init(problem, communicator, shard) {
      FirstOrder($0, options: options, capacity: $1, communicator: communicator)
    }
  }

  /// All rows, with this rank's shard of them.
  var batch: Batch<Scalar> {
    Batch(
      inputs: .dense(problem.inputs(shard)),
      targets: Targets(problem.labels(shard), smoothing: smoothing, distributions: problem.distributions(shard)),
      weights: problem.weights(shard), globalSize: problem.rowCount)
  }

  /// One step on all rows. Collective.
  func advance(rate: Double = 1) throws -> StepReport {
    try optimizer.advance(parameters, on: batch, rate: rate)
  }

  /// One step, and the change of the parameters in it. Collective.
  func change(rate: Double = 1) throws -> (Δ: [Double], report: StepReport) {
    let before = parameters.doubles
    let report = try advance(rate: rate)
    return (zip(parameters.doubles, before).map { $0 - $1 }, report)
  }
}

/// This rank's rows of `count`.
func evenShard(of count: Int, _ communicator: Communicator) -> Range<Int> {
  count * communicator.rank / communicator.size..<count * (communicator.rank + 1) / communicator.size
}

/// Options under which all adaptation happens in each step.
func plainOptions() -> GaussNewtonOptions {
  var options = GaussNewtonOptions()
  options.damping.policy = .constant
  options.damping.minimum = 1e-4
  options.damping.factor = 1.5
  options.damping.interval = 1
  options.metric.interval = 1
  options.stepLength = .ggn
  return options
}

/// Options of a unit step that is solved as exactly as the precision allows.
func exactOptions<Scalar: BLASScalar>(
  for _: Scalar.Type = Double.self, damping λ: Double, weightDecay μ: Double = 0
) -> GaussNewtonOptions {
  var options = plainOptions()
  options.damping.initial = λ
  options.weightDecay = μ
  options.stepLength = .unit
  options.solver.tolerance = Scalar.self == Float.self ? 1e-7 : 1e-12
  options.solver.maxIterations = 2000
  return options
}

/// The change of a network's parameters in some steps on random examples, and the last report. Collective.
func change(
  of network: Network, _ options: GaussNewtonOptions, rows count: Int, steps: Int = 1,
  exchange: Exchange = .single, over communicator: Communicator
) throws -> ([Double], StepReport) {
  var samples = Samples(seed: 3)
  let features = Matrix(
    Vector((0..<count * network.inputCount).map { _ in samples.normal() }), count, network.inputCount)
  let labels = (0..<count).map { _ in Int32(samples.integer(below: network.outputCount)) }
  let mine = evenShard(of: count, communicator)
  let optimizer = FastGaussNewton<Double>(
    network, options: options, capacity: mine.count, communicator: communicator)
  optimizer.message.exchange = exchange
  let parameters: Vector<Double> = network.initialParameters(seed: 4)
  let before = parameters.array
  func advance() throws -> StepReport {
    try optimizer.advance(
      parameters, on: Batch(inputs: .dense(features[rows: mine]), labels: labels[mine], globalSize: count), rate: 1)
  }
  for _ in 1..<steps { _ = try advance() }
  let report = try advance()
  return (zip(parameters.array, before).map { $0 - $1 }, report)
}

extension Optimizer {
  /// One global step without a wish to stop. Collective.
  func advance(_ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double) throws -> StepReport {
    try advance(parameters, on: batch, rate: rate, interrupt: false)
  }
}
