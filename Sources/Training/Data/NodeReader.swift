import Datasets
import Foundation
import MPI

/// Reads examples once per node: its first rank reads them, and the others use its memory or map the same files.
package struct NodeReader {
  let node: Communicator
  /// Whether this rank keeps a copy of its own because the system does not let it map another rank's memory.
  private var keepsCopy = false

  /// Collective.
  package init(over communicator: Communicator) throws {
    node = try communicator.splitBySharedMemory()
  }

  /// The data set of each of `reads`, which get the sets before theirs; the same on all ranks. Collective on the node.
  /// Errors are local to this rank.
  package mutating func open(_ reads: [(_ before: [Dataset?]) throws -> Dataset?]) throws -> [Dataset?] {
    var sets: [Dataset?] = []
    do {
      sets = try node.collectively {
        try node.rank > 0 ? [] : reads.reduce(into: []) { $0.append(try $1($0)) }
      }
    } catch let failure as CollectiveFailure {
      // An error in the first rank's files concerns the whole node.
      throw failure.withoutOrigin
    }
    if node.size == 1 { return sets }
    let offers = try reads.indices.map { try share(node.rank > 0 ? nil : sets[$0]) }
    // The first rank holds its memory until all others have mapped it, or failed to.
    let result = Result {
      if node.rank == 0 { return }
      for (offer, read) in zip(offers, reads) { sets.append(try take(offer) { try read(sets) }) }
    }
    try node.barrier()
    try result.get()
    return sets
  }

  /// Reads one data set, as the method for several does. Collective on the node.
  package mutating func open(_ read: () throws -> Dataset?) throws -> Dataset? {
    try withoutActuallyEscaping(read) { read in try open([{ _ in try read() }])[0] }
  }

  /// A note for the user if the system does not let ranks share memory; otherwise nil. Collective over all nodes.
  package func note(over communicator: Communicator) throws -> String? {
    let ranks = try communicator.allreduce(keepsCopy ? 1 : 0)
    return ranks == 0
      ? nil
      : "note: \(ranks) ranks keep the examples once more, since the system keeps them from mapping the memory of other ranks "
        + "of their node; arrays in NPY files need none"
  }

  /// The address of the data set in the memory of the node's first rank, and the labels; nil where it cannot be shared.
  /// Collective on the node.
  private func share(_ set: Dataset?) throws -> (Data, [Int32])? {
    let bytes = try node.broadcast(
      try set.flatMap(SharedDataset.init).map { [UInt8](try JSONEncoder().encode($0)) } ?? [])
    return bytes.isEmpty ? nil : (Data(bytes), try node.broadcast(set?.labels ?? []))
  }

  /// The data set that is offered, or the result of `read`. Local.
  private mutating func take(
    _ offer: (bytes: Data, labels: [Int32])?, orRead read: () throws -> Dataset?
  ) throws -> Dataset? {
    guard let offer else { return try read() }
    let shared = try JSONDecoder().decode(SharedDataset.self, from: offer.bytes).dataset(labels: offer.labels)
    if shared == nil { keepsCopy = true }
    return try shared ?? read()
  }
}
