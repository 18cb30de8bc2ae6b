import Networks
import Testing

@testable import GaussNewton

@Suite struct CollectiveTimeTests {
  /// Hosts whose links differ by a factor of ten, without time for sums.
  func cluster(ranksPerHost: Int, latency: Double = 1, bandwidth: Double = 1) -> Cluster {
    var rates = MachineRates()
    rates.pass = 0
    return Cluster(
      "test", ranksPerHost: ranksPerHost, cores: ranksPerHost, rates: rates,
      network: Link(latency: latency, bandwidth: bandwidth),
      sharedMemory: Link(latency: latency / 10, bandwidth: 10 * bandwidth))
  }

  /// Seconds of rounds in which each rank sends a message to a partner: the longest of each, where all messages that
  /// leave a host share its link.
  func seconds(_ rounds: [(bytes: Double, partner: (Int) -> Int)], ranks: Int, _ cluster: Cluster) -> Double {
    rounds.reduce(0) { sum, round in
      var leaving: [Int: Double] = [:]
      for rank in 0..<ranks where rank / cluster.ranksPerHost != round.partner(rank) / cluster.ranksPerHost {
        leaving[rank / cluster.ranksPerHost, default: 0] += 1
      }
      return sum
        + (0..<ranks).map { rank in
          let host = rank / cluster.ranksPerHost
          if host == round.partner(rank) / cluster.ranksPerHost {
            return cluster.sharedMemory.latency + round.bytes / cluster.sharedMemory.bandwidth
          }
          return cluster.network.latency + round.bytes * leaving[host]! / cluster.network.bandwidth
        }.max()!
    }
  }

  @Test(arguments: [1, 2, 4, 8], [2, 4, 8, 16])
  func `Rounds are those of messages between ranks`(ranksPerHost: Int, ranks: Int) {
    let cluster = cluster(ranksPerHost: ranksPerHost)
    let time = CollectiveTime(cluster, ranks: ranks)
    let distances = (0..<4).map { 1 << $0 }.filter { $0 < ranks }
    let doubling = distances.map { distance in (bytes: 64.0, partner: { (rank: Int) in rank ^ distance }) }
    #expect(time.allreduce(64) == seconds(doubling, ranks: ranks, cluster))
    #expect(time.broadcast(64) == time.allreduce(64))
    // A megabyte: halves of halves there and back again.
    let halving = distances.map { distance in
      (bytes: 1048576 / Double(2 * distance), partner: { (rank: Int) in rank ^ distance })
    }
    let both = seconds(halving + halving, ranks: ranks, cluster)
    #expect(abs(time.allreduce(1_048_576) - both) < 1e-9 * both)
    // Ranks in a ring pass on the parts of all others.
    let ring = (1..<ranks).map { _ in
      (bytes: 1_048_576 / Double(ranks), partner: { (rank: Int) in (rank + 1) % ranks })
    }
    let around = seconds(ring, ranks: ranks, cluster)
    #expect(abs(time.reduceScatter(1_048_576) - around) < 1e-9 * around)
  }

  @Test func `Long messages take as long as their bytes on the slowest link`() {
    for ranks in [2, 8, 64, 256, 1024, 4096] {
      let time = CollectiveTime(cluster(ranksPerHost: 1, latency: 0), ranks: ranks)
      let (bytes, share) = (1e9, Double(ranks - 1) / Double(ranks))
      #expect(abs(time.allgather(bytes) / (bytes * share) - 1) < 1e-9)
      #expect(abs(time.reduceScatter(bytes) / (bytes * share) - 1) < 1e-9)
      #expect(abs(time.allreduce(bytes) / (2 * bytes * share) - 1) < 1e-9)
    }
  }

  @Test func `One rank exchanges nothing, and a handshake is for long messages`() {
    let one = CollectiveTime(cluster(ranksPerHost: 4), ranks: 1)
    #expect([one.allreduce(1e6), one.allgather(1e6), one.reduceScatter(1e6), one.broadcast(1e6)] == [0, 0, 0, 0])
    var polite = cluster(ranksPerHost: 1, latency: 0)
    polite.network.handshake = 5
    let plain = CollectiveTime(cluster(ranksPerHost: 1, latency: 0), ranks: 2)
    let time = CollectiveTime(polite, ranks: 2)
    #expect(time.allreduce(65536) == plain.allreduce(65536))
    #expect(time.allreduce(131_072) == plain.allreduce(131_072) + 5)
  }

  @Test func `More threads than processors slow each other down, and ranks that share memory`() {
    var cluster = cluster(ranksPerHost: 8)
    cluster.cores = 2
    #expect([1, 2, 4, 8, 16].map { cluster.crowding(of: $0) } == [1, 1, 2, 4, 4])
    cluster.hostMemoryRate = 1.25 / cluster.rates.memory
    // Two ranks run at a time.
    #expect([1, 2, 4].map { cluster.memoryCrowding(of: $0) } == [1, 1.6, 1.6])
    cluster.hostMemoryRate = 0.5 / cluster.rates.memory
    #expect([1, 2].map { cluster.memoryCrowding(of: $0) } == [1, 2])
    cluster.hostMemoryRate = 1.25 / cluster.rates.memory
    let head = Network([Linear(inputs: 384, outputs: 4796)])
    func step(_ ranks: Int) -> StepPrediction {
      PredictedStep(head, batchSize: 512, method: .firstOrder, ranks: ranks).prediction(on: cluster)
    }
    #expect(abs(step(4)[.forward] / step(2)[.forward] - 1) < 0.02)
    #expect(step(4)[.update] == 2 * step(2)[.update])
    // And waits for turns with each exchange.
    #expect([1, 2, 4, 8].map { cluster.turns(of: $0) } == [0, 0, 0.3e-3, 0.9e-3])
  }
}
