import Datasets
import Dispatch
import Glibc
import Networks

/// Reads rows that do not stay in memory before they are needed, while steps compute: one step ahead through the
/// system's page cache, or, where rows are in blocks, one window of batches ahead and past the page cache.
///
/// Where it is not known in advance that the examples do not stay in memory, reading ahead starts when page faults show
/// it, and then one step ahead.
struct ReadAhead {
  /// The number of rows per page fault above which faults do not count.
  private static let tolerance = 16

  private let features: Features
  private let matrix: FeatureMatrix?
  private let partition: RowPartition
  private let steps: Int
  private let queue = DispatchQueue(label: "read ahead")
  /// A copy for looking ahead, so that the trainer's sampler keeps its cached order.
  private var sampler: BatchSampler
  /// Whether rows are read ahead.
  private(set) var isOn: Bool
  /// The step whose rows are being prefetched.
  private var prefetched: Int?
  /// Whether windows are read.
  private let hasWindows: Bool
  /// The readers of a window's rows, by its first step: one for the current window, one for the next.
  private var readers: [Int: RowReader] = [:]
  /// The current window's first step and its rows.
  private var window: (start: Int, rows: FeatureMatrix)?

  /// Reads ahead in a run of `steps` steps on the training examples, `rows`: their features, or what else the rows of
  /// files have.
  init(_ rows: Features, of data: TrainingData, _ sampler: BatchSampler, _ partition: RowPartition, steps: Int) {
    features = rows
    matrix = features.matrix.flatMap { $0.isMapped && !sampler.isFull ? $0 : nil }
    self.sampler = sampler
    self.partition = partition
    self.steps = steps
    isOn = data.exceedsMemory && matrix != nil
    hasWindows = isOn && Self.windowSize(data, sampler) > 0
    matrix?.expectRandomAccess()
  }

  /// Bytes of a window of features and probabilities over all ranks; 0 where none is read.
  static func windowSize(_ data: TrainingData, _ sampler: BatchSampler) -> Int {
    guard data.exceedsMemory, sampler.block > 1, !sampler.isFull, let rowSize = data.train.rowSize else { return 0 }
    let size = sampler.window * sampler.batchSize * rowSize
    // Two windows are in memory.
    return size <= data.memory / 4 ? size : 0
  }

  /// Bytes of the windows that a rank has in memory: its part of the present one and of the next.
  static func memorySize(_ data: TrainingData, _ sampler: BatchSampler, _ partition: RowPartition) -> Int {
    2 * (windowSize(data, sampler) / sampler.batchSize * partition.capacity(of: sampler.batchSize))
  }

  /// Calls `body` with features, and the rows among them that are this rank's `rows` of step `step`.
  mutating func read<Result>(
    _ rows: ArraySlice<Int>, step: Int, _ body: (Features, ArraySlice<Int>) throws -> Result
  ) throws -> Result {
    guard let matrix else { return try body(features, rows) }
    if hasWindows {
      return if let (window, places) = try readWindow(matrix, step) {
        try body(.dense(window), places)
      } else {
        try body(features, rows)
      }
    }
    if isOn, prefetched != step { prefetch(rows) }
    let before = isOn ? 0 : majorFaults()
    let result = try body(features, rows)
    if !isOn { isOn = (majorFaults() - before) * Self.tolerance > rows.count }
    if isOn, step + 1 < steps {
      let (epoch, batch) = sampler.position(ofStep: step + 1)
      prefetch(partition.own(of: sampler.batch(epoch: epoch, step: batch)))
      prefetched = step + 1
    }
    return result
  }

  /// This rank's rows of a window, and the indices of a step's rows among them. nil if the rank has other rows in that
  /// step, as in a smaller last batch of an epoch.
  private mutating func readWindow(_ matrix: FeatureMatrix, _ step: Int) throws -> (FeatureMatrix, ArraySlice<Int>)? {
    let (epoch, batch) = sampler.position(ofStep: step)
    let batches = sampler.window(of: batch)
    let start = step - (batch - batches.lowerBound)
    if window?.start != start {
      let reader = readers[start] ?? begin(RowReader(matrix), start)
      let next = start + batches.count
      let free = readers.first { $0.key != start }?.value ?? RowReader(matrix)
      window = (start, try reader.finish())
      readers = [start: reader]
      if next < steps { readers[next] = begin(free, next) }
    }
    guard let window, reads(batch) else { return nil }
    let first = ownRange(batches).lowerBound
    return (window.rows, partition.own(of: sampler.places(epoch: epoch, step: batch)).map { $0 - first }[...])
  }

  /// Starts reading this rank's rows of the window whose first step is `start`.
  private mutating func begin(_ reader: RowReader, _ start: Int) -> RowReader {
    let (epoch, batch) = sampler.position(ofStep: start)
    let batches = sampler.window(of: batch)
    reader.begin(sampler.rows(ownRange(batches), ofWindow: batches, epoch: epoch))
    // Only the last batch of an epoch can have other places.
    let last = batches.upperBound - 1
    if !reads(last) { prefetch(partition.own(of: sampler.batch(epoch: epoch, step: last))) }
    return reader
  }

  /// Whether the window that this rank reads contains its rows of a batch: their places must be among those of a full
  /// batch.
  private func reads(_ batch: Int) -> Bool {
    let own = partition.rows(of: sampler.size(of: batch))
    return own.clamped(to: partition.rows(of: sampler.batchSize)).count == own.count
  }

  /// This rank's rows of a window, as numbers in block order.
  private func ownRange(_ batches: Range<Int>) -> Range<Int> {
    sampler.range(at: partition.rows(of: sampler.batchSize), ofWindow: batches)
  }

  /// Asks the system to start reading rows. This happens on another thread: issuing thousands of requests takes longer
  /// than many steps.
  private func prefetch(_ rows: ArraySlice<Int>) {
    guard let matrix else { return }
    // The file's pages are only requested; nobody writes to them.
    nonisolated(unsafe) let pages = matrix
    queue.async { pages.prefetch(rows) }
  }

  /// The number of page faults of this process that waited for a disk.
  private func majorFaults() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_majflt
  }
}
