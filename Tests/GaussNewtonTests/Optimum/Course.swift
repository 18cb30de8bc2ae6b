import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport

/// A loss with weight decay that is to be minimised: that of a network on a problem.
struct Minimization {
  enum Model {
    case linear
    case sparseLinear
    case network(Network)
  }

  let problem: ToyProblem
  let model: Model
  let weightDecay: Double
  let decaysBiases: Bool

  init(_ problem: ToyProblem, _ model: Model = .linear, weightDecay: Double, decaysBiases: Bool = true) {
    (self.problem, self.model) = (problem, model)
    (self.weightDecay, self.decaysBiases) = (weightDecay, decaysBiases)
  }

  var network: Network {
    let (d, C) = (problem.featureCount, problem.oracle.classCount)
    switch model {
    case .linear: return Network([Linear(inputs: d, outputs: C, hasBias: problem.oracle.hasBias)])
    case .sparseLinear: return Network([SparseLinear(inputs: d, outputs: C, hasBias: problem.oracle.hasBias)])
    case .network(let network): return network
    }
  }

  /// Those of the problem for a linear head.
  func initialParameters<Scalar: BLASScalar>() -> Vector<Scalar> {
    if case .network(let network) = model { return network.initialParameters(seed: 1) }
    return Vector(problem.parameters.map { Scalar($0) })
  }

  func rows<Scalar: BLASScalar>() -> TrainingRows<Scalar> {
    let (oracle, d) = (problem.oracle, problem.featureCount)
    let isSparse = if case .sparseLinear = model { true } else { false }
    return TrainingRows(count: problem.rowCount) { rows, globalSize in
      let values = rows.map { oracle.features[$0].map { Scalar($0) } }
      let dense = Matrix(Vector(values.flatMap { $0 }), rows.count, d)
      return Batch(
        inputs: isSparse
          ? .sparse(CSRMatrix(rows.map { oracle.features[$0] }, columns: d)) : .dense(dense),
        targets: Targets(
          rows.map { Int32(oracle.labels[$0]) }[...],
          distributions: oracle.targets.map { targets in
            Matrix(Vector(rows.flatMap { targets[$0].map { Scalar($0) } }), rows.count, oracle.classCount)
          }),
        weights: Vector(rows.map { Scalar(oracle.weights[$0]) }), globalSize: globalSize)
    }
  }
}

/// The way to the optimum.
final class Course<Scalar: DistributedScalar> {
  let parameters: Vector<Scalar>
  let objective: FullObjective<Scalar>
  /// As in a run in float64.
  let rough: FullObjective<Float>?
  let newton: TruncatedNewton<Scalar>
  let options: OptimumOptions

  var progress: OptimumProgress { newton.progress }

  init(
    _ task: Minimization, tolerance: Double = 1e-9, maxPasses: Int = 5000,
    from state: ([Scalar], OptimumProgress)? = nil, virtualShards: Int? = nil, hasRough: Bool = true,
    communicator: Communicator = World.communicator
  ) throws {
    let network = task.network
    let run = RowPartition(rank: communicator.rank, ranks: communicator.size, virtualShards: virtualShards)
    func makeObjective<Number: DistributedScalar>() -> FullObjective<Number> {
      FullObjective(
        network, task.rows(), in: RowBlocks(network, like: run, rank: communicator.rank, threads: 2),
        weightDecay: (task.weightDecay, task.decaysBiases), phases: Phases(), communicator: communicator)
    }
    objective = makeObjective()
    rough = hasRough && Scalar.self == Double.self ? makeObjective() : nil
    options = OptimumOptions(tolerance: tolerance, maxPasses: maxPasses)
    let initial: Vector<Scalar> = task.initialParameters()
    parameters = state.map { Vector($0.0) } ?? initial.copy()
    newton = try TruncatedNewton(
      objective, rough: rough, parameters, initial: state == nil ? initial : nil, resuming: state?.1, options: options)
  }

  /// Takes steps until the way ends. Collective.
  func run() throws -> OptimumProgress.End {
    while true {
      if let end = progress.end(options) { return end }
      _ = try newton.advance()
    }
  }
}
