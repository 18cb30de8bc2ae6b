import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport

/// A toy problem whose classes are shared out over the ranks, a method at work on it, and this rank's parameters.
struct ClassTrial<Method: Optimizer> {
  typealias Scalar = Method.Scalar

  let problem: ToyProblem
  let communicator: Communicator
  let classes: ClassShards
  /// The network with all classes.
  let network: Network
  /// How ranks share out rows; each has all where the network is a head alone.
  let partition: RowPartition
  let optimizer: Method
  let parameters: Vector<Scalar>
  let isSparse: Bool
  /// ε of the batch, beside the distributions of the problem.
  var smoothing = 0.0

  /// - Parameters:
  ///   - trunk: the layers below the head.
  ///   - group: how many ranks share out the classes; nil for all.
  init(
    _ problem: ToyProblem, isSparse: Bool = false, on trunk: [any Layer] = [], inGroupsOf group: Int? = nil,
    over communicator: Communicator = World.communicator,
    _ make: (Network, _ capacity: Int, RowPartition, ClassShards) -> Method
  ) throws {
    self.problem = problem
    self.communicator = communicator
    self.isSparse = isSparse
    let (d, C, hasBias) = (problem.featureCount, problem.oracle.classCount, problem.oracle.hasBias)
    classes = try ClassShards(C, inGroupsOf: group ?? communicator.size, over: communicator)
    partition =
      trunk.isEmpty ? classes.rowPartition : RowPartition(rank: communicator.rank, ranks: communicator.size)
    network =
      trunk.isEmpty && isSparse
      ? Network([SparseLinear(inputs: d, outputs: C, hasBias: hasBias)])
      : Network(trunk + [Linear(inputs: trunk.last?.outputCount ?? d, outputs: C, hasBias: hasBias)])
    optimizer = make(
      network.keeping(classes.own), partition.capacity(of: problem.rowCount), partition, classes)
    let θ: Vector<Scalar> =
      trunk.isEmpty
      ? Vector((isSparse ? transposingFirst(problem.parameters, C, d) : problem.parameters).map { Scalar($0) })
      : network.initialParameters(seed: 8)
    parameters = network.parameters(classes.own, of: θ)
  }

  /// Some rows with this rank's columns of their targets.
  func batch(_ whole: Range<Int>) -> Batch<Scalar> {
    let (rows, own) = (part(of: whole, classes.rowPartition), part(of: whole, partition))
    let all: Matrix<Scalar>? = problem.distributions(rows)
    let distributions = all.map { all in
      Matrix(
        Vector((0..<rows.count).flatMap { row in classes.own.map { all[row, $0] } }), rows.count, classes.own.count)
    }
    let features = Array(problem.oracle.features[own])
    return Batch(
      inputs: isSparse
        ? .sparse(CSRMatrix(features, columns: problem.featureCount)) : .dense(problem.inputs(own)),
      targets: Targets(problem.labels(rows), smoothing: smoothing, distributions: distributions),
      weights: problem.weights(rows), globalSize: whole.count)
  }

  private func part(of rows: Range<Int>, _ partition: RowPartition) -> Range<Int> {
    let part = partition.rows(of: rows.count)
    return rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound
  }

  func advance(on rows: Range<Int>? = nil, rate: Double = 1, interrupt: Bool = false) throws -> StepReport {
    try optimizer.advance(
      parameters, on: batch(rows ?? 0..<problem.rowCount), rate: rate, interrupt: interrupt)
  }

  /// The parameters of all ranks in the order of the dense head. Collective.
  func whole(_ own: Vector<Scalar>) throws -> [Double] {
    let parts = try communicator.allgather(own.doubles)
    var all = [Double](repeating: .nan, count: network.layout.count)
    var next = 0
    for rank in 0..<communicator.size {
      for place in network.places(of: classes.all[rank % classes.all.count]) {
        for range in place.ranges {
          all.replaceSubrange(range, with: parts[next..<next + range.count])
          next += range.count
        }
      }
    }
    return isSparse && network.hasSingleLayer
      ? transposingFirst(all, problem.featureCount, problem.oracle.classCount) : all
  }

  /// One step on all rows, and the change of all parameters in it. Collective.
  func change(rate: Double = 1) throws -> (Δ: [Double], report: StepReport) {
    let before = try whole(parameters)
    let report = try advance(rate: rate)
    return (zip(try whole(parameters), before).map { $0 - $1 }, report)
  }
}

extension ClassTrial {
  init<Number>(
    _ problem: ToyProblem, _ options: GaussNewtonOptions, isSparse: Bool = false, on trunk: [any Layer] = [],
    inGroupsOf group: Int? = nil, over communicator: Communicator = World.communicator
  ) throws where Method == FastGaussNewton<Number> {
    try self.init(problem, isSparse: isSparse, on: trunk, inGroupsOf: group, over: communicator) {
      FastGaussNewton(
        $0, options: options, capacity: $1, partition: $2, communicator: communicator, classes: $3)
    }
  }

  init<Number>(
    _ problem: ToyProblem, _ options: GaussNewtonOptions, isSparse: Bool = false, on trunk: [any Layer] = [],
    inGroupsOf group: Int? = nil, over communicator: Communicator = World.communicator
  ) throws where Method == GeneralizedGaussNewton<Number> {
    try self.init(problem, isSparse: isSparse, on: trunk, inGroupsOf: group, over: communicator) {
      GeneralizedGaussNewton(
        $0, options: options, capacity: $1, partition: $2, communicator: communicator, classes: $3)
    }
  }

  init<Number>(
    _ problem: ToyProblem, _ options: FirstOrderOptions, isSparse: Bool = false, on trunk: [any Layer] = [],
    inGroupsOf group: Int? = nil, over communicator: Communicator = World.communicator
  ) throws where Method == FirstOrder<Number> {
    try self.init(problem, isSparse: isSparse, on: trunk, inGroupsOf: group, over: communicator) {
      FirstOrder(
        $0, options: options, capacity: $1, partition: $2, communicator: communicator, classes: $3)
    }
  }
}
