import Testing
import Training

@testable import Tuning

@Suite struct ScheduleTests {
  private func space(_ over: [String]) throws -> SearchSpace {
    try SearchSpace([over.map { try SearchAxis($0) }]) { tried in
      try Configuration.parse("{}", source: "test", tried: tried).resolved()
    }
  }

  private func promoted(
    _ numbers: [Int], _ space: SearchSpace, count: Int, to next: Schedule.Stage = .sorting, diverged: [Int] = []
  ) -> [Int] {
    space.promoted(numbers.map { space.settings[$0 - 1] }, count: count, to: next) {
      diverged.contains($0.number)
    }.map(\.number)
  }

  @Test func `Halving trains three times as many steps in each rung, and leaves two settings at least`() {
    let schedule = Schedule(rungs: 3)
    #expect((1...3).map { schedule.steps(rung: $0, of: 900, isWarm: false) } == [100, 300, 900])
    #expect([12, 4, 2, 1].map { schedule.survivors(of: $0, rung: 1) } == [4, 2, 2, 1])
    #expect([1, 3, 4, 8, 9].map(Schedule.rungs) == [1, 1, 2, 2, 3])
    #expect(Schedule(rungs: 1).steps(rung: 1, of: 700, isWarm: true) == 100)
    #expect(schedule.steps(rung: 1, of: 2, isWarm: false) == 1)
  }

