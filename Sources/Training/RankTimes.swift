import GaussNewton
import MPI

/// What the ranks did with the time of some steps, by phase, and how evenly.
package struct RankTimes: Equatable, Sendable {
  package struct Rank: Equatable, Sendable {
    package var host: String
    /// Seconds of each phase, in the order of `Phases.Phase.allCases`.
    package var seconds: [Double]

    package init(host: String, seconds: [Double]) {
      self.host = host
      self.seconds = seconds
    }

    /// Seconds in which the rank talked to the others or waited for them.
    package var communication: Double { seconds[RankTimes.communicationIndex] }

    /// Seconds of all other work.
    package var compute: Double { total - communication }
    package var total: Double { seconds.reduce(0, +) }
  }

  package var ranks: [Rank]
  package var steps: Int

  package init(ranks: [Rank], steps: Int) {
    self.ranks = ranks
    self.steps = steps
  }

  /// The work of the slowest rank over the mean; 1 where there was none.
  package var imbalance: Double {
    let mean = ranks.map(\.compute).mean
    return mean > 0 ? ranks[slowest].compute / mean : 1
  }

  /// The rank with the most work, by time.
  package var slowest: Int { ranks.indices.max { ranks[$0].compute < ranks[$1].compute }! }

  /// The share of communication in the time of all ranks, from 0 to 1.
  package var communicationShare: Double {
    let total = ranks.map(\.total).mean
    return total > 0 ? ranks.map(\.communication).mean / total : 0
  }

  /// Seconds that a rank waited for the slowest, on average: its communication beyond that of the rank with the least,
  /// which is the one that the others wait for.
  package var waiting: Double {
    let communication = ranks.map(\.communication)
    return communication.mean - communication.min()!
  }

  fileprivate static let communicationIndex = Phases.Phase.allCases.firstIndex(of: .communication)!
}

extension [Double] {
  fileprivate var mean: Double { reduce(0, +) / Double(count) }
}

/// One rank's clock: what it does by phase, since the last gathering.
final class RankClock {
  private let communicator: Communicator
  /// Of all ranks, on rank 0.
  private let hosts: [String]?
  private var seconds = [Double](repeating: 0, count: Phases.Phase.allCases.count)
  private var steps = 0
  /// Since the start: seconds that a rank waited on average, those of a rank's steps, and each rank's work. On rank 0.
  private(set) var waited = 0.0
  private(set) var total = 0.0
  private(set) var work: [Double] = []

  /// Collective.
  init(over communicator: Communicator) throws {
    self.communicator = communicator
    hosts = try communicator.gatherStrings(communicator.hostname)
    work = Array(repeating: 0, count: hosts?.count ?? 0)
  }

  /// Takes in the times of a step.
  func add(_ phases: Phases) {
    for (index, part) in phases.summary.enumerated() { seconds[index] += part.seconds }
    steps += 1
  }

  /// The times of all ranks since the last call on rank 0, nil elsewhere and where there was no step. One gather of nine
  /// numbers a rank. Collective.
  func gather() throws -> RankTimes? {
    if steps == 0 { return nil }
    let all = try communicator.gather(seconds)
    let (count, steps) = (seconds.count, steps)
    seconds = Array(repeating: 0, count: count)
    self.steps = 0
    guard let all, let hosts else { return nil }
    let times = RankTimes(
      ranks: hosts.enumerated().map { rank, host in
        RankTimes.Rank(host: host, seconds: Array(all[rank * count..<(rank + 1) * count]))
      }, steps: steps)
    waited += times.waiting
    total += times.ranks.reduce(0) { $0 + $1.total } / Double(hosts.count)
    for rank in hosts.indices { work[rank] += times.ranks[rank].compute }
    return times
  }

  /// How long ranks waited in all, for a person; nil where there is nobody to wait for.
  var summary: String? {
    guard let hosts, hosts.count > 1, total > 0 else { return nil }
    let slowest = hosts.indices.max { work[$0] < work[$1] }!
    let mean = work.reduce(0, +) / Double(work.count)
    return "a rank waited \(waited.short) s of \(total.short) s (\((waited / total).percent)) for slower ones; "
      + "rank \(slowest) on \(hosts[slowest]) had the most work, \((work[slowest] / mean).short) times the mean"
  }
}
