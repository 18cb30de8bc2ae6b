import LinearAlgebra

/// How the ranks share the rows of a batch: in V shards one after another, of which each rank has some consecutive ones.
///
/// Normally every rank has one shard. *Virtual shards* are as many for any number of ranks, and what is computed of one
/// does not depend on the others that its rank has: the same calls with the same shapes.
package struct RowPartition: Equatable, Sendable {
  /// V
  private let count: Int
  /// The shards of this rank, possibly none.
  private let own: Range<Int>
  package let ranks: Int
  package let isVirtual: Bool

  /// For rank `rank` of `ranks`, with `virtualShards` shards if there are virtual ones.
  ///
  /// What takes rows as they are given, all in one part, needs none of these.
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

  /// The same of the batch itself.
  package func own(of batch: ArraySlice<Int>) -> ArraySlice<Int> {
    let rows = rows(of: batch.count)
    return batch.dropFirst(rows.lowerBound).prefix(rows.count)
  }

  /// The shards of these rows, counted from the first of them. A rank without any has one that is empty.
  package func parts(of batchSize: Int) -> [Range<Int>] {
    let start = rows(of: batchSize).lowerBound
    return own.isEmpty
      ? [0..<0] : own.map { $0 * batchSize / count - start..<($0 + 1) * batchSize / count - start }
  }

  /// Number of these shards on rank `rank`.
  package func partCount(of rank: Int) -> Int {
    isVirtual ? max(1, (0..<count).part(rank, of: ranks).count) : 1
  }

  /// The same on this rank.
  package var partCount: Int { max(1, own.count) }

  /// Rows of this rank at most, in a batch of at most B rows.
  package func capacity(of batchSize: Int) -> Int { own.count * ((batchSize + count - 1) / count) }
}

/// What a rank has of something for each part of its rows: all at once on all threads, or for virtual shards, each of which
/// is serial within.
package struct Parts<Element> {
  package let all: [Element]
  package let areVirtual: Bool

  /// - Precondition: what is not virtual is one.
  package init(_ all: [Element], areVirtual: Bool = false) {
    precondition(areVirtual || all.count == 1, "only virtual shards are many")
    self.all = all
    self.areVirtual = areVirtual
  }

  package var count: Int { all.count }

  /// Calls `body` with the number of each part and the part, virtual ones in parallel.
  package func forEach(_ body: (Int, Element) -> Void) {
    if areVirtual { Threads.forEach(all.count) { body($0, all[$0]) } } else { body(0, all[0]) }
  }

  /// The results of `body`, one part after the other.
  package func map<Result>(_ body: (Int, Element) -> Result) -> Parts<Result> {
    func results() -> [Result] { all.enumerated().map { body($0.offset, $0.element) } }
    return Parts<Result>(areVirtual ? Threads.serially(results) : results(), areVirtual: areVirtual)
  }
}
