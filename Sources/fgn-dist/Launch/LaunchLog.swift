import Foundation
import Supervision
import Training

/// What a supervisor says: lines on standard error, and `launch.jsonl`.
final class LaunchLog {
  private let path: String
  private var file: MetricsLog

  init(_ directory: RunDirectory) throws {
    path = directory.launches
    file = try MetricsLog(path: path, resumingAt: nil)
  }

  /// The beginning of an attempt.
  struct Attempt: Encodable {
    let event = "attempt"
    let time = LaunchLog.now
    var attempt: Int
    var hosts: [String]
    var ranks: Int
    /// The newest checkpoint; nil where there is none yet.
    @Nullable var step: Int?
  }

  /// The end of an attempt.
  struct End: Encodable {
    let event = "end"
    let time = LaunchLog.now
    var attempt: Int
    var code: Int32
    var cause: Cause
    @Nullable var detail: String?
    @Nullable var host: String?
    /// The newest checkpoint, and the last step that was logged.
    @Nullable var step: Int?
    @Nullable var reached: Int?
    var seconds: Double
    /// Seconds until the next attempt; nil where there is none.
    @Nullable var delay: Double?
  }

  /// A host that is left out, or is back.
  struct Host: Encodable {
    let event = "host"
    let time = LaunchLog.now
    var host: String
    @Nullable var problem: String?
  }

  private static var now: String { Date.now.formatted(.iso8601) }

  /// Appends an event. A log that cannot be written is no reason to end: the disk may be what the run recovers from.
  func write(_ event: some Encodable) {
    do {
      // Somebody may have removed it with the run directory.
      if !FileManager.default.fileExists(atPath: path) { file = try MetricsLog(path: path, resumingAt: nil) }
      try file.write(event)
    } catch {
      say("\(path) has a gap: \(error)")
    }
  }

  func say(_ line: String) { Job.remark("launch: \(line)") }
}
