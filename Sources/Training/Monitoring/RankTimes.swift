import Foundation
import GaussNewton
import LinearAlgebra
import MPI

/// The time that ranks spent on some steps, by phase, and its balance between them.
package struct RankTimes: Equatable, Sendable {
  package struct Rank: Equatable, Sendable {
    package var host: String
    /// Seconds of each phase, in the order of `Phases.Phase.allCases`.
    package var seconds: [Double]

    package init(host: String, seconds: [Double]) {
      self.host = host
      self.seconds = seconds
    }

    /// Seconds of communication, waiting included.
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

  /// The work of the slowest rank divided by the mean; 1 where there was none.
  package var imbalance: Double {
    let mean = ranks.map(\.compute).mean
    return mean > 0 ? ranks[slowest].compute / mean : 1
  }

  /// Seconds of a rank, on average.
  package var total: Double { ranks.map(\.total).mean }

  /// The sum of two consecutive times.
  package static func + (one: RankTimes, other: RankTimes) -> RankTimes {
    RankTimes(
      ranks: zip(one.ranks, other.ranks).map { Rank(host: $0.host, seconds: zip($0.seconds, $1.seconds).map(+)) },
      steps: one.steps + other.steps)
  }

  /// The rank with the most work, by time.
  package var slowest: Int { ranks.indices.max { ranks[$0].compute < ranks[$1].compute }! }

  /// The share of communication in the time of all ranks, from 0 to 1.
  package var communicationShare: Double {
    total > 0 ? ranks.map(\.communication).mean / total : 0
  }

  /// Seconds that a rank waited for the slowest, on average: its communication beyond that of the rank with the least,
  /// for which the others wait.
  package var waiting: Double {
    let communication = ranks.map(\.communication)
    return communication.mean - communication.min()!
  }

  fileprivate static let communicationIndex = Phases.Phase.allCases.firstIndex(of: .communication)!
}

/// One rank's clock: seconds by phase since the last gathering.
final class RankClock {
  private let communicator: Communicator
  /// The hosts of all ranks, on rank 0.
  private let hosts: [String]?
  private var seconds = [Double](repeating: 0, count: Phases.Phase.allCases.count)
  private var steps = 0
  /// The sums since the start, on rank 0: the times, and the seconds that a rank waited on average.
  private var sum: RankTimes?
  private var waited = 0.0

  /// Collective.
  init(over communicator: Communicator) throws {
    self.communicator = communicator
    hosts = try communicator.gatherStrings(communicator.hostname)
  }

  /// Adds the times of a step.
  func add(_ phases: Phases) {
    for (index, part) in phases.summary.enumerated() { seconds[index] += part.seconds }
    steps += 1
  }

  /// The times of all ranks since the last call, on rank 0; nil elsewhere, and without a step. One gather of nine
  /// numbers per rank. Collective.
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
    sum = sum.map { $0 + times } ?? times
    return times
  }

  /// The total waiting time of ranks, for the user; nil where there is nobody to wait for.
  var summary: String? {
    guard let sum, sum.ranks.count > 1, sum.total > 0 else { return nil }
    func part(_ seconds: Double) -> String { "\(seconds.short) s (\(Int((100 * seconds / sum.total).rounded())) %)" }
    let communication = sum.communicationShare * sum.total
    return "of \(sum.total.short) s in steps a rank spent \(part(communication)) in communication, at least "
      + "\(part(waited)) waiting for slower ones; rank \(sum.slowest) on \(sum.ranks[sum.slowest].host) worked longest, "
      + "\(sum.imbalance.factor) times the mean"
  }
}

extension Double {
  /// The number with two decimals, for the user.
  var factor: String { String(format: "%.2f", self) }
}
