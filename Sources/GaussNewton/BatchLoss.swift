import LinearAlgebra
import MPI
import Networks

/// The mean cross-entropy of one global batch around θ: the linearised network, its margins, and what the loss does along
/// a step. Rows are this rank's shard (`#b` of B).
final class BatchLoss<Scalar: DistributedScalar> {
  let linearization: Linearization<Scalar>
  let margin: SoftmaxMargin<Scalar>
  private let trialMargin: SoftmaxMargin<Scalar>
  private let candidate: Vector<Scalar>
  private let communicator: Communicator
  private let phases: Phases
  private var labels: ArraySlice<Int32> = []
  private var batchSize = 0

  init(_ network: Network, capacity: Int, communicator: Communicator, phases: Phases) {
    linearization = Linearization(network, capacity: capacity)
    margin = SoftmaxMargin(capacity: capacity)
    trialMargin = SoftmaxMargin(capacity: capacity)
    candidate = Vector(zeros: network.layout.count)
    self.communicator = communicator
    self.phases = phases
  }

  /// Linearises the network at θ on this rank's shard (#b × d) of a batch of B rows, and finds the margins. Local.
  func linearize(
    at parameters: Vector<Scalar>, on inputs: Matrix<Scalar>, _ labels: ArraySlice<Int32>, batchSize: Int
  ) {
    self.labels = labels
    self.batchSize = batchSize
    linearization.linearize(at: parameters, on: inputs)
    margin.assign(replacing: linearization.logits, labels: labels)
  }

  /// v of each row (#b × C).
  var cotangents: Matrix<Scalar> { linearization.logits }

  /// Σ ℓ over the local rows.
  var localSum: Double { margin.lossSum(rows: labels.count) }

  /// Each row ż of `tangents` (#b × C) ← (diag(π) − ππᵀ)ż/B. Local.
  func applyFullCurvature(to tangents: Matrix<Scalar>) {
    margin.applyFullCurvature(to: tangents, cotangents: cotangents, labels: labels, batchSize: batchSize)
  }

  /// ΔᵀG_GGN Δ of the whole batch: one JVP and the full softmax covariance at the logits. Collective.
  ///
  /// By the exact split diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ).
  func fullCurvature(along step: Vector<Scalar>) throws -> Double {
    let tangents = phases.measure(.jvp) { linearization.jvp(step) }
    let sum = phases.measure(.forward) {
      margin.fullCurvatureSum(cotangents: cotangents, tangents: tangents, labels: labels)
    }
    return try phases.measure(.communication) { try communicator.allreduce(sum) } / Double(batchSize)
  }

  /// The change of the loss from θ to θ + τΔ for each τ, summed as differences. One collective.
  func changes(
    at lengths: [Double], along step: Vector<Scalar>, from parameters: Vector<Scalar>
  ) throws -> [Double] {
    let sums = lengths.map { localChange(at: $0, along: step, from: parameters, rows: 0..<labels.count) }
    let totals = try phases.measure(.communication) { try communicator.allreduce(sums) }
    return totals.map { $0 / Double(batchSize) }
  }

  /// The sum of the changes of the losses from θ to θ + τΔ over some local rows. Local.
  func localChange(
    at length: Double, along step: Vector<Scalar>, from parameters: Vector<Scalar>, rows: Range<Int>
  ) -> Double {
    phases.measure(.forward) {
      candidate.assign(parameters)
      candidate.combine(Scalar(length), step)
      let own = labels.dropFirst(rows.lowerBound).prefix(rows.count)
      trialMargin.assign(replacing: linearization.logits(at: candidate, rows: rows), labels: own)
      return trialMargin.lossChange(from: margin, rows: rows)
    }
  }
}
