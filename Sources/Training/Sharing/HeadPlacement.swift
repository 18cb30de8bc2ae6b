import GaussNewton
import Networks

/// What `model.head.shard: auto` comes to for the ranks of a run, and why.
package struct HeadPlacement: Equatable, Sendable {
  package let shard: HeadShard
  /// For people; nil where there was nothing to choose.
  package var reason: String?

  /// How many times as much ranks must exchange over rows for classes to be shared out: each rank then reads all rows, and
  /// works on narrower matrices.
  static let leastRatio = 4.0
  /// The fewest classes of a rank: with fewer, products are slow.
  static let fewestClasses = 32

  /// The choice for the ranks of a run.
  ///
  /// - Parameter fits: whether a rank has the memory that the run takes, with classes shared out or whole.
  static func choose(
    _ configuration: Configuration, _ data: TrainingData, _ network: Network, ranks: Int,
    fits: (_ sharesClasses: Bool) -> Bool
  ) -> HeadPlacement {
    if ranks == 1 { return HeadPlacement(shard: .none) }
    let asked = configuration.model.head.shard
    if asked != .auto { return HeadPlacement(shard: asked) }
    let isPossible =
      configuration.canShareClasses && network.outputCount >= fewestClasses * ranks
      && !data.hasProbabilities
    guard isPossible else { return HeadPlacement(shard: .none) }
    if !fits(false), fits(true) {
      return HeadPlacement(shard: .classes, reason: "whole, it does not fit into memory")
    }
    if data.exceedsMemory, network.hasSingleLayer {
      return HeadPlacement(shard: .none, reason: "the examples do not stay in memory, and are read once so")
    }
    let options = configuration.optimizer
    let batchSize = configuration.sampler(of: data.train).batchSize
    let traffic = HeadTraffic(
      network, batchSize: batchSize, valuesPerRow: data.train.features.valuesPerRow,
      width: configuration.training.precision == .float32 ? 4 : 8,
      formsMatrix: options.method == .fgn && options.solver.kind != .cg
        && SolverPlan.isCandidate(batchSize: batchSize, network))
    return HeadPlacement(
      shard: traffic.rows >= leastRatio * traffic.classes ? .classes : .none,
      reason: "a step sends \(Int(traffic.rows).megabytes) over rows, \(Int(traffic.classes).megabytes) over classes")
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
    text
      + (reason.map { " (\($0))" } ?? "")
  }
}
