import Glibc
import Synchronization
import TestSupport
import Testing

@testable import MPI

/// Runs on any number of ranks; a single rank has nobody to wait for.
@Suite(.serialized)
struct StartupCollectiveTests {
  private let world = World.communicator

  @Test func `A roll call gives the largest value to all, whoever yields`() throws {
    for round in 0..<3 {
      let value = try world.rollCall(Int32(10 * round + (world.rank + round) % world.size))
      #expect(value == Int32(10 * round + world.size - 1))
    }
  }

  @Test(.enabled(if: World.size > 1)) func `Who does not come to a roll call is named`() throws {
    let report = Mutex<String?>(nil)
    let watch = try StartupWatch(environment: [StartupWatch.variable: "1.5"]) { text in
      report.withLock { $0 = $0 ?? text }
    }
    if world.rank == world.size - 1 { usleep(4_000_000) }
    _ = try world.rollCall(0, watch)
    watch.end()
    watch.end()
    if world.rank == 0 {
      #expect(
        report.withLock { $0 } == "the job has not started within 1.5 s: rank \(world.size - 1) has not come "
          + "(FGN_STARTUP_TIMEOUT sets the limit)")
    }
    try world.barrier()
  }

  @Test func `A start that takes less than the limit is none of the watch's business`() throws {
    let report = Mutex<String?>(nil)
    for limit in ["", "0", "60"] {
      let watch = try StartupWatch(environment: [StartupWatch.variable: limit]) { text in
        report.withLock { $0 = text }
      }
      usleep(500_000)
      watch.end()
    }
    #expect(report.withLock { $0 } == nil)
  }

  @Test(arguments: ["soon", "-1", "inf", "nan"])
  func `A limit that is no number of seconds is refused`(value: String) {
    let error = #expect(throws: EnvironmentError.self) {
      try StartupWatch(environment: [StartupWatch.variable: value]) { _ in }
    }
    #expect(error?.exitCode == 64)
    #expect(error?.description == "FGN_STARTUP_TIMEOUT=\(value) is no number of seconds")
  }

  @Test func `The launchers' numbers of ranks are known`() {
    #expect(JobProcess.rank(in: ["OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3"]) == 3)
    #expect(JobProcess.rank(in: ["PMIX_RANK": "2"]) == 2)
    #expect(JobProcess.rank(in: ["PMI_RANK": "1", "PMI_FD": "7"]) == 1)
    #expect(JobProcess.rank(in: [:]) == nil)
  }

  @Test func `Ranks on the same machine are seen at work`() {
    let others = JobProcess.others(than: world.rank, environment: Runtime.processEnvironment())
    #expect(others.allSatisfy { $0.isAtWork && $0.rank != world.rank })
    #expect(others.count == world.size - 1)
  }
}
