import Testing

@testable import Supervision

/// What looks at the processes of a job tell.
@Suite struct JobHealthTests {
  private let launcher = ProcessState(id: 10, isStopped: false, program: "/usr/bin/orterun")
  private let stoppedLauncher = ProcessState(id: 10, isStopped: true, program: "/usr/bin/orterun")
  private let rank = ProcessState(id: 11, isStopped: false, program: "/bin/fgn-dist")
  private let stoppedRank = ProcessState(id: 12, isStopped: true, program: "/bin/fgn-dist")

  /// The first verdict of a look each second at what `processes` gives, and its second.
  private func verdict(
    seconds: Int, start: Double = 30, hasStarted: (Int) -> Bool = { $0 > 3 }, _ processes: (Int) -> [ProcessState]
  ) -> (Interference, Int)? {
    var health = JobHealth(JobHealth.Limits(start: start), at: 0)
    for second in 0..<seconds {
      let verdict = health.look(
        processes(second), program: "/bin/fgn-dist", hasStarted: hasStarted(second), at: Double(second))
      if let verdict { return (verdict, second) }
    }
    return nil
  }

  @Test func `A job at work is well for ever`() {
    #expect(verdict(seconds: 1000) { $0 < 2 ? [launcher] : [launcher, rank, rank] } == nil)
    // The ranks of other hosts are not seen, and the launcher is a copy of the supervisor at first.
    #expect(verdict(seconds: 1000) { $0 == 0 ? [rank] : [launcher] } == nil)
    #expect(verdict(seconds: 1000) { _ in [launcher] } == nil)
  }

  @Test func `Ranks that do not meet in time are stuck`() throws {
    let found = try #require(verdict(seconds: 100, hasStarted: { _ in false }) { _ in [launcher, rank] })
    #expect(found == (.startHang, 30))
    #expect(verdict(seconds: 1000, start: .infinity, hasStarted: { _ in false }) { _ in [launcher, rank] } == nil)
  }

  @Test func `A launcher without ranks has ten seconds`() throws {
    let found = try #require(verdict(seconds: 100) { $0 < 5 ? [launcher, rank] : [launcher] })
    #expect(found == (.launcherHang, 15))
    #expect(verdict(seconds: 100) { $0 % 9 == 0 ? [launcher, rank] : [launcher] } == nil)
  }

  @Test func `A launcher that is stopped has fifteen seconds`() throws {
    let found = try #require(verdict(seconds: 100) { $0 < 5 ? [launcher, rank] : [stoppedLauncher, rank] })
    #expect(found == (.suspended, 20))
    #expect(verdict(seconds: 100) { $0 % 15 == 0 ? [launcher, rank] : [stoppedLauncher, rank] } == nil)
  }

  @Test func `Ranks that are all stopped have fifteen seconds, and one is the others' affair`() throws {
    let found = try #require(verdict(seconds: 100) { _ in [launcher, stoppedRank, stoppedRank] })
    #expect(found == (.suspended, 15))
    #expect(verdict(seconds: 100) { _ in [launcher, rank, stoppedRank] } == nil)
  }
}
