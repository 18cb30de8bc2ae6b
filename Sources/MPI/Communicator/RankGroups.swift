/// The ranks of a communicator as groups of equally many consecutive ranks, which work side by side.
package final class RankGroups {
  package let count: Int
  /// The number of this rank's group, from zero, and the ranks of the group.
  package let number: Int
  package let own: Communicator
  private let all: Communicator

  /// Collective.
  ///
  /// - Precondition: `count` divides the number of ranks.
  package init(_ count: Int, of communicator: Communicator) throws(MPIError) {
    precondition(count > 0 && communicator.size % count == 0, "groups are equally large")
    self.count = count
    all = communicator
    number = communicator.rank / (communicator.size / count)
    own = try communicator.split(color: number, key: communicator.rank)
  }

  /// The largest number of groups of `ranks` ranks that is at most `limit`.
  package static func largestCount(upTo limit: Int, of ranks: Int) -> Int {
    (1...max(1, min(limit, ranks))).last { ranks % $0 == 0 }!
  }

  /// What the groups have come to.
  package struct Outcomes {
    /// The bytes of the first rank of each group; nil for a group that has failed.
    package let values: [[UInt8]?]
    /// The failure of the first group that has failed.
    package let failure: CollectiveFailure?
  }

  /// Lets each group work on its own, and returns on all ranks what all groups have come to. Collective.
  ///
  /// An error of the communicator, or one that not all ranks of a group have in common, is thrown at once, and must end the job.
  ///
  /// - Parameters:
  ///   - asksToStop: whether this process is asked to end its work early. All groups stop if one rank is, or if a group fails.
  ///   - body: is collective within the group, and throws the same `CollectiveFailure` or `Disagreement` on all of its ranks.
  ///     It calls `shouldStop`, which is local and does not wait, as often as it can stop.
  package func workSideBySide(
    asksToStop: @escaping () -> Bool, _ body: (_ shouldStop: @escaping () throws -> Bool) throws -> [UInt8]
  ) throws -> Outcomes {
    let rounds = try StopRounds(over: all)
    var value: [UInt8] = []
    var failure: CollectiveFailure?
    do {
      value = try body { try rounds.shouldStop(asks: asksToStop()) }
    } catch let error as CollectiveFailure {
      failure = error
    } catch let error as Disagreement {
      failure = CollectiveFailure(
        origin: CollectiveFailure.Origin(rank: error.rank, hostname: error.hostname),
        message: "\(error.subject) is not what the other ranks of its group have", exitCode: error.exitCode)
    }
    try rounds.finish { failure != nil || asksToStop() }

    let values = try all.allgatherBytes(own.isRoot ? value : [])
    // The exit code and the rank that failed; no code without a failure, and no rank where all of the group failed alike.
    let none = Int.min
    let rank = failure?.origin.map { $0.rank + number * own.size }
    let facts = try all.allgather([failure.map { Int($0.exitCode) } ?? none, rank ?? none])
    let failing = (0..<all.size).first { facts[2 * $0] != none }
    return Outcomes(
      values: (0..<count).map { group in
        let first = group * own.size
        return facts[2 * first] == none ? values[first] : nil
      },
      failure: try failing.map { first in
        let rank = facts[2 * first + 1]
        return CollectiveFailure(
          origin: rank == none
            ? nil : CollectiveFailure.Origin(rank: rank, hostname: try all.broadcast(own.hostname, root: rank)),
          message: try all.broadcast(failure?.message ?? "", root: first), exitCode: Int32(facts[2 * first]))
      })
  }
}
