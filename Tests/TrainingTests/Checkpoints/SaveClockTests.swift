import MPI
import Testing

@testable import Training

@Suite struct SaveClockTests {
  @Test func `Looks come closer together as the time runs out`() {
    let looks = [100.0, 50, 1, 0.1, 0, -3].map { SaveClock.stepsToNextLook(rest: $0, secondsPerStep: 0.1) }
    #expect(looks == [500, 250, 5, 1, 0, 0])
    #expect(SaveClock.stepsToNextLook(rest: 1e9, secondsPerStep: 0) == 1000)
  }

  @Test func `A checkpoint is due once its time is over, and then not at once again`() throws {
    var clock = SaveClock(everyMinutes: 0.2 / 60)
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
    var clock = SaveClock(everyMinutes: 0)
    #expect(try (1...2000).allSatisfy { try !clock.isDue(after: $0, secondsPerStep: 1e9, over: Communicator()) })
  }
}
