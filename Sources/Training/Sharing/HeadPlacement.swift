import GaussNewton
import Networks

/// What `model.head.shard: auto` comes to for the ranks of a run, and why.
package struct HeadPlacement: Equatable, Sendable {
  package let shard: HeadShard
  /// For people; nil where there was nothing to choose.
  package var reason: String?

  /// How many times as long a step over rows must take for classes to be shared out: each rank then reads all rows.
  static let leastRatio = 1.05
  /// The fewest classes of a rank: with fewer, products are slow.
  static let fewestClasses = 32

  /// The choice for the ranks of a run.
  ///
  /// The same on all ranks: it depends on what all know of each other, and on no measurement.
  ///
  /// - Parameters:
  ///   - ranks: how many, and how many of them the fullest host has.
  ///   - fits: whether a rank has the memory that the run takes, with classes shared out or whole.
  static func choose(
    _ configuration: Configuration, _ data: TrainingData, _ network: Network, ranks: (all: Int, onHost: Int),
    fits: (_ sharesClasses: Bool) -> Bool
  ) -> HeadPlacement {
    if ranks.all == 1 { return HeadPlacement(shard: .none) }
    let asked = configuration.model.head.shard
    if asked == .groups(of: ranks.all) { return HeadPlacement(shard: .classes) }
    if asked != .auto { return HeadPlacement(shard: asked) }
    let isPossible =
      configuration.canShareClasses && network.outputCount >= fewestClasses * ranks.all
      && !data.hasProbabilities
    guard isPossible else { return HeadPlacement(shard: .none) }
    if !fits(false), fits(true) {
      return HeadPlacement(shard: .classes, reason: tooLarge)
    }
    if data.exceedsMemory, network.hasSingleLayer {
      return HeadPlacement(shard: .none, reason: "the examples do not stay in memory, and are read once so")
    }
    let (rows, classes) = (
      configuration.seconds(.rows, data, network, ranks), configuration.seconds(.classes, data, network, ranks)
    )
    let times = "\((1000 * rows).short) ms over rows, \((1000 * classes).short) ms over classes"
    return HeadPlacement(
      shard: rows >= leastRatio * classes ? .classes : .none, reason: "a step is expected to take \(times)")
  }
}

extension HeadPlacement {
  private static let tooLarge = "whole, it does not fit into memory"

  /// The choice for ranks that run a model: as they are asked to; else classes where the model's run was asked to share them
  /// out, or where a rank has no memory for all.
  ///
  /// - Parameters:
  ///   - configuration: the one of the model.
  ///   - fits: whether a rank has the memory for a whole model; the same on all ranks.
  static func choose(
    _ asked: HeadShard, for configuration: Configuration, ranks: Int, fits: () throws -> Bool
  ) rethrows -> HeadPlacement {
    if ranks == 1 { return HeadPlacement(shard: .none) }
    if asked != .auto { return HeadPlacement(shard: asked) }
    if configuration.sharesClasses { return HeadPlacement(shard: .classes) }
    return try fits() ? HeadPlacement(shard: .none) : HeadPlacement(shard: .classes, reason: tooLarge)
  }
}

extension Configuration {
  /// Iterations of conjugate gradient that steps take as a rule.
  private static let iterations = 3.0

  /// The expected seconds of a step whose ranks share out rows or classes.
  fileprivate func seconds(
    _ placement: PredictedStep.Placement, _ data: TrainingData, _ network: Network, _ ranks: (all: Int, onHost: Int)
  ) -> Double {
    let iterations = Self.iterations
    var step = PredictedStep(
      network, batchSize: sampler(of: data.train).batchSize, method: .firstOrder, placement: placement,
      ranks: ranks.all)
    step.predictsAnchor = (optimizer.momentum != 0 || optimizer.weightDecay != 0) && !optimizer.nesterov
    step.valuesPerRow = data.train.features.valuesPerRow
    step.width = training.precision == .float32 ? 4 : 8
    let cluster = Cluster.assumed(ranksPerHost: ranks.onHost)
    switch (optimizer.method, optimizer.solver.kind) {
    case (.fgn, .auto), (.fgn, .measured): return step.fastest(on: cluster, iterations: iterations).prediction.total
    case (.fgn, .gram): step.method = .gram
    case (.fgn, .gramCG): step.method = .gramCG(iterations: iterations)
    case (.fgn, .cg): step.method = .matrixFree(iterations: iterations)
    case (.ggn, _): step.method = .generalized(iterations: iterations)
    case (.sgd, _), (.adam, _): step.method = .firstOrder
    }
    return step.prediction(on: cluster).total
  }
}

extension HeadPlacement {
  /// Whether people are told of it.
  package var isNoteworthy: Bool { reason != nil || shard.sharesClasses }
}

extension HeadPlacement: CustomStringConvertible {
  private var text: String {
    switch shard {
    case .classes: "classes are shared out over the ranks"
    case .groups(let size): "classes are shared out in groups of \(size) ranks, and rows among the groups"
    case .auto, .none: "whole on each rank"
    }
  }

  package var description: String {
    text + (reason.map { " (\($0))" } ?? "")
  }
}
