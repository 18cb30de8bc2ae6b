import Foundation
import GaussNewton
import MPI

/// The clusters that predictions are for.
enum Clusters {
  static let names = ["here", "ethernet-10", "infiniband-100"]

  /// Those of the option `--cluster`: a name, or a file over what is measured here; all names where it is not given.
  /// Collective.
  static func chosen(_ option: String?, over communicator: Communicator) throws -> [Cluster] {
    switch option {
    case nil: return [try here(over: communicator), .ethernet10(), .infiniBand100()]
    case "here": return [try here(over: communicator)]
    case "ethernet-10": return [.ethernet10()]
    case "infiniband-100": return [.infiniBand100()]
    case .some(let path):
      // What is wrong with a file is known before anything is measured.
      _ = try communicator.collectively { try ClusterFile.load(path, over: .infiniBand100()) }
      let here = try here(over: communicator)
      return [try communicator.collectively { try ClusterFile.load(path, over: here) }]
    }
  }

  /// Hosts like this one with a rank on each processor, on 10 Gbit/s Ethernet: the rates of rank 0 while the others
  /// wait, then memory and messages of all ranks together, where they are on one host. Collective.
  static func here(over communicator: Communicator) throws -> Cluster {
    try communicator.barrier()
    var rates = communicator.isRoot ? MachineRates.measured() : MachineRates()
    let numbers = try communicator.broadcast(rates.values)
    rates.values = numbers
    let cores = try communicator.broadcast(ProcessInfo.processInfo.processorCount)
    var cluster = Cluster("here", ranksPerHost: cores, cores: cores, rates: rates, network: .ethernet(10e9))
    // Without others to measure with, a host's memory serves one rank's passes alone.
    cluster.hostMemoryRate = 1 / rates.memory
    let ranks = try communicator.splitBySharedMemory().size
    guard ranks == communicator.size, ranks > 1, ranks <= cores else { return cluster }
    let memory = try communicator.allreduce(MachineRates.measuredMemory(), .max)
    cluster.hostMemoryRate = max(1 / rates.memory, Double(ranks) / memory)
    cluster.sharedMemory = try link(over: communicator)
    return cluster
  }

  /// What messages take between two ranks, by the median of rounds of short and of long allgathers. Collective.
  private static func link(over communicator: Communicator) throws -> Link {
    func seconds(_ count: Int) throws -> Double {
      let counts = Array(repeating: count, count: communicator.size)
      var numbers = [Float](repeating: 1, count: count * communicator.size)
      let times = try (0..<9).map { _ in
        try communicator.barrier()
        let start = ContinuousClock.now
        try numbers.withUnsafeMutableBufferPointer { try communicator.allgather(into: $0, counts: counts) }
        return try communicator.allreduce((ContinuousClock.now - start) / .seconds(1), .max)
      }
      return times.median
    }
    let (short, count) = (try seconds(8), 1 << 20)
    let long = try seconds(count)
    let messages = Double(communicator.size - 1)
    return Link(latency: short / messages, bandwidth: 4 * Double(count) * messages / max(1e-9, long - short))
  }
}
