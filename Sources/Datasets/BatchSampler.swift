import LinearAlgebra

/// Which rows make up which batch: a pure function of (seed, epoch, step), the same on every rank and for every number
/// of ranks.
///
/// An epoch visits every row once, in the order of a Fisher–Yates shuffle by the generator number `epoch` of `seed`: of the
/// rows, or of blocks of rows, which keep their order; where rows have strata, it then spreads each stratum evenly. Its last
/// batch is smaller unless `dropLast`. Full batches keep the natural order.
package struct BatchSampler {
  /// Rows in the data set.
  package let count: Int
  /// Rows in a batch other than the last of an epoch, at most `count`.
  package let batchSize: Int
  package let isFull: Bool
  package let seed: UInt64
  package let dropLast: Bool
  /// Rows that stay together.
  package let block: Int
  /// The stratum of each row, from 0; empty where there are none.
  private let strata: [Int32]
  /// The order of one epoch's rows, kept because its batches are asked for one after another.
  private var order: [Int] = []
  private var orderedEpoch: Int?

  /// A batch larger than the data set is the whole data set, shuffled.
  package init(
    count: Int, batchSize: BatchSize, seed: UInt64, dropLast: Bool = false, block: Int = 1, strata: [Int32] = []
  ) {
    precondition(count > 0, "there are no rows to sample")
    precondition(block > 0, "a block has rows")
    precondition(strata.isEmpty || strata.count == count && block == 1, "strata are of single rows, and of all")
    self.count = count
    self.seed = seed
    self.dropLast = dropLast
    self.block = block
    self.strata = strata
    switch batchSize {
    case .full:
      isFull = true
      self.batchSize = count
    case .rows(let rows):
      precondition(rows > 0, "a batch has rows")
      isFull = false
      self.batchSize = min(rows, count)
    }
  }

  /// Rows of a batch on the rank that has most of them.
  package func largestShard(ranks: Int) -> Int { (batchSize + ranks - 1) / ranks }

  package var batchesPerEpoch: Int { dropLast ? count / batchSize : (count + batchSize - 1) / batchSize }

  /// Where the run's step number `step`, counted from 0, lies.
  package func position(ofStep step: Int) -> (epoch: Int, step: Int) {
    (epoch: step / batchesPerEpoch, step: step % batchesPerEpoch)
  }

  /// The rows of the epoch's batch number `step`, in their order.
  package mutating func batch(epoch: Int, step: Int) -> ArraySlice<Int> {
    precondition(epoch >= 0 && step >= 0 && step < batchesPerEpoch, "there is no such batch")
    if orderedEpoch != epoch {
      arrange(epoch)
      orderedEpoch = epoch
    }
    return order[step * batchSize..<min(count, (step + 1) * batchSize)]
  }

  /// Rank `rank`'s part of a batch or of any range: [rank · n/count, (rank + 1) · n/count), rounded down.
  ///
  /// The parts lie one after another, differ by at most one in size, and are empty where there are more ranks than rows.
  package static func shard(of range: Range<Int>, rank: Int, count: Int) -> Range<Int> {
    range.part(rank, of: count)
  }

  private mutating func arrange(_ epoch: Int) {
    if isFull && orderedEpoch != nil { return }
    // From the natural order each time: the order must not depend on the epochs before.
    if isFull {
      order = Array(0..<count)
      return
    }
    let blocks = (count + block - 1) / block
    order = Array(0..<blocks)
    var generator = SplitMix64(seed: seed, stream: UInt64(epoch))
    generator.shuffle(&order)
    if block > 1 { order = order.flatMap { $0 * block..<min(count, ($0 + 1) * block) } }
    if !strata.isEmpty { spread() }
  }

  /// Brings number k of the n rows of a stratum, in the present order, to (k + u)/n of the way through the epoch, with a u
  /// of [0, 1) for each stratum, the same in all epochs: systematic sampling within strata. Rows that come to one place keep
  /// their order.
  private mutating func spread() {
    var generator = SplitMix64(seed: seed, stream: .max)
    let sizes = strata.counts(below: Int(strata.max()!) + 1)
    let offsets = sizes.map { _ in generator.nextUniform() }
    var seen = sizes.map { _ in 0 }
    let places = order.map { row in
      let stratum = Int(strata[row])
      defer { seen[stratum] += 1 }
      let share = (Double(seen[stratum]) + offsets[stratum]) / Double(sizes[stratum])
      return min(count - 1, Int(share * Double(count)))
    }
    // A counting sort.
    var ends = Array(repeating: 0, count: count)
    for place in places { ends[place] += 1 }
    for place in 1..<count { ends[place] += ends[place - 1] }
    var spread = order
    for (row, place) in zip(order, places).reversed() {
      ends[place] -= 1
      spread[ends[place]] = row
    }
    order = spread
  }
}
