import LinearAlgebra

/// The distribution of a batch's rows over the ranks: V consecutive shards, of which each rank has some consecutive
/// ones.
///
/// Normally each rank has one shard. The number of *virtual shards* does not depend on the number of ranks, and the
/// results of one do not depend on the other shards of its rank: the calls and shapes are the same.
package struct RowPartition: Equatable, Sendable {
  /// V
  private let count: Int
  /// The shards of this rank, possibly none.
  private let own: Range<Int>
  package let ranks: Int
  package let isVirtual: Bool

  /// The partition on rank `rank` of `ranks`, with `virtualShards` virtual shards if given.
  ///
  /// The default values serve code that takes all its rows as one part.
  package init(rank: Int = 0, ranks: Int = 1, virtualShards: Int? = nil) {
    self.ranks = ranks
    count = virtualShards ?? ranks
    own = (0..<count).part(rank, of: ranks)
    isVirtual = virtualShards != nil
  }

  /// This rank's rows of a batch of B rows.
  package func rows(of batchSize: Int) -> Range<Int> {
    own.lowerBound * batchSize / count..<own.upperBound * batchSize / count
  }

  /// This rank's rows of a batch.
  package func own(of batch: ArraySlice<Int>) -> ArraySlice<Int> {
    let rows = rows(of: batch.count)
    return batch.dropFirst(rows.lowerBound).prefix(rows.count)
  }

  /// The shards of this rank's rows, counted from the first of them. A rank without shards has one that is empty.
  package func parts(of batchSize: Int) -> [Range<Int>] {
    let start = rows(of: batchSize).lowerBound
    return own.isEmpty
      ? [0..<0] : own.map { $0 * batchSize / count - start..<($0 + 1) * batchSize / count - start }
  }

  /// V
  package var shardCount: Int { count }

  /// The number of parts of the rows on rank `rank`.
  package func partCount(of rank: Int) -> Int {
    isVirtual ? max(1, (0..<count).part(rank, of: ranks).count) : 1
  }

  /// The number of parts of the rows on this rank.
  package var partCount: Int { max(1, own.count) }

  /// The largest number of rows on this rank, for a batch of at most B rows.
  package func capacity(of batchSize: Int) -> Int { own.count * ((batchSize + count - 1) / count) }
}

/// One element per part of a rank's rows: a single one, computed on all threads, or one per virtual shard, each of
/// which is computed serially.
package struct Parts<Element> {
  package let all: [Element]
  package let areVirtual: Bool

  /// - Precondition: there is a single element unless they are virtual.
  package init(_ all: [Element], areVirtual: Bool = false) {
    precondition(areVirtual || all.count == 1, "only virtual shards are many")
    self.all = all
    self.areVirtual = areVirtual
  }

  package var count: Int { all.count }

  /// Calls `body` with the number of each part and the part; virtual ones in parallel.
  package func forEach(_ body: (Int, Element) -> Void) {
    if areVirtual { Threads.forEach(all.count) { body($0, all[$0]) } } else { body(0, all[0]) }
  }

  /// The results of `body`, in the order of the parts.
  package func map<Result>(_ body: (Int, Element) -> Result) -> Parts<Result> {
    func results() -> [Result] { all.enumerated().map { body($0.offset, $0.element) } }
    return Parts<Result>(areVirtual ? Threads.serially(results) : results(), areVirtual: areVirtual)
  }
}
