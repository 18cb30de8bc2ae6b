import GaussNewton
import TestSupport
import Testing

@testable import Training

@Suite(.serialized) struct RankTimesTests {
  /// Ranks with these seconds of forward pass and communication.
  static func times(_ parts: [(forward: Double, communication: Double)], steps: Int = 10) -> RankTimes {
    RankTimes(
      ranks: parts.enumerated().map { rank, part in
        RankTimes.Rank(
          host: "node\(rank)",
          seconds: Phases.Phase.allCases.map {
            $0 == .forward ? part.forward : $0 == .communication ? part.communication : 0
          })
      }, steps: steps)
  }

  @Test func imbalanceIsTheSlowestWorkOverTheMean() {
    let times = Self.times([(2, 6), (6, 2), (4, 4)])
    #expect(times.imbalance == 1.5 && times.slowest == 1)
    #expect(times.communicationShare == 0.5 && times.total == 8)
    #expect(times.waiting == 2, "4 of communication on average, 2 on the rank that nobody kept waiting")
    #expect(Self.times([(0, 0), (0, 0)]).imbalance == 1)
    #expect(Self.times([(3, 0)]).waiting == 0)
  }

  @Test func timesAddUpRankByRank() {
    let sum = Self.times([(1, 2), (3, 4)]) + Self.times([(5, 6), (7, 8)], steps: 3)
    #expect(sum == Self.times([(6, 8), (10, 12)], steps: 13))
  }

  @Test func theClockGathersWhatEachRankDidSinceTheLastTime() throws {
    let communicator = World.communicator
    let clock = try RankClock(over: communicator)
    #expect(try clock.gather() == nil, "no step yet")
    let phases = Phases()
    phases.measure(.solve) { sleep(0.02) }
    clock.add(phases)
    clock.add(phases)
    for round in 0..<2 {
      let times = try clock.gather()
      #expect((times == nil) == (round == 1 || communicator.rank != 0))
      guard let times else { continue }
      #expect(times.steps == 2 && times.ranks.count == communicator.size)
      #expect(times.ranks.allSatisfy { $0.host == communicator.hostname && $0.compute >= 0.04 })
    }
    #expect((clock.summary == nil) == (communicator.size == 1 || communicator.rank != 0))
  }

  private func sleep(_ seconds: Double) {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {}
  }
}
