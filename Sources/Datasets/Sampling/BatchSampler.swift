import LinearAlgebra

/// Which rows make up which batch: a pure function of (seed, epoch, step), the same on every rank and for every number
/// of ranks.
///
/// An epoch visits every row once, in the order of a Fisher–Yates shuffle by the generator number `epoch` of `seed`; where
/// rows have strata, it then spreads each stratum evenly. Its last batch is smaller unless `dropLast`. Full batches keep the
/// natural order.
///
/// Where rows are read from a file as they are needed, *blocks* of consecutive rows are shuffled instead, which are read at
/// once, and batches are mixed in *windows* of T batches: place j of these batches has the rows number jT ..< (j + 1)T of the
/// window, in random order. A batch then has one or two rows of a block of T rows, and a rank, whose places are consecutive,
/// still reads whole blocks.
package struct BatchSampler {
  /// Rows in the data set.
  package let count: Int
  /// Rows in a batch other than the last of an epoch, at most `count`.
  package let batchSize: Int
  package let isFull: Bool
  package let seed: UInt64
  package let dropLast: Bool
  /// Rows of a block.
  package let block: Int
  /// T, batches of a window.
  package let window: Int
  /// The stratum of each row, from 0; empty where there are none.
  private let strata: [Int32]
  /// The order of one epoch's blocks, kept because its batches are asked for one after another.
  private var order: [Int] = []
  private var orderedEpoch: Int?
  /// Of that order, the seed of its windows, and the place of the file's last block.
  private var windowSeed: UInt64 = 0
  private var lastBlock = 0
  /// Where the rows of one window are in that order, counted from its first, batch after batch.
  private var mixed: (epoch: Int, window: Range<Int>, places: [Int])?

  /// A batch larger than the data set is the whole data set, shuffled.
  package init(
    count: Int, batchSize: BatchSize, seed: UInt64, dropLast: Bool = false, block: Int = 1, window: Int = 1,
    strata: [Int32] = []
  ) {
    precondition(count > 0, "there are no rows to sample")
    precondition(block > 0 && window > 0, "a block has rows, and a window batches")
    precondition(strata.isEmpty || strata.count == count && block == 1, "strata are of single rows, and of all")
    self.count = count
    self.seed = seed
    self.dropLast = dropLast
    self.block = block
    // Single rows are mixed enough.
    self.window = block == 1 ? 1 : window
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
    arrange(epoch)
    if isFull || block == 1 { return order[positions(of: step..<step + 1)] }
    let start = window(of: step).lowerBound * batchSize
    return places(epoch: epoch, step: step).map { row(start + $0) }[...]
  }

  /// The batches of the window that has the epoch's batch number `step`.
  package func window(of step: Int) -> Range<Int> {
    let start = step / window * window
    return start..<min(start + window, batchesPerEpoch)
  }

  /// Rows of the epoch's batch number `step`.
  package func size(of step: Int) -> Int { positions(of: step..<step + 1).count }

  /// Where the rows of batches are in an epoch's order.
  private func positions(of batches: Range<Int>) -> Range<Int> {
    batches.lowerBound * batchSize..<min(count, batches.upperBound * batchSize)
  }

  /// The rows of a window that have the numbers `range` in the order of its blocks.
  package mutating func rows(_ range: Range<Int>, ofWindow batches: Range<Int>, epoch: Int) -> [Int] {
    arrange(epoch)
    let start = batches.lowerBound * batchSize
    return range.map { row(start + $0) }
  }

  /// The numbers, in the order of a window's blocks, of the rows at the places `places` of its batches.
  package func range(at places: Range<Int>, ofWindow batches: Range<Int>) -> Range<Int> {
    rowCount(before: places.lowerBound, batches)..<rowCount(before: places.upperBound, batches)
  }

  /// The numbers, in the order of its window's blocks, of the rows of a batch.
  package mutating func places(epoch: Int, step: Int) -> ArraySlice<Int> {
    arrange(epoch)
    let batches = window(of: step)
    if mixed?.epoch != epoch || mixed?.window != batches { mixed = (epoch, batches, mix(batches)) }
    let start = batches.lowerBound * batchSize
    let batch = positions(of: step..<step + 1)
    return mixed!.places[batch.lowerBound - start..<batch.upperBound - start]
  }

  /// Rank `rank`'s part of a batch or of any range: [rank · n/count, (rank + 1) · n/count), rounded down.
  ///
  /// The parts lie one after another, differ by at most one in size, and are empty where there are more ranks than rows.
  package static func shard(of range: Range<Int>, rank: Int, count: Int) -> Range<Int> {
    range.part(rank, of: count)
  }

  private mutating func arrange(_ epoch: Int) {
    if orderedEpoch == epoch || isFull && orderedEpoch != nil { return }
    orderedEpoch = epoch
    // From the natural order each time: the order must not depend on the epochs before.
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

  /// The row at a place of the present order.
  private func row(_ place: Int) -> Int {
    if block == 1 { return order[place] }
    // The file's last block may have fewer rows than the others.
    let missing = (count + block - 1) / block * block - count
    let place = place < (lastBlock + 1) * block - missing ? place : place + missing
    return order[place / block] * block + place % block
  }

  /// The numbers of a window's rows in the order of its blocks, batch after batch.
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

  /// Rows of a window's batches at the places before `place`. An epoch's last batch may have fewer places than the others.
  private func rowCount(before place: Int, _ batches: Range<Int>) -> Int {
    place * (batches.count - 1) + min(place, size(of: batches.upperBound - 1))
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
