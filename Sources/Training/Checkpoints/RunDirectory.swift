import Foundation

/// The folder of one run: `config.yaml`, `metrics.jsonl`, `checkpoints/`, `lock` and at the end `model.safetensors`.
package struct RunDirectory: Equatable, Sendable {
  package let path: String

  package var configuration: String { "\(path)/config.yaml" }
  package var metrics: String { "\(path)/metrics.jsonl" }
  package var lock: String { "\(path)/lock" }
  package var model: String { "\(path)/model.safetensors" }
  package var checkpoints: CheckpointFiles { CheckpointFiles(folder: "\(path)/checkpoints") }

  package init(path: String) {
    self.path = path
  }

  /// The run that a checkpoint belongs to.
  package init(ofCheckpoint checkpoint: String) {
    let folder = URL(fileURLWithPath: checkpoint).deletingLastPathComponent()
    path = (folder.lastPathComponent == "checkpoints" ? folder.deletingLastPathComponent() : folder).relativePath
  }

  /// Whether a run has begun here.
  package var isUsed: Bool {
    [metrics, model, checkpoints.folder].contains { FileManager.default.fileExists(atPath: $0) }
  }

  /// Makes a new folder under `runs`, named after the configuration, and locks it: `runs/digits`, then `runs/digits-2`, ….
  ///
  /// Of jobs that begin at once each has its own: what counts is who has the lock, not who has looked first.
  package static func begin(
    for configurationPath: String, hostname: String
  ) throws -> (directory: RunDirectory, lock: RunLock) {
    var number = 0
    while true {
      number += 1
      let directory = numbered(number, configurationPath)
      if directory.isUsed { continue }
      do {
        return (directory, try directory.begin(resuming: false, hostname: hostname, patience: .zero))
      } catch is ConfigurationError {
        // Another job has been faster.
      }
    }
  }

  /// The newest folder that `begin` gave out for this configuration; the first if there is none yet.
  package static func newest(for configurationPath: String) -> RunDirectory {
    var number = 1
    while numbered(number + 1, configurationPath).isUsed { number += 1 }
    return numbered(number, configurationPath)
  }

  private static func numbered(_ number: Int, _ configurationPath: String) -> RunDirectory {
    let stem = URL(fileURLWithPath: configurationPath).deletingPathExtension().lastPathComponent
    return RunDirectory(path: "runs/\(stem)" + (number == 1 ? "" : "-\(number)"))
  }

  /// Makes the folder. Throws exit code 74, or 64 if it holds a run already and this is to be a new one.
  package func create(resuming: Bool) throws {
    if !resuming && isUsed {
      throw ConfigurationError(
        source: path, "already holds a run; add --resume to go on with it, or choose another --run-directory")
    }
    try createFolder(path, remedy: "correct the permissions or choose another --run-directory")
  }

  /// Makes the folder for a run that begins here, and locks it. Throws as `create` and `RunLock` do, and exit code 64 if
  /// another job has begun a run here meanwhile.
  package func begin(
    resuming: Bool, hostname: String, patience: Duration = RunLock.patience
  ) throws -> RunLock {
    try create(resuming: resuming)
    let lock = try RunLock(self, hostname: hostname, patience: patience)
    guard !isUsed else {
      throw ConfigurationError(
        source: path,
        "has just got a run by another job; add --resume to go on with it, or choose another --run-directory")
    }
    return lock
  }
}
