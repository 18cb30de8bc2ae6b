import Networks

/// A step whose time is to be predicted.
package struct PredictedStep {
  package enum Method: Equatable, Sendable {
    /// SGD and Adam.
    case firstOrder
    /// FGN, and the full matrix (`ggn`), by conjugate gradient without the matrix.
    case matrixFree(iterations: Double), generalized(iterations: Double)
    /// FGN with the matrix K, by Cholesky, and by conjugate gradient.
    case gram, gramCG(iterations: Double)
  }

  /// What ranks share out.
  package enum Placement: String, Sendable {
    case rows, classes
  }

  package var network: Network
  /// B
  package var batchSize: Int
  package var method: Method
  package var placement: Placement
  package var ranks: Int
  /// Whether Δ₀ needs a product of its own, as with momentum.
  package var predictsAnchor: Bool
  /// Entries per row of sparse features.
  package var valuesPerRow: Double
  /// Bytes per number.
  package var width: Int

  package init(
    _ network: Network, batchSize: Int, method: Method, placement: Placement = .rows, ranks: Int = 1
  ) {
    (self.network, self.batchSize, self.method) = (network, batchSize, method)
    (self.placement, self.ranks) = (placement, ranks)
    (predictsAnchor, valuesPerRow, width) = (true, 0, 4)
  }
}

/// Seconds of a step of a run, by phase as the run logs them, and its exchanges.
///
/// What it leaves out: ranks that wait because others are slower for a moment, evaluations and checkpoints, sums that
/// overlap with a backward pass, and messages that meet on their way through the network.
package struct StepPrediction: Equatable, Sendable {
  package enum Collective: String, Sendable {
    case allreduce
    case reduceScatter = "reduce-scatter"
    case allgather, broadcast
  }

  /// So many collectives of one kind and size.
  package struct Exchange: Equatable, Sendable {
    package let collective: Collective
    /// Of the buffer that all parts complete.
    package let bytes: Double
    package let count: Double
    /// Of all of them.
    package let seconds: Double
  }

  package private(set) var seconds: [Phases.Phase: Double] = [:]
  package private(set) var exchanges: [Exchange] = []
  private let time: CollectiveTime

  init(_ time: CollectiveTime) { self.time = time }

  package static func == (one: StepPrediction, other: StepPrediction) -> Bool {
    one.seconds == other.seconds && one.exchanges == other.exchanges
  }

  package subscript(phase: Phases.Phase) -> Double { seconds[phase, default: 0] }

  /// Seconds of the step.
  package var total: Double { Phases.Phase.allCases.reduce(0) { $0 + self[$1] } }

  /// Bytes of the exchanges of a kind, as `logging.traffic` counts them.
  package func bytes(_ collective: Collective) -> Double {
    exchanges.reduce(0) { $0 + ($1.collective == collective ? $1.bytes * $1.count : 0) }
  }

  mutating func add(_ phase: Phases.Phase, _ seconds: Double) { self.seconds[phase, default: 0] += seconds }

  mutating func exchange(_ collective: Collective, _ bytes: Double, times count: Double = 1) {
    let each =
      switch collective {
      case .allreduce: time.allreduce(bytes)
      case .reduceScatter: time.reduceScatter(bytes)
      case .allgather: time.allgather(bytes)
      case .broadcast: time.broadcast(bytes)
      }
    let seconds = count * (each + time.turns)
    exchanges.append(Exchange(collective: collective, bytes: bytes, count: count, seconds: seconds))
    add(.communication, seconds)
  }

  /// All work but messages takes `factor` times as long.
  mutating func slowDown(by factor: Double) {
    for phase in Phases.Phase.allCases where phase != .communication { seconds[phase]? *= factor }
  }
}

extension PredictedStep {
  /// What the step takes on a cluster.
  package func prediction(on cluster: Cluster) -> StepPrediction {
    var result = StepPrediction(CollectiveTime(cluster, ranks: ranks))
    let operations = Operations(
      rates: cluster.rates, threads: cluster.threads, width: width, valuesPerRow: valuesPerRow,
      memoryCrowding: cluster.memoryCrowding(of: ranks))
    switch placement {
    case .rows: RowStep(self, operations).add(to: &result)
    case .classes: ClassStep(self, operations).add(to: &result)
    }
    result.slowDown(by: cluster.crowding(of: ranks))
    return result
  }

  /// The fastest of the solvers that a step can have, where the matrix of a batch is a candidate.
  package func fastest(on cluster: Cluster, iterations: Double) -> (method: Method, prediction: StepPrediction) {
    let methods: [Method] =
      SolverPlan.isCandidate(batchSize: batchSize, network)
      ? [.gram, .gramCG(iterations: iterations), .matrixFree(iterations: iterations)]
      : [.matrixFree(iterations: iterations)]
    return methods.map { method in
      var step = self
      step.method = method
      return (method, step.prediction(on: cluster))
    }.min { $0.1.total < $1.1.total }!
  }

  var iterations: Double {
    switch method {
    case .firstOrder, .gram: 0
    case .matrixFree(let iterations), .generalized(let iterations), .gramCG(let iterations): iterations
    }
  }

  /// Numbers of a row that a step reads.
  var valuesRead: Double {
    network.body.work.first?.isSparse == true ? valuesPerRow : Double(network.inputCount)
  }

  /// The solve with K, and the facts of its solution: by Cholesky on each rank, or by conjugate gradient.
  func addSolve(_ operations: Operations, to result: inout StepPrediction) {
    let batch = Double(batchSize)
    if case .gram = method {
      result.exchange(.allgather, batch * batch * Double(width))
      result.add(.solve, operations.cholesky(batch))
    } else {
      addProducts(operations, to: &result)
    }
    result.exchange(.broadcast, 56)
  }

  /// Conjugate gradient with rows of K that stay on their ranks: a sum for each product, of which one more with Δ₀
  /// finds ‖Rᵀs‖.
  private func addProducts(_ operations: Operations, to result: inout StepPrediction) {
    let (batch, products) = (Double(batchSize), 1 + iterations)
    let anchor = predictsAnchor ? 1.0 : 0
    result.add(.solve, (products + anchor) * operations.symmetricProduct(batch * batch / Double(ranks)))
    if ranks == 1 { return }
    result.exchange(.allreduce, (batch + 4) * 8, times: products)
    if predictsAnchor { result.exchange(.allreduce, (batch + 1) * 8) }
  }

  /// Passes over the parameters in which a step updates them and what it keeps of them.
  var updatePasses: Double {
    switch method {
    case .firstOrder: 3
    case .gram, .gramCG: predictsAnchor ? 4 : 3
    case .matrixFree, .generalized: 6
    }
  }
}
