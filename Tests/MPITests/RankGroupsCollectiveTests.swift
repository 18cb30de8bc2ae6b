import Glibc
import MPI
import TestSupport
import Testing

/// Groups of ranks that work at their own pace.
@Suite(.serialized) struct RankGroupsCollectiveTests {
  let world = World.communicator

  /// All numbers of groups that these ranks can be in.
  private var counts: [Int] { (1...world.size).filter { world.size % $0 == 0 } }

  struct Full: ExitCodeProviding, CustomStringConvertible {
    let description: String
    var exitCode: Int32 { 74 }
  }

  @Test func `The number of groups is the largest divisor up to a limit`() {
    #expect((1...13).map { RankGroups.largestCount(upTo: $0, of: 12) } == [1, 2, 3, 4, 4, 6, 6, 6, 6, 6, 6, 12, 12])
    #expect(RankGroups.largestCount(upTo: 6, of: 7) == 1)
    #expect(RankGroups.largestCount(upTo: 9, of: 1) == 1)
  }

  @Test func `Each group has ranks of its own, and all ranks get what its first rank has`() throws {
    for count in counts {
      let groups = try RankGroups(count, of: world)
      let size = world.size / count
      #expect(groups.own.size == size && groups.number == world.rank / size && groups.own.rank == world.rank % size)
      let outcomes = try groups.workSideBySide(asksToStop: { false }) { shouldStop in
        // Of different lengths: sums within the group, with looks after a stop between them.
        var sum = 0
        for _ in 0...3 * groups.number { sum += try groups.own.allreduce(shouldStop() ? 1 : world.rank) }
        usleep(UInt32(30_000 * groups.number))
        return [UInt8](repeating: UInt8(sum % 251), count: groups.number + groups.own.rank)
      }
      let expected = (0..<count).map { group in
        let sum = (3 * group + 1) * (group * size..<(group + 1) * size).reduce(0, +)
        return [UInt8](repeating: UInt8(sum % 251), count: group)
      }
      #expect(outcomes.values == expected)
      #expect(outcomes.failure == nil)
    }
  }

  @Test func `One rank that is asked to stop stops all groups, also while it waits`() throws {
    for count in counts {
      let groups = try RankGroups(count, of: world)
      for isWaiting in [false, true] where count > 1 || !isWaiting {
        // The last rank is asked, after a while or where its own work is done.
        let start = ContinuousClock.now
        let isLast = world.rank == world.size - 1
        let outcomes = try groups.workSideBySide(
          asksToStop: { isLast && ContinuousClock.now - start > .milliseconds(100) }
        ) { shouldStop in
          if isWaiting, groups.number == count - 1 { return [1] }
          var isStopped = false
          while !isStopped {
            try #require(ContinuousClock.now - start < .seconds(60))
            isStopped = try groups.own.allreduce(shouldStop() ? 1 : 0, .max) == 1
            usleep(1000)
          }
          return [0]
        }
        #expect(outcomes.values.map { $0 } == (0..<count).map { isWaiting && $0 == count - 1 ? [1] : [0] })
        #expect(outcomes.failure == nil)
      }
    }
  }

  @Test func `The failure of a group stops the others, and is the same on all ranks`() throws {
    for count in counts {
      let groups = try RankGroups(count, of: world)
      for isAlike in [true, false] {
        let failing = count - 1
        let outcomes = try groups.workSideBySide(asksToStop: { false }) { shouldStop in
          if groups.number == failing {
            try groups.own.collectively {
              if isAlike || groups.own.rank == groups.own.size - 1 { throw Full(description: "the disk is full") }
            }
          }
          while try groups.own.allreduce(shouldStop() ? 1 : 0, .max) == 0 { usleep(1000) }
          return [7]
        }
        #expect(outcomes.values == (0..<count).map { $0 == failing ? nil : [7] })
        let failure = try #require(outcomes.failure)
        #expect(failure.exitCode == 74)
        let last = world.size - 1
        #expect(
          failure.description
            == (isAlike || groups.own.size == 1
              ? "the disk is full" : "rank \(last) on \(world.hostname): the disk is full"))
      }
    }
  }

  @Test func `Ranks of a group that hold different data are a failure of the group`() throws {
    for count in counts where count < world.size {
      let groups = try RankGroups(count, of: world)
      let outcomes = try groups.workSideBySide(asksToStop: { false }) { _ in
        if groups.number == 0 { try groups.own.agree(UInt64(groups.own.rank), about: "the weights") }
        return []
      }
      #expect(outcomes.values.first == .some(nil))
      #expect(
        outcomes.failure?.description
          == "rank 1 on \(world.hostname): the weights is not what the other ranks of its group have")
      #expect(outcomes.failure?.exitCode == 65)
    }
  }
}
