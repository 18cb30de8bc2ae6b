import LinearAlgebra
import Networks

/// All rows that a run trains on, which come in pieces, so that memory does not grow with their number.
package struct TrainingRows<Scalar: BLASScalar> {
  /// n, over all ranks.
  package let count: Int
  /// The rows of some indices, in their order, as this rank's part of so many; good until the next call. Any rank has any
  /// rows. Local.
  package let gather: (_ rows: [Int], _ globalSize: Int) -> Batch<Scalar>

  package init(count: Int, gather: @escaping (_ rows: [Int], _ globalSize: Int) -> Batch<Scalar>) {
    (self.count, self.gather) = (count, gather)
  }
}

/// The cut of all rows into blocks, of which each rank has a part.
package struct RowBlocks {
  package let partition: RowPartition
  /// The rows of a block over all ranks; the last one may have fewer.
  package let size: Int
  /// Whether sums must not depend on the number of ranks and threads.
  let isReproducible: Bool

  /// - Parameters:
  ///   - run: the partition of the run, whose virtual shards are the parts of a block where it has some.
  ///   - threads: the threads of a rank, the same on all ranks: each takes a part of its rows otherwise.
  package init(_ network: Network, like run: RowPartition, rank: Int, threads: Int) {
    isReproducible = run.isVirtual
    // A gradient for each thread is worth its memory where there are not very many parameters.
    let hasManyParameters = network.layout.count > 1 << 22
    partition =
      isReproducible || hasManyParameters
      ? run : RowPartition(rank: rank, ranks: run.ranks, virtualShards: run.ranks * threads)
    // What is known of a part's rows fits into the second cache of a processor, for each thread or for all together. Where the
    // gradient does not, a block has so many rows that the products outweigh what adding it up takes; few numbers of a sparse
    // row take part in them.
    let isSparse = network.takesSparseInputs
    let numbers = (isSparse ? 0 : network.inputCount) + 3 * network.outputCount + network.body.cacheCount
    let room = network.layout.count > 1 << 17 ? 1 << 22 : 1 << 18
    let rows = min(isSparse ? 8192 : 512, max(32, room / numbers))
    size = (isReproducible ? run.shardCount : run.ranks * threads) * rows
  }

  /// The most rows of a block on this rank.
  var capacity: Int { partition.capacity(of: size) }

  /// The most rows that are gathered at once.
  package func rowsAtATime(_ network: Network) -> Int { max(capacity, Self.sampleChunk(network)) }

  /// The rows of a sample that are taken at once: some thousands, where they and their logits do not take much memory.
  static func sampleChunk(_ network: Network) -> Int {
    max(512, min(4096, (1 << 22) / (network.inputCount + network.outputCount)))
  }

  /// The global rows of each block, for n rows.
  func ranges(of count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// This rank's rows of a block.
  func own(of block: Range<Int>) -> [Int] {
    partition.rows(of: block.count).map { block.lowerBound + $0 }
  }
}
