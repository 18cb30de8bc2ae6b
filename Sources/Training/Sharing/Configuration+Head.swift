import GaussNewton
import MPI
import Networks

extension Configuration {
  /// Whether ranks share out the classes of the head.
  var sharesClasses: Bool { (model.head.chosen ?? model.head.shard) == .classes }

  /// Whether ranks can share out the classes of the head.
  var canShareClasses: Bool {
    var shared = self
    shared.model.head.shard = .classes
    return (try? shared.validate(source: "")) != nil
  }

  /// What this rank holds of a network: a single one has all classes.
  func share(of network: Network, over communicator: Communicator) -> ParameterShare {
    ParameterShare(
      network,
      classes: sharesClasses && communicator.size > 1 ? ClassShards(network.outputCount, over: communicator) : nil)
  }

  /// Requires what heads whose classes are shared out go with.
  func validateHead(
    _ require: (_ condition: Bool, _ key: String, _ value: any CustomStringConvertible, _ allowed: String) throws ->
      Void
  ) throws {
    guard sharesClasses else { return }
    let because = "with model.head.shard classes"
    let kind = optimizer.metric.kind
    try require(
      optimizer.method != .fgn || model.layers.isEmpty || kind == .identity, "optimizer.metric.kind", kind.rawValue,
      "identity \(because) and hidden layers, of which ranks have different rows")
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
