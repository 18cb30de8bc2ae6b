import LinearAlgebra

/// Assigns rows to batches: a pure function of (seed, epoch, step), the same on all ranks and for any number of ranks.
///
/// An epoch visits each row once, in the order of a Fisher–Yates shuffle by the generator number `epoch` of `seed`.
/// Where rows have strata, it then spreads each stratum evenly. The last batch is smaller, or left out with `dropLast`.
/// Full batches keep the natural order.
///
/// Where rows are read from a file on demand, *blocks* of consecutive rows are shuffled instead, each of which is read
/// at once, and rows are mixed within *windows* of T batches: place j of these batches holds the rows number jT ..< (j
/// + 1)T of the window, in random order. A batch then has one or two rows of a block of T rows, and a rank, whose
/// places are consecutive, still reads whole blocks.
package struct BatchSampler {
  /// The units in which rows are shuffled.
  package struct Shuffle: Equatable, Sendable {
    /// The number of rows in a block.
    package let block: Int
    /// T, the number of batches in a window.
    package let window: Int

    package init(block: Int = 1, window: Int = 1) {
      precondition(block > 0 && window > 0, "a block has rows, and a window batches")
      self.block = block
      // Single rows need no further mixing.
      self.window = block == 1 ? 1 : window
    }
  }

  /// The number of rows in the data set.
  package let count: Int
  /// The number of rows in a batch, except for the last of an epoch; at most `count`.
  package let batchSize: Int
  package let isFull: Bool
  package let seed: UInt64
  package let dropLast: Bool
  private let shuffle: Shuffle
  /// The stratum of each row, from 0; empty without strata.
  private let strata: [Int32]
  /// The order of the blocks in one epoch, cached because batches are requested in sequence.
  private var order: [Int] = []
  private var orderedEpoch: Int?
  /// The seed of the windows of that order, and the place of the file's last block.
  private var windowSeed: UInt64 = 0
  private var lastBlock = 0
  /// The places of one window's rows in that order, counted from its first row, batch after batch.
  private var mixed: (epoch: Int, window: Range<Int>, places: [Int])?

  /// A batch size above the size of the data set gives batches of the whole set, shuffled.
  package init(
    count: Int, batchSize: BatchSize, seed: UInt64, dropLast: Bool = false, shuffle: Shuffle = Shuffle(),
    strata: [Int32] = []
  ) {
    precondition(count > 0, "there are no rows to sample")
    precondition(strata.isEmpty || strata.count == count && shuffle.block == 1, "strata are of single rows, and of all")
    self.count = count
    self.seed = seed
    self.dropLast = dropLast
    self.shuffle = shuffle
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

  package var block: Int { shuffle.block }

  package var window: Int { shuffle.window }

  /// The number of rows of a batch on the rank that has the most.
  package func largestShard(ranks: Int) -> Int { (batchSize + ranks - 1) / ranks }

  package var batchesPerEpoch: Int { dropLast ? count / batchSize : (count + batchSize - 1) / batchSize }

  /// The epoch and the batch of the run's step number `step`, counted from 0.
  package func position(ofStep step: Int) -> (epoch: Int, step: Int) {
    (epoch: step / batchesPerEpoch, step: step % batchesPerEpoch)
  }

  /// The rows of batch number `step` of an epoch, in order.
  package mutating func batch(epoch: Int, step: Int) -> ArraySlice<Int> {
    precondition(epoch >= 0 && step >= 0 && step < batchesPerEpoch, "there is no such batch")
    arrange(epoch)
    if isFull || block == 1 { return order[positions(of: step..<step + 1)] }
    let start = window(of: step).lowerBound * batchSize
    return places(epoch: epoch, step: step).map { row(start + $0) }[...]
  }

  /// The batches of the window that contains batch number `step` of an epoch.
  package func window(of step: Int) -> Range<Int> {
    let start = step / window * window
    return start..<min(start + window, batchesPerEpoch)
  }

  /// The number of rows in batch number `step` of an epoch.
  package func size(of step: Int) -> Int { positions(of: step..<step + 1).count }

  /// The places of the rows of batches in an epoch's order.
  private func positions(of batches: Range<Int>) -> Range<Int> {
    batches.lowerBound * batchSize..<min(count, batches.upperBound * batchSize)
  }

  /// The rows with the numbers `range` in the block order of a window.
  package mutating func rows(_ range: Range<Int>, ofWindow batches: Range<Int>, epoch: Int) -> [Int] {
    arrange(epoch)
    let start = batches.lowerBound * batchSize
    return range.map { row(start + $0) }
  }

  /// The numbers, in the block order of a window, of the rows at the places `places` of its batches.
  package func range(at places: Range<Int>, ofWindow batches: Range<Int>) -> Range<Int> {
    rowCount(before: places.lowerBound, batches)..<rowCount(before: places.upperBound, batches)
  }

  /// The numbers, in the block order of the window, of a batch's rows.
  package mutating func places(epoch: Int, step: Int) -> ArraySlice<Int> {
    arrange(epoch)
    let batches = window(of: step)
    if mixed?.epoch != epoch || mixed?.window != batches { mixed = (epoch, batches, mix(batches)) }
    let start = batches.lowerBound * batchSize
    let batch = positions(of: step..<step + 1)
    return mixed!.places[batch.lowerBound - start..<batch.upperBound - start]
  }

  /// The part of a batch, or of any range, on rank `rank`: [rank · n/count, (rank + 1) · n/count), rounded down.
  ///
  /// The parts are consecutive, differ by at most one in size, and are empty on some ranks if there are more ranks than
  /// rows.
  package static func shard(of range: Range<Int>, rank: Int, count: Int) -> Range<Int> {
    range.part(rank, of: count)
  }

  private mutating func arrange(_ epoch: Int) {
    if orderedEpoch == epoch || isFull && orderedEpoch != nil { return }
    orderedEpoch = epoch
    // Each epoch starts from the natural order, so that its order does not depend on earlier epochs.
    if isFull {
      order = Array(0..<count)
      return
    }
    let blocks = (count + block - 1) / block
    order = Array(0..<blocks)
    var generator = SplitMix64(seed: seed, stream: UInt64(epoch))
    generator.shuffle(&order)
    windowSeed = generator.next()
    if block > 1 { lastBlock = order.firstIndex(of: blocks - 1)! }
    if !strata.isEmpty { spread() }
  }

  /// The row at a place of the current order.
  private func row(_ place: Int) -> Int {
    if block == 1 { return order[place] }
    // The file's last block may be smaller.
    let missing = (count + block - 1) / block * block - count
    let place = place < (lastBlock + 1) * block - missing ? place : place + missing
    return order[place / block] * block + place % block
  }

  /// The numbers of a window's rows in block order, batch after batch.
  private func mix(_ batches: Range<Int>) -> [Int] {
    var numbers = Array(repeating: 0, count: positions(of: batches).count)
    var generator = SplitMix64(seed: windowSeed, stream: UInt64(batches.lowerBound))
    for place in 0..<min(batchSize, numbers.count) {
      var own = Array(range(at: place..<place + 1, ofWindow: batches))
      generator.shuffle(&own)
      for (batch, number) in own.enumerated() { numbers[batch * batchSize + place] = number }
    }
    return numbers
  }

  /// The number of rows at places below `place` in a window's batches. The last batch of an epoch may have fewer
  /// places.
  private func rowCount(before place: Int, _ batches: Range<Int>) -> Int {
    place * (batches.count - 1) + min(place, size(of: batches.upperBound - 1))
  }

  /// Moves row number k of the n rows of a stratum, in the current order, to the fraction (k + u)/n of the epoch. Each
  /// stratum has one u in [0, 1) for all epochs: systematic sampling within strata. Rows with equal places keep their
  /// order.
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
    // Sort by counting.
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
