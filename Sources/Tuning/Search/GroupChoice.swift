import GaussNewton
import MPI
import Training

/// How many settings a search trains at the same time.
package struct GroupChoice: Equatable, Sendable {
  /// The number of groups of ranks: a divisor of the number of ranks.
  package let count: Int
  /// Why there is one group only; nil where there are more, and where there is no choice.
  package let reason: String?

  /// As many groups as `asked`, or as a rule says: groups are faster wherever a setting fits into a rank, since ranks that train
  /// one setting together wait for each other in each step. Collective; the same on all ranks.
  ///
  /// - Throws: exit code 64 for a number that is impossible here.
  package init(
    _ asked: Int?, for space: SearchSpace, _ data: TrainingData, over communicator: Communicator
  ) throws {
    let ranks = communicator.size
    if let asked, ranks % max(1, asked) != 0 {
      let divisors = (1...ranks).filter { ranks % $0 == 0 }.map(String.init).joined(separator: ", ")
      throw CollectiveFailure(
        ConfigurationError(
          source: "--groups \(asked)",
          ranks == 1
            ? "needs as many ranks; start them with mpirun -np \(asked)"
            : "does not divide the \(ranks) ranks; give one of \(divisors), or start another number of ranks"))
    }
    let configurations = space.settings.map(\.configuration)
    try communicator.collectively { for configuration in configurations { try configuration.checkGroups(of: ranks) } }
    if ranks > 1, configurations.contains(where: \.sharesClassesInGroups) {
      let why = "the groups of model.head.shard are of all ranks"
      if let asked, asked > 1 {
        throw CollectiveFailure(
          ConfigurationError(source: "--groups \(asked)", "is not possible, since \(why); leave it out, or give 1"))
      }
      (count, reason) = (1, why)
      return
    }
    if asked == 1 || ranks == 1 || space.isPath {
      (count, reason) = (
        1, asked == nil && space.isPath && ranks > 1 ? "--path trains settings one after the other" : nil
      )
      return
    }
    let share = try HostMemory.share(resident: data.residentSize, over: communicator)
    if let asked {
      try communicator.collectively { try Self.check(space, data, share, ranks: ranks / asked, asked) }
      (count, reason) = (asked, nil)
      return
    }
    if try communicator.spansHosts() {
      (count, reason) = (1, "the ranks are on several hosts")
    } else if data.exceedsMemory {
      (count, reason) = (1, "the examples do not stay in memory")
    } else {
      // The estimate depends on nothing that differs between the ranks of a host.
      let fitting = (1...ranks).last { groups in
        ranks % groups == 0 && (try? Self.check(space, data, share, ranks: ranks / groups, groups)) != nil
      }
      count = try communicator.allreduce(fitting ?? 1, .min)
      reason = count > 1 ? nil : "there is no memory for more"
    }
  }

  /// Throws exit code 64 if a host has no memory for runs of all settings on so many ranks each.
  private static func check(
    _ space: SearchSpace, _ data: TrainingData, _ share: HostMemory.Share, ranks: Int, _ groups: Int
  ) throws(ConfigurationError) {
    for configuration in space.settings.map(\.configuration) {
      let network = try configuration.network(for: data)
      let memory =
        switch configuration.training.precision {
        case .float32: Trainer<Float>.memory(of: configuration, data, network, ranks: ranks)
        case .float64: Trainer<Double>.memory(of: configuration, data, network, ranks: ranks)
        }
      do { try memory.check(share) } catch {
        throw ConfigurationError(source: "--groups \(groups)", "\(error); or give fewer groups")
      }
    }
  }
}
