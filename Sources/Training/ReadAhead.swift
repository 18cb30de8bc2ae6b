import Datasets
import Dispatch
import Glibc

/// Has the rows of a batch read from their file while the step before it computes, once it turns out that they do not stay in
/// memory: many small reads take less time together than one after another. Where all rows are in memory nothing is done.
struct ReadAhead {
  /// In rows, of which so many may wait for their page before it counts.
  private static let tolerance = 16

  private let matrix: FeatureMatrix?
  private let queue = DispatchQueue(label: "read ahead")
  /// Whether rows have been seen to be missing.
  private(set) var isOn = false

  init(_ features: Features) {
    matrix = features.matrix.flatMap { $0.isMapped ? $0 : nil }
    matrix?.expectRandomAccess()
  }

  /// Has the system begin to read rows. That takes a thread of its own: with thousands of reads, to ask for them takes longer
  /// than many a step.
  func prefetch(_ rows: some Collection<Int>) {
    guard let matrix else { return }
    // The file's pages are only asked for, and nobody writes to them.
    nonisolated(unsafe) let pages = matrix
    let rows = Array(rows)
    queue.async { pages.prefetch(rows) }
  }

  /// Runs `body`, which reads `rows` rows, and looks whether pages of theirs were missing.
  mutating func watch<Result>(_ rows: Int, _ body: () throws -> Result) rethrows -> Result {
    guard matrix != nil, !isOn else { return try body() }
    let before = majorFaults()
    defer { isOn = (majorFaults() - before) * Self.tolerance > rows }
    return try body()
  }

  /// Page faults of this process that waited for a disk.
  private func majorFaults() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_majflt
  }
}
