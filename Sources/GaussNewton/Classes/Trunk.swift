import LinearAlgebra
import MPI
import Networks

/// The layers below a head whose classes ranks share out. Ranks share out the rows of a batch here (`#b` of B), those of a
/// group its rows, and have all T parameters of these layers, the first ones of a network.
///
/// Their outputs H, the inputs of the head, are gathered in the group (B × d, or the group's part of B), and what the head's
/// classes say of H is summed over its ranks and scattered to the owners of the rows: a linearisation takes one gather and one
/// reduce-scatter of B·d numbers. The rows of A then are [∂m/∂θ of these layers | of the head's classes]. Of the former each
/// rank has its own, for the latter see `ClassRows`.
final class Trunk<Scalar: DistributedScalar> {
  let linearization: Linearization<Scalar>
  /// √(ωw̃/B) and ∂m/∂H of this rank's rows.
  private let rowSpace: RowSpace<Scalar>
  let message: Message<Scalar>
  private let classes: ClassShards
  /// All ranks.
  let communicator: Communicator
  private let phases: Phases
  /// Gathers of these layers' inputs and cotangents from all ranks, and of the head's inputs from those of the group.
  let exchange, groupExchange: RowExchange
  /// The rows of each rank of the group among those of the group.
  private var rows = Shares(all: [], own: 0..<0)
  /// H at the point of linearisation, and outputs at other parameters or their tangents (B × d each).
  private let hidden, others: Matrix<Scalar>
  /// ∂m/∂H of this rank's rows (#b × d).
  private var cotangents: Matrix<Scalar>
  private let cotangentStorage: Matrix<Scalar>
  /// Ru of this rank's rows (#b).
  private let products: Vector<Scalar>
  /// W of this rank's classes (#C × d) at the point of linearisation.
  private var weights: Matrix<Scalar>
  /// Whether row gradients have been kept since the last linearisation.
  private var keepsRowGradients = false

  /// Allocates memory for shards of at most `capacity` rows, and `headCapacity` rows of all ranks.
  ///
  /// - Parameters:
  ///   - network: the layers.
  ///   - communicator: all ranks.
  init(
    _ network: Network, capacity: Int, headCapacity: Int, classes: ClassShards, over communicator: Communicator,
    phases: Phases
  ) {
    self.classes = classes
    self.communicator = communicator
    self.phases = phases
    let partition = RowPartition(rank: communicator.rank, ranks: communicator.size)
    linearization = Linearization(network, capacity: capacity, partition: partition)
    rowSpace = RowSpace(linearization, capacity: capacity)
    message = Message(linearization, communicator: communicator, phases: phases)
    exchange = RowExchange(partition: partition, communicator: communicator, phases: phases)
    groupExchange = RowExchange(partition: partition, communicator: classes.communicator, phases: phases)
    let d = network.outputCount
    hidden = Matrix(zeros: headCapacity, d)
    others = Matrix(zeros: headCapacity, d)
    cotangentStorage = Matrix(zeros: capacity, d)
    cotangents = cotangentStorage[rows: 0..<0]
    products = Vector(zeros: capacity)
    weights = Matrix(zeros: 0, d)
  }

  /// This rank's rows among those of the group.
  var ownRows: Range<Int> { rows.own }

  /// T
  var parameterCount: Int { linearization.network.layout.count }

  /// Of a vector in the parameter space, the parameters of these layers, and those of the head.
  func split(_ vector: Vector<Scalar>) -> (trunk: Vector<Scalar>, head: Vector<Scalar>) {
    (vector[0..<parameterCount], vector[parameterCount..<vector.count])
  }

  // MARK: Linearisation

  /// H of the group's rows (B × d) at `parameters` (P) on this rank's inputs. One allgather. Collective.
  func linearize(at parameters: Vector<Scalar>, on inputs: Inputs<Scalar>, batchSize: Int) throws -> Inputs<Scalar> {
    rows = exchange.takeRows(of: batchSize, ofRanks: classes.group)
    precondition(inputs.rows == rows.own.count, "the rows are not those of this rank's shard")
    keepsRowGradients = false
    linearization.linearize(
      at: split(parameters).trunk, on: inputs, batchSize: batchSize, logits: hidden[rows: rows.own])
    let all = hidden[rows: 0..<rows.all.last!.upperBound]
    try groupExchange.complete(all, rows)
    return .dense(all)
  }

  /// Takes v (B × #C), and the head's parameters that they belong to. One reduce-scatter. Collective.
  func assignCotangents(_ logitCotangents: Matrix<Scalar>, head: Linearization<Scalar>, at parameters: Vector<Scalar>)
    throws
  {
    weights = head.network.connections[0].split(split(parameters).head).weights
    cotangents = cotangentStorage[rows: 0..<rows.own.count]
    try pull(logitCotangents, into: cotangents)
  }

