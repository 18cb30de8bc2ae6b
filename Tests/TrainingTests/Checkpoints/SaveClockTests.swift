import MPI
import Testing

@testable import Training

@Suite struct SaveClockTests {
  private let folder = TemporaryFolder()

  @Test func `Looks come closer together as the time runs out`() {
    let looks = [100.0, 50, 1, 0.1, 0, -3].map { SaveClock.stepsToNextLook(rest: $0, secondsPerStep: 0.1) }
    #expect(looks == [500, 250, 5, 1, 0, 0])
    #expect(SaveClock.stepsToNextLook(rest: 1e9, secondsPerStep: 0) == 1000)
  }

  @Test func `A checkpoint is due once its time is over, and then not at once again`() throws {
    var clock = SaveClock(.minutes(0.2 / 60))
    let begin = ContinuousClock.now
    var due: [Int] = []
    var step = 0
    while due.count < 2, ContinuousClock.now - begin < .seconds(20) {
      step += 1
      if try clock.isDue(after: step, secondsPerStep: 0.001, over: Communicator()) {
        due.append(step)
        #expect(ContinuousClock.now - begin >= .milliseconds(200 * due.count))
        clock.restart()
      }
    }
    #expect(due.count == 2)
  }

  @Test func `Without an interval none is due`() throws {
    var clock = SaveClock(.minutes(0))
    #expect(try (1...2000).allSatisfy { try !clock.isDue(after: $0, secondsPerStep: 1e9, over: Communicator()) })
  }

  @Test func `An automatic interval follows from the checkpoints until now`() throws {
    var clock = SaveClock(.auto, after: FailureHistory(count: 4, seconds: 800))
    #expect(clock.plan == nil)
    clock.restart(cost: 0.015)
    #expect(clock.plan == nil, "it is not written yet")
    clock.note(writing: 0.5)
    clock.restart(cost: 0.005)
    let plan = try #require(clock.plan)
    #expect(plan.cost == 0.01 && plan.writing == 0.5 && plan.failures.count == 4)
    #expect((800..<801).contains(plan.failures.seconds), "the time of this process counts")
    // √(2 · 0.01 · 200) − 0.01
    #expect(abs(plan.interval - 1.99) < 0.01)
    #expect(try !clock.isDue(after: 1, secondsPerStep: 1, over: Communicator()))
    var other = SaveClock(.minutes(1))
    other.restart(cost: 1)
    other.note(writing: 1)
    #expect(other.plan == nil)
  }

  /// √(2δM) − δ by hand.
  @Test(arguments: [
    (cost: 2.0, meanTime: 10_000.0, writing: 0.0, interval: 198.0), (0.5, 3600, 10, 59.5), (0.5, 3600, 60, 60),
    (8, 4, 3, 3), (0, 3600, 0.25, 0.25),
  ])
  func `The interval is that of Young and Daly and never shorter than writing`(
    cost: Double, meanTime: Double, writing: Double, interval: Double
  ) {
    let plan = SavePlan(cost: cost, writing: writing, failures: FailureHistory(count: 3, seconds: 3 * meanTime))
    #expect(abs(plan.interval - interval) < 1e-9)
  }

  @Test func `Without a failure one a day is supposed, or one in the time that was without any`() {
    #expect(FailureHistory(count: 0, seconds: 60).meanTime == 86400)
    #expect(FailureHistory(count: 0, seconds: 200_000).meanTime == 200_000)
    #expect(FailureHistory(count: 5, seconds: 200).meanTime == 40)
    let plan = SavePlan(cost: 0.02, writing: 0.1, failures: FailureHistory())
    #expect(
      "\(plan)"
        == "every 58.77 s, for one costs 0.02 s and is written in 0.1 s; no failure until now, so one in 24 h")
  }

  @Test func `The failures of a run are those in the log of its supervisors`() throws {
    let attempt = #"{"attempt":1,"event":"attempt","ranks":2,"step":null,"time":"2026-01-01T00:00:00Z"}"#
    func end(_ cause: String, reached: String = "7") -> String {
      #"{"attempt":1,"cause":"\#(cause)","code":1,"event":"end","reached":\#(reached),"seconds":10.5}"#
    }
    let failures = ["crash", "lost-peer", "lost-host", "launcher", "launcher-hang", "suspended", "storage"]
    let others = ["preempted", "regrouped", "stopped", "start-hang", "diverged", "bad-input", "completed"]
    var lines = (failures + others).flatMap { [attempt, end($0)] } + [attempt, end("storage", reached: "null")]
    // One that was lost with its supervisor, a line that is cut off, and the attempt that reads this.
    lines += [attempt, #"{"event":"host","host":"a","problem":null}"#, #"{"event":"en"#, attempt]
    try folder.write("launch.jsonl", Array(lines.joined(separator: "\n").utf8))
    let history = FailureHistory(log: folder.path("launch.jsonl"))
    #expect(history == FailureHistory(count: failures.count + 1, seconds: 15 * 10.5))
    #expect(FailureHistory(log: folder.path("none")) == FailureHistory())
  }
}
