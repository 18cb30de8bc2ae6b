/// A way for messages: t(m) = latency + m/bandwidth, and the time of a handshake before long ones.
///
/// Source: R. Hockney, "The communication challenge for MPP" (1994); the handshake is the rendezvous of MPI libraries.
package struct Link: Equatable, Sendable {
  /// Seconds from a rank to another for a message of no length.
  package var latency: Double
  /// Bytes per second, in each direction at the same time, as programs see them: without the headers of the network.
  package var bandwidth: Double
  /// Seconds more for a message that is longer than `eagerLimit` bytes.
  package var handshake = 0.0
  package var eagerLimit = 65536.0

  package init(latency: Double, bandwidth: Double, handshake: Double = 0) {
    (self.latency, self.bandwidth, self.handshake) = (latency, bandwidth, handshake)
  }

  /// Seconds of a message of `bytes`, where `sharers` use the link at the same time.
  func seconds(_ bytes: Double, sharers: Double = 1) -> Double {
    latency + (bytes > eagerLimit ? handshake : 0) + bytes * sharers / bandwidth
  }
}

/// Hosts that are alike, for predictions: what a rank computes in a second, and how its messages travel.
package struct Cluster: Equatable, Sendable {
  package var name: String
  /// Ranks that share a host; consecutive ones do.
  package var ranksPerHost: Int
  /// Processors of a host: with more threads than that, each works the slower.
  package var cores: Int
  /// Threads of a rank.
  package var threads = 1
  package var rates: MachineRates
  /// Numbers of 4 bytes that all ranks of a host pass over in a second, at most.
  package var hostMemoryRate: Double
  /// Between hosts; the ranks of a host share it.
  package var network: Link
  /// Between the ranks of a host.
  package var sharedMemory: Link

  package init(
    _ name: String, ranksPerHost: Int, cores: Int, rates: MachineRates = MachineRates(), network: Link,
    sharedMemory: Link = .sharedMemory
  ) {
    (self.name, self.ranksPerHost, self.cores, self.rates) = (name, ranksPerHost, cores, rates)
    (self.network, self.sharedMemory) = (network, sharedMemory)
    hostMemoryRate = Double(cores) / rates.memory
  }

  /// Ranks on the fullest host.
  func neighbours(of ranks: Int) -> Int { min(ranks, ranksPerHost) }

  /// How many times as long work takes because there are more threads than processors.
  func crowding(of ranks: Int) -> Double { max(1, Double(neighbours(of: ranks) * threads) / Double(cores)) }

  /// Seconds that a collective takes longer for each rank that has no processor of its own: who waits for it waits
  /// until the scheduler lets it run. Measured with four ranks on two processors.
  private static var turn: Double { 0.3e-3 }

  /// What that adds to a collective.
  func turns(of ranks: Int) -> Double { (crowding(of: ranks) - 1) * Self.turn }

  /// How many times as long passes through memory take because ranks share it.
  func memoryCrowding(of ranks: Int) -> Double {
    let active = min(Double(neighbours(of: ranks)), Double(cores) / Double(threads))
    // A host passes over as much as one of its ranks at least.
    return max(1, active / max(1, rates.memory * hostMemoryRate))
  }
}

extension Link {
  /// Between two processes of a host by Open MPI, copied twice; measured on an AMD EPYC (Zen 4).
  package static let sharedMemory = Link(latency: 2e-6, bandwidth: 6e9)
  /// TCP over Ethernet of `rate` bit/s: frames of 1538 bytes carry 1448. Its latency is what Open MPI's TCP has between
  /// hosts of one switch.
  package static func ethernet(_ rate: Double) -> Link { Link(latency: 20e-6, bandwidth: rate / 8 * 1448 / 1538) }
  /// InfiniBand EDR, with the usual figures of the OSU micro-benchmarks: 1.2 µs through a switch, and 12 of 12.5 GB/s.
  package static let infiniBand100 = Link(latency: 1.5e-6, bandwidth: 12e9, handshake: 3e-6)
}

extension Cluster {
  /// What is assumed of a cluster of which nothing else is known: a processor a rank and a fast network, on which it
  /// gains least to exchange less.
  package static func assumed(ranksPerHost: Int) -> Cluster {
    Cluster("assumed", ranksPerHost: ranksPerHost, cores: ranksPerHost, network: .infiniBand100)
  }

  /// Hosts of 16 processors with a rank each, on 10 Gbit/s Ethernet.
  package static func ethernet10(_ rates: MachineRates = MachineRates()) -> Cluster {
    var cluster = Cluster("ethernet-10", ranksPerHost: 16, cores: 16, rates: rates, network: .ethernet(10e9))
    cluster.hostMemoryRate = Self.serverMemoryRate
    return cluster
  }

  /// Hosts of 16 processors with a rank each, on 100 Gbit/s InfiniBand.
  package static func infiniBand100(_ rates: MachineRates = MachineRates()) -> Cluster {
    var cluster = Cluster("infiniband-100", ranksPerHost: 16, cores: 16, rates: rates, network: .infiniBand100)
    cluster.hostMemoryRate = Self.serverMemoryRate
    return cluster
  }

  /// About what the STREAM benchmark gets of eight channels of DDR4-3200 (205 GB/s); a pass has 12 bytes a number.
  private static var serverMemoryRate: Double { 160e9 / 12 }
}
