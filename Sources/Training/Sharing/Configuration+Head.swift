import GaussNewton
import MPI
import Networks

extension Configuration {
  /// What ranks share out of the head, once it is chosen.
  var headShard: HeadShard { model.head.chosen ?? model.head.shard }

  /// Whether ranks share out the classes of the head.
  var sharesClasses: Bool { headShard.sharesClasses }

  /// Whether ranks can share out the classes of the head.
  var canShareClasses: Bool {
    var shared = self
    shared.model.head.shard = .classes
    return (try? shared.validate(source: "")) != nil
  }

  /// What this rank holds of a network: a single one has all classes. Collective.
  func share(of network: Network, over communicator: Communicator) throws -> ParameterShare {
    let size = headShard.groupSize(of: communicator.size)
    if size == 1 { return ParameterShare(network) }
    return ParameterShare(
      network, classes: try ClassShards(network.outputCount, inGroupsOf: size, over: communicator))
  }

  /// Whether several groups of ranks share out classes.
  package var sharesClassesInGroups: Bool { if case .groups = model.head.shard { true } else { false } }

  /// Requires that groups of ranks that share out classes are equally large.
  package func checkGroups(of ranks: Int) throws(ConfigurationError) {
    guard case .groups(let size) = model.head.shard, ranks > 1, ranks % size != 0 else { return }
    throw ConfigurationError(
      key: "model.head.shard",
      "groups of \(size) ranks are not possible with \(ranks); start a multiple of \(size) ranks, or set another number"
    )
  }

  /// Requires what heads whose classes are shared out go with.
  func validateHead(
    _ require: (_ condition: Bool, _ key: String, _ value: any CustomStringConvertible, _ allowed: String) throws ->
      Void
  ) throws {
    guard sharesClasses else { return }
    let because = "with model.head.shard \(headShard)"
    let kind = optimizer.metric.kind
    try require(
      optimizer.method != .fgn || !kind.hasMatrices, "optimizer.metric.kind", kind.rawValue,
      "identity, outputs or diagonal \(because), for the others take matrices of all classes or inputs")
    try require(
      optimizer.method != .fgn || optimizer.solver.kind != .measured, "optimizer.solver.kind",
      optimizer.solver.kind.rawValue, "auto, cg, gram or gram-cg \(because)")
    try require(
      !training.reproducible, "training.reproducible", true,
      "false \(because), for the sums over classes depend on the number of ranks")
    try require(
      training.until == .steps, "training.until", training.until.rawValue,
      "steps \(because), for those on all rows take all classes")
  }
}