  /// Takes the row space of all rows, whose margins `assignCotangents` has taken.
  func assignRows(of all: RowSpace<Scalar>) { rowSpace.assign(rows.own, of: all, cotangents: cotangents) }

  /// result ← Σ_r Y_rW_r of this rank's rows (#b × d), given Y (B × #C). One reduce-scatter. Collective.
  private func pull(_ logitCotangents: Matrix<Scalar>, into result: Matrix<Scalar>) throws {
    let room = others[rows: 0..<logitCotangents.rows]
    phases.measure(.vjp) {
      if weights.rows > 0 {
        room.assignProduct(logitCotangents, .no, weights, .no)
      } else {
        room.elements.fill(0)
      }
    }
    try classes.reduceScatter(room.elements, counts: rows.counts.map { $0 * room.columns })
    result.elements.assign(room.elements[0..<result.elements.count])
  }

  // MARK: Products

  /// rows ← rows + Ru of this rank's rows (B), for their part of a tangent u (P). Local.
  func addProduct(_ tangent: Vector<Scalar>, to rows: Vector<Scalar>) {
    guard parameterCount > 0 else { return }
    phases.measure(.jvp) {
      let own = products[0..<self.rows.own.count]
      rowSpace.apply(split(tangent).trunk, into: own)
      rows[self.rows.own].combine(1, own)
    }
  }

  /// tangents ← tangents + ḢWᵀ (B × #C), for Ḣ along a tangent u (P). One allgather. Collective.
  func addTangents(along tangent: Vector<Scalar>, to tangents: Matrix<Scalar>) throws {
    guard parameterCount > 0 else { return }
    let all = others[rows: 0..<tangents.rows]
    let own = phases.measure(.jvp) { linearization.jvp(split(tangent).trunk) }
    all[rows: rows.own].elements.assign(own.elements)
    try groupExchange.complete(all, rows)
    if weights.rows > 0 {
      phases.measure(.jvp) { tangents.assignProduct(all, .no, weights, .yes, beta: 1) }
    }
  }

  /// H of some of the group's rows at other parameters (P), in the places of these rows (B × d). One allgather. Collective.
  func hidden(at parameters: Vector<Scalar>, rows some: Range<Int>) throws -> Inputs<Scalar> {
    let (own, trunk) = (rows.own.clamped(to: some), split(parameters).trunk)
    if !own.isEmpty {
      let first = rows.own.lowerBound
      let outputs = linearization.logits(at: trunk, rows: own.lowerBound - first..<own.upperBound - first)
      others[rows: own].elements.assign(outputs.elements)
    }
    let parts = rows.all.map { $0.clamped(to: some) }
    try groupExchange.complete(others[rows: some], Shares(all: parts, own: own))
    return .dense(others[rows: 0..<(rows.all.last?.upperBound ?? 0)])
  }

  /// gradient ← Jᵀ of the head's cotangents for these layers (T), summed over the rows of all ranks. One allreduce, and for
  /// cotangents other than v with factors a reduce-scatter. Collective.
  func sum(_ headCotangents: Cotangents<Scalar>, into gradient: Vector<Scalar>) throws {
    guard parameterCount > 0 else { return }
    switch headCotangents {
    case .logits(let all):
      let own = linearization.outputScratch
      try pull(all, into: own)
      try message.sum(.logits(own), into: gradient)
    case .scaledLogits(_, let factors):
      try message.sum(.scaledLogits(cotangents, by: factors[rows.own]), into: gradient)
    case .kept(let factors, _):
      let own = factors[rows.own]
      try message.sum(
        keepsRowGradients ? .kept(scaledBy: own) { _, _, _ in false } : .scaledLogits(cotangents, by: own),
        into: gradient)
    }
  }

  /// Visits the row gradients of each layer for this rank's rows, and keeps them for sums.
  func rowGradients(visit: (RowGradients<Scalar>) throws -> Void) throws {
    guard parameterCount > 0 else { return }
    try linearization.rowGradients(cotangents, keepsCotangents: true, visit: visit)
    keepsRowGradients = true
  }
}

extension Linearization where Scalar: DistributedScalar {
  /// Linearises at the parameters (P) of a network on this rank's rows of a batch; above a trunk, at those of the head on all
  /// rows. Collective above a trunk.
  func linearize(
    at parameters: Vector<Scalar>, on batch: Batch<Scalar>, above trunk: Trunk<Scalar>?, logits: Matrix<Scalar>? = nil
  ) throws {
    let size = batch.globalSize
    linearize(
      at: trunk?.split(parameters).head ?? parameters,
      on: try trunk?.linearize(at: parameters, on: batch.inputs, batchSize: size) ?? batch.inputs, batchSize: size,
      logits: logits)
  }
}
