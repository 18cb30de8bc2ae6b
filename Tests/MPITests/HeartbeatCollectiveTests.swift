import Glibc
import MPI
import Synchronization
import TestSupport
import Testing

/// Runs on any number of ranks; a single rank has nobody to lose.
@Suite(.serialized)
struct HeartbeatCollectiveTests {
  private let world = World.communicator

  /// The report of a heartbeat.
  private final class Report: Sendable {
    private let text = Mutex<String?>(nil)
    var value: String? { text.withLock { $0 } }
    func note(_ loss: String) { text.withLock { $0 = $0 ?? loss } }

    func appears(within seconds: Double) -> Bool {
      for _ in 0..<Int(100 * seconds) where value == nil { usleep(10_000) }
      return value != nil
    }
  }

  private func start(_ silence: Double, _ wait: Double) throws -> (Heartbeat, Report) {
    let report = Report()
    let limits = Heartbeat.Limits(silence: silence, wait: wait)
    return (try Heartbeat(over: world, limits: limits) { report.note($0) }, report)
  }

  @Test func `Reaches all ranks and stays silent while they live`() throws {
    let (heartbeat, report) = try start(3, 2)
    #expect(heartbeat.unreachable.isEmpty)
    usleep(3_500_000)
    try world.barrier()
    #expect(report.value == nil)
    heartbeat.stop()
    heartbeat.stop()
    try world.barrier()
  }

  @Test(.enabled(if: World.size > 1)) func `A rank that leaves with a farewell is no loss`() throws {
    let (heartbeat, report) = try start(1.5, 100)
    if world.rank == world.size - 1 { heartbeat.stop() }
    usleep(4_000_000)
    #expect(report.value == nil)
    try world.barrier()
    heartbeat.stop()
  }

  @Test(.enabled(if: World.size > 1)) func `Waiting too long is reported by those who wait`() throws {
    let (heartbeat, report) = try start(100, 1)
    // The last rank is alive but does not arrive.
    let isStuck = world.rank == world.size - 1
    if isStuck { usleep(9_000_000) }
    try world.barrier()
    if isStuck {
      #expect(report.value == nil)
    } else {
      #expect(report.value?.contains("for the other ranks, of which one must be stuck") == true)
    }
    heartbeat.stop()
  }

  @Test(.enabled(if: World.size > 1)) func `Silence is reported with rank and host`() throws {
    // No rank is heard within so short a time.
    let (heartbeat, report) = try start(0.1, 100)
    #expect(report.appears(within: 8))
    let peer = world.rank == 0 ? "rank 1 on" : "rank 0 on"
    #expect(world.rank == 0 || report.value?.contains(peer) == true)
    #expect(report.value?.contains("no sign of life") == true)
    try world.barrier()
    heartbeat.stop()
  }

  @Test func `The limits can change`() throws {
    let (heartbeat, report) = try start(.infinity, .infinity)
    heartbeat.limits.silence = 50
    #expect(heartbeat.limits == Heartbeat.Limits(silence: 50, wait: .infinity))
    #expect(report.value == nil)
    heartbeat.stop()
    try world.barrier()
  }
}
