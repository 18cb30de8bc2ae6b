import Testing

@testable import Supervision

/// What follows from the end of an attempt.
@Suite struct RestartTests {
  private func end(_ code: Int32, _ interference: Interference? = nil, hasProgressed: Bool = false) -> AttemptEnd {
    AttemptEnd(code: code, after: interference, hasProgressed: hasProgressed)
  }

  private func decide(_ end: AttemptEnd, _ policy: RestartPolicy = RestartPolicy()) -> Decision {
    var count = RestartCount()
    return count.decide(after: end, policy)
  }

  @Test func `A code has its cause`() {
    let causes: [Int32: Cause] = [
      0: .completed, 64: .badInput, 65: .badInput, 66: .badInput, 70: .diverged, 74: .storage, 75: .preempted,
      76: .lostPeer, 205: .lostHost, 137: .crash, 139: .crash, 134: .crash, 1: .launcher, 127: .launcher,
      213: .launcher,
    ]
    #expect(causes.filter { end($0.key).cause != $0.value }.isEmpty)
  }

  @Test func `What the supervisor did explains the code`() {
    #expect(end(75, .stop).cause == .stopped)
    #expect(end(137, .startHang).cause == .startHang)
    #expect(end(143, .launcherHang).cause == .launcherHang)
    #expect(end(1, .suspended).cause == .suspended)
    #expect(end(75, .regroup).cause == .regrouped)
    // The ranks may crash while they are asked for a checkpoint, and they may be done.
    #expect(end(137, .regroup).cause == .crash)
    #expect(end(0, .stop).cause == .completed)
    #expect(end(0, .suspended).cause == .completed)
  }

  @Test func `Bad input is never tried again`() {
    for code: Int32 in 64...66 {
      guard case .stop(code, _?) = decide(end(code, hasProgressed: true)) else {
        Issue.record("\(code)")
        continue
      }
    }
  }

  @Test func `A run that diverged starts again only where that is asked for`() {
    #expect(decide(end(70), RestartPolicy(restartsDiverged: true)) == .restart(delay: 2))
    guard case .stop(70, _?) = decide(end(70)) else { return #expect(Bool(false)) }
  }

  @Test func `A run that is done or was asked to stop ends without a word`() {
    #expect(decide(end(0)) == .stop(code: 0, why: nil))
    #expect(decide(end(75, .stop)) == .stop(code: 75, why: nil))
    #expect(decide(end(143, .stopBeforeStart)) == .stop(code: 75, why: nil))
    #expect(decide(end(137, .stop)) == .stop(code: 137, why: nil))
  }

  @Test(arguments: [1, 74, 75, 76, 137, 205] as [Int32])
  func `Faults start the run again`(code: Int32) {
    #expect(decide(end(code)) == .restart(delay: 2))
    #expect(decide(end(code, hasProgressed: true)) == .restart(delay: 1))
  }

  @Test func `The delay doubles up to a minute, and a checkpoint makes it short again`() {
    var count = RestartCount()
    let policy = RestartPolicy(fruitlessLimit: 20)
    let delays = (0..<8).map { _ in count.decide(after: end(76), policy) }
    #expect(delays == [2, 4, 8, 16, 32, 60, 60, 60].map { .restart(delay: $0) })
    #expect(count.decide(after: end(76, hasProgressed: true), policy) == .restart(delay: 1))
    #expect(count.decide(after: end(76), policy) == .restart(delay: 2))
  }

  @Test func `There are so many restarts in all`() {
    var count = RestartCount()
    let policy = RestartPolicy(limit: 3)
    for _ in 0..<3 { #expect(count.decide(after: end(137, hasProgressed: true), policy) == .restart(delay: 1)) }
    // Other hosts are no failure, and do not count.
    #expect(count.decide(after: end(75, .regroup), policy) == .restart(delay: 0))
    #expect(count.restarts == 3)
    guard case .stop(137, _?) = count.decide(after: end(137, hasProgressed: true), policy) else {
      return #expect(Bool(false))
    }
  }

  @Test func `Attempts that save nothing end the run sooner`() {
    var count = RestartCount()
    let policy = RestartPolicy(fruitlessLimit: 3)
    for _ in 0..<2 { _ = count.decide(after: end(139), policy) }
    _ = count.decide(after: end(139, hasProgressed: true), policy)
    for _ in 0..<2 { guard case .restart = count.decide(after: end(139), policy) else { return #expect(Bool(false)) } }
    guard case .stop(139, _?) = count.decide(after: end(139), policy) else { return #expect(Bool(false)) }
  }
}
