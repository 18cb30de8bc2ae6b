import Foundation

/// The event file of one process for TensorBoard, in the run directory. Only rank 0 has one.
///
/// While events arrive, they wait in memory for at most a second.
package final class TensorBoardLog {
  package let path: String
  private let descriptor: Int32
  private var waiting: [UInt8] = []
  private var lastFlush = ContinuousClock.now
  /// When the file began, by the clock on the wall and by one that never jumps.
  private let begin = (wall: Date().timeIntervalSince1970, steady: ContinuousClock.now)

  /// Creates the file in `folder`. With `resumingAt`, readers drop the events after that step in the files of earlier
  /// processes.
  package init(folder: String, host: String, resumingAt step: Int?) throws {
    // A folder that cannot be listed cannot be written to either, which opening the file reports.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let seconds = Self.seconds(after: names, now: Int(begin.wall))
    path = "\(folder)/\(Self.prefix)\(String(format: "%010d", seconds)).\(host).\(getpid())"
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for writing", code: errno) }
    waiting = TensorBoardEvent.version(time: now)
    if let step { waiting += TensorBoardEvent.start(time: now, step: step + 1) }
    try flush()
  }

  deinit { close(descriptor) }

  /// Adds scalars of a step; nil values are left out.
  package func add(_ scalars: [(tag: String, value: Double?)], step: Int) throws {
    try append(TensorBoardEvent.scalars(scalars, time: now, step: step))
  }

  /// Adds a histogram of a step.
  func add(_ tag: String, _ histogram: Histogram, step: Int) throws {
    try append(TensorBoardEvent.histogram(tag, histogram, time: now, step: step))
  }

  /// Writes the pending events.
  package func flush() throws {
    lastFlush = .now
    defer { waiting.removeAll(keepingCapacity: true) }
    try waiting.span.bytes.writeAll(to: descriptor, path: path)
  }

  private func append(_ record: [UInt8]) throws {
    waiting += record
    if waiting.count > 1 << 16 || ContinuousClock.now - lastFlush > .seconds(1) { try flush() }
  }

  private static let prefix = "events.out.tfevents."

  /// Seconds since 1970. Times in a file ascend, whatever happens to the clock on the wall.
  private var now: Double { begin.wall + (ContinuousClock.now - begin.steady) / .seconds(1) }

  /// The number in a new file's name. Readers take files in the order of their names, so it exceeds the numbers of all
  /// existing files, whatever the clock says.
  static func seconds(after names: [String], now: Int) -> Int {
    names.filter { $0.hasPrefix(prefix) }
      .compactMap { Int($0.dropFirst(prefix.count).prefix { $0 != "." }) }
      .reduce(now) { max($0, $1 + 1) }
  }
}
