import LinearAlgebra
import Networks

/// The mean cross-entropy of one global batch around θ, (1/B) Σ ω_i ℓ_i: the linearised network, its margins, and the
/// change of the loss along a step. Rows are this rank's shard (`#b` of B); where ranks share out classes, all rows of their
/// group, with columns for this rank's classes.
///
/// On layers whose rows ranks share out, `linearization` is that of the head above them.
final class BatchLoss<Scalar: DistributedScalar> {
  let linearization: Linearization<Scalar>
  let trunk: Trunk<Scalar>?
  private(set) var margin: SoftmaxMargin<Scalar>
  private let trialMargin: SoftmaxMargin<Scalar>
  private let candidate: Vector<Scalar>
  private let exchange: RowExchange
  /// nil where this rank has all classes.
  let classes: ClassShards?
  private var phases: Phases { exchange.phases }
  private var targets = Targets<Scalar>([])
  /// B
  private var batchSize = 0

  init(_ placement: StepPlacement<Scalar>, exchange: RowExchange) {
    (classes, trunk) = (placement.classes, placement.trunk)
    let (network, capacity) = (placement.network, placement.capacity)
    linearization = Linearization(network, capacity: capacity, partition: placement.partition)
    margin = SoftmaxMargin(capacity: capacity)
    trialMargin = SoftmaxMargin(capacity: capacity)
    candidate = Vector(zeros: (trunk?.parameterCount ?? 0) + network.layout.count)
    self.exchange = exchange
  }

  /// Linearises the network at θ on this rank's shard of a batch, and computes the margins. Collective where ranks share
  /// out classes.
  ///
  /// - Parameter logits: as for `Linearization.linearize`.
  func linearize(at parameters: Vector<Scalar>, on batch: Batch<Scalar>, logits: Matrix<Scalar>? = nil) throws {
    targets = batch.targets
    batchSize = batch.globalSize
    try linearization.linearize(at: parameters, on: batch, above: trunk, logits: logits)
    margin.weights = batch.weights
    try margin.assign(
      replacing: linearization.logits, targets: targets, parts: linearization.parts.all, over: classes)
    try trunk?.assignCotangents(cotangents, head: linearization, at: parameters)
  }

  /// v of each row (#b × C).
  var cotangents: Matrix<Scalar> { linearization.logits }

  /// Σ ωℓ over each part of the local rows.
  var localSums: [Double] { linearization.sums { margin.lossSum(rows: $0) } }

  /// A sum over the rows of all ranks that is the same on all ranks, given this rank's. Collective where ranks share out
  /// classes.
  func agreed(_ sum: Double) throws -> Double { try classes?.agreed([sum])[0] ?? sum }

  /// The mean over the rows of all ranks, given their sum.
  func mean(_ sum: Double) -> Double { sum / Double(batchSize) }

  /// The tangents of the logits (#b × C) along a vector in the parameter space (P). Collective where ranks share out classes.
  func jvp(_ tangent: Vector<Scalar>) throws -> Matrix<Scalar> {
    let tangents = phases.measure(.jvp) { linearization.jvp(trunk?.split(tangent).head ?? tangent) }
    try trunk?.addTangents(along: tangent, to: tangents)
    return tangents
  }

  /// Each row ż of `tangents` (#b × C) ← ω(diag(π) − ππᵀ)ż/B. Collective where ranks share out classes.
  func applyFullCurvature(to tangents: Matrix<Scalar>) throws {
    if let classes {
      return try margin.applyFullCurvature(
        to: tangents, cotangents: cotangents, targets: targets, batchSize: batchSize, over: classes)
    }
    margin.applyFullCurvature(to: tangents, cotangents: cotangents, targets: targets, batchSize: batchSize)
  }

  /// ΔᵀG_GGN Δ of the whole batch: one JVP and the full softmax covariance at the logits. Collective.
  ///
  /// The exact split diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ) gives it.
  func fullCurvature(along step: Vector<Scalar>) throws -> Double {
    let tangents = try jvp(step)
    if let classes {
      let sum = try phases.measure(.forward) {
        try margin.fullCurvatureSum(cotangents: cotangents, tangents: tangents, targets: targets, over: classes)
      }
      return mean(try exchange.totals([[sum]])[0])
    }
    let sums = phases.measure(.forward) {
      linearization.sums {
        margin.fullCurvatureSum(cotangents: cotangents, tangents: tangents, targets: targets, rows: $0)
      }
    }
    return mean(try exchange.totals([sums])[0])
  }

  /// The change of the loss from θ to θ + τΔ for each τ, summed as differences. One collective.
  func changes(
    at lengths: [Double], along step: Vector<Scalar>, from parameters: Vector<Scalar>
  ) throws -> [Double] {
    let sums = try lengths.map { try localChanges(at: $0, along: step, from: parameters, rows: 0..<targets.count) }
    return try exchange.totals(sums).map(mean)
  }

  /// The sum of the changes of the losses from θ to θ + τΔ over some local rows, for each of their parts. Collective where
  /// ranks share out classes.
  func localChanges(
    at length: Double, along step: Vector<Scalar>, from parameters: Vector<Scalar>, rows: Range<Int>
  ) throws -> [Double] {
    try phases.measure(.forward) {
      candidate.assign(Scalar(length), step, 1, parameters)
      let parts = linearization.parts.all.map { $0.clamped(to: rows) }
      /// The index of a row within `rows`.
      func place(_ row: Int) -> Int { row - rows.lowerBound }
      let logits = linearization.logits(
        at: trunk?.split(candidate).head ?? candidate, on: try trunk?.hidden(at: candidate, rows: rows), rows: rows)
      try trialMargin.assign(
        replacing: logits, targets: targets.rows(rows),
        parts: parts.map { place($0.lowerBound)..<place($0.upperBound) }, over: classes)
      return parts.map { trialMargin.lossChange(from: margin, rows: $0, start: place($0.lowerBound)) }
    }
  }
}