  @Test func `Behind the last rung the best settings train for three times as long again and again`() {
    let schedule = Schedule(rungs: 2, extensions: 2)
    #expect((1...4).map { schedule.steps(rung: $0, of: 10, isWarm: false) } == [4, 10, 30, 90])
    #expect((1...3).map { schedule.survivors(of: 9, rung: $0) } == [3, 2, 2])
    #expect(
      (1...4).map(schedule.title) == [
        "rung 1 of 2", "rung 2 of 2", "rung 3, 3 times as long", "rung 4, 3 times as long",
      ])
    #expect(Schedule(rungs: 1).title(of: 1) == nil)
  }

  @Test func `More steps are worth a try where gains that fall to a third lead below the best of all`() {
    #expect(Schedule.isWorthMore(1, 0.9, best: 0.9))
    #expect(!Schedule.isWorthMore(1, 0.97, best: 0.97))
    #expect(!Schedule.isWorthMore(0.8, 0.9, best: 0.8))
    // 0.3 and then 0.1.
    #expect(Schedule.isWorthMore(1, 0.7, best: 0.63))
    #expect(!Schedule.isWorthMore(1, 0.7, best: 0.6))
    // 0.3 and 0.1, and then a third of that.
    #expect(Schedule.isWorthMore(1, 0.6, rungs: 2, best: 0.59))
    #expect(!Schedule.isWorthMore(1, 0.6, rungs: 2, best: 0.57))
  }

  @Test func `Of settings that differ by weight decay alone one goes on before a second one does`() throws {
    // 1, 2: momentum 0; 3, 4: momentum 0.9.
    let space = try space(["optimizer.momentum=0,0.9", "optimizer.weight_decay=1e-4,0"])
    #expect(promoted([1, 2, 4, 3], space, count: 2) == [1, 4])
    #expect(promoted([1, 2, 4, 3], space, count: 3) == [1, 2, 4])
    #expect(promoted([2], space, count: 2) == [2])
  }

  @Test func `The best settings of two kinds take the ones with the next smaller learning rate along`() throws {
    // 1, 2, 3: fgn with 0.1, 1, 0.3; 4, 5, 6: adam with them.
    let space = try space(["optimizer.method=fgn,adam", "optimizer.learning_rate=0.1,1,0.3"])
    #expect(promoted([2, 1, 3, 5, 4, 6], space, count: 1) == [2, 3])
    #expect(promoted([2, 5, 1, 3, 4, 6], space, count: 2) == [2, 3, 5, 6])
    // The slowest one has none, and what has diverged stays out.
    #expect(promoted([1, 2, 3], space, count: 1) == [1])
    #expect(promoted([2, 1], space, count: 1, diverged: [3]) == [2])
    // Of slower ones the weight decay that does best: 1, 2: rate 1 with 1e-4 and 0; 3, 4: rate 0.3.
    let decays = try self.space(["optimizer.learning_rate=1,0.3", "optimizer.weight_decay=1e-4,0"])
    #expect(promoted([1, 4, 3, 2], decays, count: 1) == [1, 4])
    #expect(promoted([1, 2], decays, count: 1) == [1, 3])
  }

  @Test func `To the last rung the best setting takes the weaker and the stronger weight decay along`() throws {
    // 1 to 4: momentum 0 with the weight decays; 5 to 8: momentum 0.9.
    let space = try space(["optimizer.momentum=0,0.9", "optimizer.weight_decay=1e-3,1e-4,1e-5,0"])
    #expect(promoted([6, 1, 2, 3], space, count: 2, to: .last) == [1, 5, 6, 7])
    #expect(promoted([6, 1, 2, 3], space, count: 2) == [1, 6])
    #expect(promoted([8], space, count: 1, to: .last) == [7, 8])
    #expect(promoted([8], space, count: 1, to: .last, diverged: [7]) == [8])
  }

  /// Losses by setting and rung, at steps that triple from rung to rung; negative ones are of models of the first half.
  private func worthMore(_ losses: [Int: [Double]], in space: SearchSpace, rung: Int) -> [Int] {
    var record = SearchRecord(
      SearchRecord.Request(configuration: "", grids: space.grids, isPath: false, rungs: 2, data: ""))
    for (setting, losses) in losses {
      for (index, loss) in losses.enumerated() {
        let steps = [100, 300, 900][index]
        record.add(
          TrialResult(
            trial: Trial(setting: setting, rung: index + 1), steps: steps,
            bestStep: loss.isInfinite ? nil : loss < 0 ? steps / 2 : steps,
            stepsInAll: steps, loss: abs(loss), lossError: 0, accuracy: 0, balancedAccuracy: 0, seconds: 0))
      }
    }
    return space.worthMore(space.settings, rung: rung, record, by: .loss).map(\.number)
  }

  @Test func `Longer runs are for settings that still gain, and of a kind that is not far behind`() throws {
    // 1, 2: fgn with rates 1, 0.3; 3, 4: adam.
    let space = try space(["optimizer.method=fgn,adam", "optimizer.learning_rate=1,0.3"])
    #expect(worthMore([1: [1, 0.7], 3: [1, 0.72]], in: space, rung: 2) == [1, 3])
    // Best at half of its steps; a kind that is 3 % behind.
    #expect(worthMore([1: [1, -0.7], 3: [1, 0.72]], in: space, rung: 2) == [3])
    #expect(worthMore([1: [1, 0.7], 3: [1, 0.73]], in: space, rung: 2) == [1])
    // One of its kind is not.
    #expect(worthMore([1: [1, 0.7], 3: [-0.72], 4: [1, 0.73]], in: space, rung: 2) == [1, 4])
    // An optimum, 3, does not count.
    let optimum = try self.space(["training.until=steps,optimum", "optimizer.learning_rate=1,0.3"])
    #expect(worthMore([1: [1, 0.7], 3: [0.67]], in: optimum, rung: 2) == [1])
    // What a later rung has come to is not known yet.
    #expect(worthMore([1: [1, 0.7, 0.2], 3: [1, 0.72]], in: space, rung: 2) == [1, 3])
  }

  @Test func `A third of the rate promises no more than the rate itself has come to in a third of the steps`() throws {
    let space = try space(["optimizer.learning_rate=1,0.3,0.2"])
    #expect(worthMore([1: [1, -0.7], 2: [2, 0.71]], in: space, rung: 2) == [2])
    #expect(worthMore([1: [1, -0.72], 2: [2, 0.71]], in: space, rung: 2).isEmpty)
    #expect(worthMore([1: [0.72, .infinity], 2: [2, 0.71]], in: space, rung: 2) == [2])
    // Where the faster one is not in the rung, or not three times as fast, it says nothing.
    #expect(worthMore([1: [0.72], 2: [2, 0.71]], in: space, rung: 2) == [2])
    #expect(worthMore([2: [1, -0.72], 3: [2, 0.71]], in: space, rung: 2) == [3])
  }

  @Test func `To a longer rung the best of each kind goes, with less rate and more weight decay`() throws {
    // 1 to 4: fgn with rate 1, then 0.3, each with 1e-4 and 0; 5 to 8: adam with them.
    let space = try space([
      "optimizer.method=fgn,adam", "optimizer.learning_rate=1,0.3", "optimizer.weight_decay=1e-4,0",
    ])
    #expect(promoted([6, 8, 2], space, count: 2, to: .longer) == [2, 5, 6, 8])
    #expect(promoted([6, 8], space, count: 2, to: .longer) == [5, 6, 8])
    #expect(promoted([6, 8], space, count: 2, to: .longer, diverged: [5]) == [6, 8])
    #expect(promoted([7], space, count: 2, to: .longer) == [7])
    #expect(promoted([], space, count: 2, to: .longer).isEmpty)
  }
}
