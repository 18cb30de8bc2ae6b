import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The scores of a model on a data set.
package struct Evaluation: Equatable, Sendable {
  package var examples: Int
  /// Mean cross-entropy with the labels.
  package var loss: Double
  /// The standard error of the mean, by the spread over the examples.
  package var lossError = 0.0
  package var accuracy: Double
  /// The fraction of examples whose true class is among the five most probable.
  package var top5Accuracy: Double
  /// The mean of the classes' accuracies, over those that have examples.
  package var balancedAccuracy: Double
}

extension Evaluation {
  /// The scores from sums over all examples.
  package init(_ scores: ClassScores) {
    let count = scores.total(.examples)
    self.init(
      examples: Int(count), loss: scores.total(.losses) / count, lossError: scores.lossError,
      accuracy: scores.total(.hits) / count, top5Accuracy: scores.total(.top5Hits) / count,
      balancedAccuracy: scores.balancedAccuracy)
  }
}

/// Runs a network forward over a data set, in chunks of rows, each rank on its own shard.
package final class Evaluator<Scalar: DistributedScalar> {
  let communicator: Communicator
  /// nil where this rank has all classes.
  let classes: ClassShards?
  let forward: ForwardPass<Scalar>
  /// Where ranks share out classes on layers that they do not; nil otherwise.
  let sharedForward: SharedForward<Scalar>?
  let margin: SoftmaxMargin<Scalar>
  let room: InputRoom<Scalar>
  /// Memory for the probabilities of a chunk, if any set has had some.
  private var targetRoom: Matrix<Scalar>?
  /// Of these, memory for the columns of this rank's classes.
  private var ownTargetRoom: Matrix<Scalar>?

  /// C
  package let classCount: Int

  /// The number of rows in a chunk.
  package let chunk: Int
  private let isReproducible: Bool

  /// `limit` bounds the number of rows in a chunk. The bits of `evaluate` do not depend on the number of ranks where it
  /// `isReproducible`.
  ///
  /// - Parameter classes: where ranks share out the classes of the network: each then runs all rows with its own classes,
  ///   and passes its parameters.
  package init(
    _ network: Network, rowsAtATime limit: Int = .max, isReproducible: Bool = false, communicator: Communicator,
    classes: ClassShards? = nil
  ) {
    self.communicator = communicator
    self.isReproducible = isReproducible
    self.classes = classes
    classCount = network.outputCount
    // All ranks have the chunks of the one with most classes.
    chunk = min(limit, Self.chunk(for: classes.map { network.keeping(0..<$0.largest) } ?? network))
    let own = classes.map { network.keeping($0.own) } ?? network
    sharedForward = classes.flatMap { [chunk] in SharedForward(own, capacity: chunk, over: $0.communicator) }
    forward = ForwardPass(own, capacity: sharedForward == nil ? chunk : 0)
    margin = SoftmaxMargin(capacity: chunk)
    room = InputRoom(network, capacity: chunk)
  }

  /// Into how many blocks rows are cut where the number of ranks must not matter.
  static var blockCount: Int { 64 }

  /// The number of rows per chunk: enough for fast matrix products, few enough to keep memory small.
  static func chunk(for network: Network) -> Int { max(64, min(4096, (1 << 23) / network.forwardCount)) }

  /// The numbers that it keeps for a chunk of rows beside their features: logits, labels that are probabilities, and what
  /// the layers work in.
  static func memoryCount(_ network: Network, hasProbabilities: Bool) -> Double {
    let rows = chunk(for: network)
    return Double(hasProbabilities ? 2 * rows : rows) * Double(network.outputCount)
      + Double(network.body.scratchCount(rows: rows))
  }

  /// Scores the network with the given parameters on all of `set`, which errors call `name`. Collective; the same on all
  /// ranks. Throws exit code 70 for logits that are not finite.
  package func evaluate(
    _ parameters: Vector<Scalar>, on set: Dataset, named name: String = "the examples", normalization: Normalization
  ) throws -> Evaluation {
    try score(parameters, on: set, named: name, normalization: normalization).evaluation
  }

  /// As `evaluate`, with the sums by class.
  package func score(
    _ parameters: Vector<Scalar>, on set: Dataset, named name: String, normalization: Normalization
  ) throws -> (evaluation: Evaluation, classes: ClassScores) {
    var scores = ClassScores(classCount: classCount)
    var bad: Int?
    func add(_ rows: Range<Int>) throws {
      try forEachChunk(
        of: rows, set.features,
        logits: { part in
          try sharedForward?(parameters, part) { room.gather($0, of: set.features, normalization) }
            ?? forward(parameters, room.gather(part, of: set.features, normalization))
        }
      ) { rows, logits in
        if bad == nil { bad = logits.firstNonFiniteRow.map { rows.lowerBound + $0 } }
        try score(logits, targets(of: rows, set.labels, set.probabilities), &scores) { _ in }
      }
    }
    // Where bits matter, the loss of each block has a place of its own, to which the other ranks add zeros.
    var losses = [Double](repeating: 0, count: isReproducible ? Self.blockCount : 0)
    if isReproducible {
      for block in (0..<Self.blockCount).part(communicator.rank, of: communicator.size) {
        let before = scores
        scores = ClassScores(classCount: classCount)
        try add((0..<set.count).part(block, of: Self.blockCount))
        losses[block] = scores[.losses].reduce(0, +)
        scores.sums = zip(scores.sums, before.sums).map(+)
      }
    } else {
      let sharing = classes?.rows ?? communicator
      try add(BatchSampler.shard(of: 0..<set.count, rank: sharing.rank, count: sharing.size))
    }
    try communicator.checkLogits(bad, of: name, set.featureFiles, exitCode: 70)
    let sums = try total(scores)
    var result = Evaluation(sums)
    if isReproducible { result.loss = try communicator.allreduce(losses).reduce(0, +) / Double(set.count) }
    return (result, sums)
  }

  /// Scores the network on examples that are read on demand and checked. Collective; the same on all ranks. Throws exit
  /// code 65 for a value or a logit that is not finite, and the errors of reading.
  ///
  /// - Parameter suspects: receives the examples of this rank's rows.
  package func scores(
    _ parameters: Vector<Scalar>, on set: EvaluationSet, normalization: Normalization, countsConfusion: Bool = false,
    suspects: inout Suspects
  ) throws -> ClassScores {
    var scores = ClassScores(classCount: classCount, countsConfusion: countsConfusion)
    try forEachExample(of: set, parameters, normalization) { rows, logits in
      try score(logits, targets(of: rows, set.labels, set.probabilities), &scores) { suspects.add($0) }
    }
    return try total(scores)
  }

  /// What rows are scored against: their labels, or their probabilities. Valid until the next call.
  func targets(
    of rows: Range<Int>, _ labels: [Int32], _ probabilities: ClassProbabilities?
  ) -> Targets<Scalar> {
    guard let probabilities else { return Targets(labels[rows]) }
    probabilities.prefetch(rows.upperBound..<min(rows.upperBound + chunk, labels.count))
    let room = targetRoom ?? Matrix(zeros: chunk, classCount)
    targetRoom = room
    let distributions = room[rows: 0..<rows.count]
    probabilities.gather(rows: rows, into: distributions)
    guard let classes else { return Targets(labels[rows], distributions: distributions) }
    let own = ownTargetRoom ?? Matrix(zeros: chunk, classes.own.count)
    ownTargetRoom = own
    return Targets(labels[rows], distributions: distributions.columns(classes.own, in: own))
  }

  /// Adds rows to the scores, and passes each example to `visit`, where ranks share out classes on the first of them.
  /// Overwrites the logits. Collective then.
  private func score(
    _ logits: Matrix<Scalar>, _ targets: Targets<Scalar>, _ scores: inout ClassScores,
    visit: (Suspects.Example) -> Void
  ) throws {
    if let classes { return try score(logits, targets, over: classes, &scores, visit: visit) }
    let labels = targets.labels
    let places = logits.places(of: labels)
    margin.assignScores(replacing: logits, targets: targets)
    for (row, place) in places.enumerated() {
      // The probability of a class other than the true one is (1 − p) q, and the row holds −q.
      let confidence =
        place.rank == 0 ? margin.probabilities[row] : -margin.complements[row] * logits[row, place.best]
      visit(add(row, of: labels, place, confidence: confidence, to: &scores))
    }
  }

  /// Adds a row of the margins to the scores.
  ///
  /// - Parameters:
  ///   - place: the number of classes that score above the true one, and the most probable class.
  ///   - confidence: the probability of that.
  func add(
    _ row: Int, of labels: ArraySlice<Int32>, _ place: (rank: Int, best: Int), confidence: Scalar,
    to scores: inout ClassScores
  ) -> Suspects.Example {
    let label = Int(labels[labels.startIndex + row])
    scores.add(
      label: label, predicted: place.best, rank: place.rank, loss: Double(margin.losses[row]),
      confidence: Double(confidence))
    return Suspects.Example(
      row: labels.startIndex + row, label: label, predicted: place.best,
      labelProbability: Double(margin.probabilities[row]), predictedProbability: Double(confidence),
      margin: Double(margin.margins[row]))
  }

  private func total(_ scores: ClassScores) throws -> ClassScores {
    var total = scores
    total.sums = try classes?.totals(scores.sums) ?? communicator.allreduce(scores.sums)
    return total
  }

  /// Calls `body` with consecutive ranges of `rows` and their logits (rows × C), which it may overwrite. Local.
  package func forEachChunk(
    of rows: Range<Int>, _ parameters: Vector<Scalar>, _ features: Features, _ normalization: Normalization,
    _ body: (Range<Int>, Matrix<Scalar>) throws -> Void
  ) rethrows {
    try forEachChunk(
      of: rows, features, logits: { forward(parameters, room.gather($0, of: features, normalization)) }, body)
  }

  private func forEachChunk(
    of rows: Range<Int>, _ features: Features, logits: (Range<Int>) throws -> Matrix<Scalar>,
    _ body: (Range<Int>, Matrix<Scalar>) throws -> Void
  ) rethrows {
    var start = rows.lowerBound
    while start < rows.upperBound {
      let part = start..<min(start + chunk, rows.upperBound)
      features.matrix?.prefetch(part.upperBound..<min(part.upperBound + chunk, rows.upperBound))
      try body(part, logits(part))
      start = part.upperBound
    }
  }
}
