import GaussNewton
import MPI
import Networks

/// What a run begins with, before its first write: the checkpoint that it goes on from, and what follows from it for the
/// configuration, the data and the network, whose memory has been checked.
package struct RunPreparation {
  /// The state to go on from; nil for a run from the start.
  package let state: RunState?
  package let configuration: Configuration
  package let data: TrainingData
  package let network: Network
  /// What ranks share out of the head.
  package let head: HeadPlacement
  package let memory: MemoryEstimate

  /// Collective.
  ///
  /// - Parameters:
  ///   - checkpoint: the path of a checkpoint, the same on all ranks; empty for a run from the start.
  ///   - share: the memory that a rank can have; nil where the ranks of the run have their hosts to themselves.
  package init<Scalar: DistributedScalar>(
    _ configuration: Configuration, _ data: TrainingData, resuming checkpoint: String, _: Scalar.Type,
    share: HostMemory.Share? = nil, over communicator: Communicator
  ) throws {
    let asked = configuration
    try communicator.collectively { try asked.checkGroups(of: communicator.size) }
    // Which numbers a rank needs follows from what the checkpoint says, where it may not need all.
    let isSharable = communicator.size > 1 && asked.model.head.shard != .none && asked.canShareClasses
    var state = try communicator.collectively {
      try checkpoint.isEmpty
        ? nil
        : RunState(CheckpointFiles.load(checkpoint) { _, _ in isSharable ? .nothing : nil }, for: asked)
    }
    var (configuration, data) = (state?.configuration ?? configuration, data)
    try communicator.collectively { try state?.check(data) }
    if let state, configuration.data.$normalize.isAutomatic, state.normalization != data.normalization {
      data.normalization = state.normalization
      configuration = try communicator.collectively {
        try configuration.resolved(for: data.facts, goingOnFrom: state.saved)
      }
    }
    let network = try communicator.collectively {
      try configuration.network(for: data, axes: state?.axes(of: data.train))
    }
    let share = try share ?? HostMemory.share(resident: data.residentSize, over: communicator)
    let ranks = communicator.size
    func estimate(_ head: HeadShard) -> MemoryEstimate {
      var configuration = configuration
      configuration.model.head.chosen = head
      return Trainer<Scalar>.memory(of: configuration, data, network, ranks: ranks)
    }
    func fits(_ sharesClasses: Bool) -> Bool {
      (try? estimate(sharesClasses ? .classes : .none).check(share)) != nil
    }
    head = HeadPlacement.choose(
      configuration, data, network, ranks: (ranks, try communicator.fullestHost()), fits: fits)
    let isForbidden = configuration.model.head.shard == .none && ranks > 1 && configuration.canShareClasses
    let alternative = isForbidden && fits(true) ? "set model.head.shard to auto" : nil
    configuration.model.head.chosen = head.shard
    memory = estimate(head.shard)
    try communicator.collectively { [memory] in try memory.check(share, alternative: alternative) }
    if state != nil, isSharable || head.shard.sharesClasses {
      let own = try configuration.share(of: network, over: communicator)
      state = try communicator.collectively {
        try RunState(CheckpointFiles.load(checkpoint) { own.part(of: $0, $1) }, for: asked)
      }
    }
    (self.state, self.configuration, self.data, self.network) = (state, configuration, data, network)
  }
}
