import GaussNewton
import TestSupport
import Testing

@testable import Training

@Suite(.serialized) struct RankTimesCollectiveTests {
  @Test func `Imbalance is the slowest work over the mean`() {
    let times = RankTimes.sample([(2, 6), (6, 2), (4, 4)])
    #expect(times.imbalance == 1.5 && times.slowest == 1)
    #expect(times.communicationShare == 0.5 && times.total == 8)
    #expect(times.waiting == 2, "4 of communication on average, 2 on the rank that nobody kept waiting")
    #expect(RankTimes.sample([(0, 0), (0, 0)]).imbalance == 1)
    #expect(RankTimes.sample([(3, 0)]).waiting == 0)
  }

  @Test func `Times add up rank by rank`() {
    let sum = RankTimes.sample([(1, 2), (3, 4)]) + RankTimes.sample([(5, 6), (7, 8)], steps: 3)
    #expect(sum == RankTimes.sample([(6, 8), (10, 12)], steps: 13))
  }

  @Test func `The clock gathers what each rank did since the last time`() throws {
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
