/// Seconds of collectives by the algorithms that Open MPI takes (`CollectiveAlgorithm`), for messages on `Link`s.
///
/// Ranks are placed host by host. In algorithms that double a distance, all ranks of a host send to another one at the
/// same time, and share its link; around a ring only one does. Source of the formulas: R. Thakur, R. Rabenseifner and
/// W. Gropp, "Optimization of collective communication operations in MPICH" (2005), with α = latency and β =
/// 1/bandwidth.
package struct CollectiveTime {
  let cluster: Cluster
  let ranks: Int

  package init(_ cluster: Cluster, ranks: Int) { (self.cluster, self.ranks) = (cluster, ranks) }

  /// What a collective takes longer where ranks share processors.
  var turns: Double { ranks > 1 ? cluster.turns(of: ranks) : 0 }

  private var count: Double { Double(ranks) }
  /// Rounds in which a distance doubles up to all ranks, ⌈log₂ N⌉.
  private var rounds: Int { ranks > 1 ? Int.bitWidth - (ranks - 1).leadingZeroBitCount : 0 }

  /// Each byte ← the sums over all ranks.
  package func allreduce(_ bytes: Double) -> Double {
    ranks == 1 ? 0 : seconds(.allreduce(bytes, ranks: ranks), bytes)
  }

  /// The parts of all ranks, `bytes` in all.
  package func allgather(_ bytes: Double) -> Double {
    ranks == 1 ? 0 : seconds(.allgather(bytes, ranks: ranks), bytes)
  }

  /// A part of the sums for each rank, of `bytes` in all.
  package func reduceScatter(_ bytes: Double) -> Double {
    ranks == 1 ? 0 : seconds(.reduceScatter(bytes, ranks: ranks), bytes)
  }

  /// From rank 0 to all, down a binomial tree.
  package func broadcast(_ bytes: Double) -> Double {
    (0..<rounds).reduce(0) { $0 + message(bytes, distance: 1 << $1) }
  }

  private func seconds(_ algorithm: CollectiveAlgorithm, _ bytes: Double) -> Double {
    let part = bytes / count
    switch algorithm {
    case .recursiveDoubling:
      // ⌈log₂ N⌉ (α + mβ)
      return (0..<rounds).reduce(0) { $0 + message(bytes, distance: 1 << $1) + sum(bytes) }
    case .reduceAndBroadcast:
      // 2 ⌈log₂ N⌉ (α + mβ)
      return 2 * broadcast(bytes) + Double(rounds) * sum(bytes)
    case .rabenseifner:
      // 2 (log₂ N α + (N − 1)/N mβ)
      return 2 * halving(bytes) + sum(bytes)
    case .halving: return halving(bytes) + sum(bytes)
    case .ring:
      // (N − 1) (α + m/N β)
      return (count - 1) * neighbour(part)
    case .summingRing: return (count - 1) * (neighbour(part) + sum(part))
    case .neighbours:
      // N/2 (α + 2 m/N β)
      return neighbour(part) + (count / 2 - 1) * neighbour(2 * part)
    case .bruck: return halving(bytes)
    case .gatherAndBroadcast:
      return (count - 1) * part / cluster.sharedMemory.bandwidth + 2 * broadcast(bytes)
    }
  }

  /// log₂ N α + (N − 1)/N mβ: with each doubling of the distance half as many bytes.
  private func halving(_ bytes: Double) -> Double {
    (0..<rounds).reduce(0) { $0 + message(bytes / Double(2 << $1), distance: 1 << $1) }
  }

  /// To the next rank, around all of them.
  private func neighbour(_ bytes: Double) -> Double {
    (ranks > cluster.ranksPerHost ? cluster.network : cluster.sharedMemory).seconds(bytes)
  }

  /// From all ranks to those at a distance.
  private func message(_ bytes: Double, distance: Int) -> Double {
    if ranks <= cluster.ranksPerHost || distance < cluster.ranksPerHost { return cluster.sharedMemory.seconds(bytes) }
    return cluster.network.seconds(bytes, sharers: Double(cluster.neighbours(of: ranks)))
  }

  /// Adding what has come.
  private func sum(_ bytes: Double) -> Double { bytes / 4 * cluster.rates.pass }
}

/// How a collective is done. The choices are those of Open MPI 4.1's `coll_tuned_decision_fixed.c`, for the sizes that
/// steps have; where that has a ring for fewer numbers than ranks, its implementation takes recursive doubling.
enum CollectiveAlgorithm {
  case recursiveDoubling, reduceAndBroadcast, rabenseifner
  case halving, summingRing
  case ring, neighbours, bruck, gatherAndBroadcast

  /// Of `bytes` on each rank.
  static func allreduce(_ bytes: Double, ranks: Int) -> CollectiveAlgorithm {
    switch ranks {
    case ..<4: bytes < 262_144 ? .recursiveDoubling : .rabenseifner
    case ..<16: bytes < 8192 ? .recursiveDoubling : .rabenseifner
    case ..<32: bytes < 4096 ? .recursiveDoubling : .rabenseifner
    case ..<64: bytes < 128 ? .recursiveDoubling : .rabenseifner
    case ..<128: bytes < 262_144 ? .recursiveDoubling : .rabenseifner
    case ..<256: bytes < 131_072 ? .reduceAndBroadcast : bytes < 262_144 ? .recursiveDoubling : .rabenseifner
    case ..<512: bytes < 4096 ? .reduceAndBroadcast : .rabenseifner
    default: bytes < 2048 ? .reduceAndBroadcast : bytes < 16384 ? .recursiveDoubling : .rabenseifner
    }
  }

  /// Of parts of several lengths, `bytes` in all.
  static func allgather(_ bytes: Double, ranks: Int) -> CollectiveAlgorithm {
    let part = bytes / Double(ranks)
    return switch ranks {
    // One message each way.
    case 2: .ring
    case ..<8: part < 256 ? .gatherAndBroadcast : part >= 16384 && part < 262_144 ? .bruck : .neighbours
    case ..<16: part < 1024 ? .gatherAndBroadcast : .bruck
    case ..<32: part < 128 ? .gatherAndBroadcast : part < 262_144 ? .bruck : .ring
    case ..<64: part < 256 ? .gatherAndBroadcast : part < 8192 ? .bruck : .ring
    case ..<128: part < 256 ? .gatherAndBroadcast : part < 4096 ? .bruck : .ring
    case ..<256: part < 1024 ? .bruck : part < 65536 ? .neighbours : .ring
    case ..<512: part < 1024 ? .bruck : .ring
    case ..<1024: part < 4096 ? .bruck : part < 1_048_576 ? .neighbours : .ring
    default: part < 4096 ? .bruck : .neighbours
    }
  }

  /// Of `bytes` on each rank.
  static func reduceScatter(_ bytes: Double, ranks: Int) -> CollectiveAlgorithm {
    switch ranks {
    case ..<4: .summingRing
    case ..<32: bytes < 262_144 ? .halving : .summingRing
    case ..<64: bytes < 524_288 ? .halving : .summingRing
    default: .halving
    }
  }
}
