import Datasets
import Foundation

/// The folder of one run: `config.yaml`, `metrics.jsonl`, `checkpoints/`, `lock`, and at the end `model.safetensors`.
package struct RunDirectory: Equatable, Sendable {
  package let path: String

  package var configuration: String { "\(path)/config.yaml" }
  package var metrics: String { "\(path)/metrics.jsonl" }
  /// The record of a search, whose folder also has the files of the run that trains the chosen setting.
  package var search: String { "\(path)/tune.json" }
  /// The picture of a search.
  package var searchFigure: String { "\(path)/tune.svg" }
  /// The runs of a search.
  package var trials: String { "\(path)/trials" }
  package var lock: String { "\(path)/lock" }
  /// The attempts of a supervisor.
  package var launches: String { "\(path)/launch.jsonl" }
  /// Keeps other supervisors out.
  package var launchLock: String { "\(path)/launch.lock" }
  /// There once the ranks of an attempt have met.
  package var started: String { "\(path)/launch.started" }
  package var model: String { "\(path)/model.safetensors" }
  package var checkpoints: CheckpointFiles { CheckpointFiles(folder: "\(path)/checkpoints") }

  /// A `~` at the start of `path` is the home folder, as wherever files are named.
  package init(path: String) {
    self.path = expandingTilde(path)
  }

  /// The directory of the run that a checkpoint belongs to.
  package init(ofCheckpoint checkpoint: String) {
    let folder = URL(fileURLWithPath: checkpoint).deletingLastPathComponent()
    path = (folder.lastPathComponent == "checkpoints" ? folder.deletingLastPathComponent() : folder).relativePath
  }

  /// Whether a run has begun in this directory.
  package var isUsed: Bool {
    [metrics, model, checkpoints.folder, search, trials].contains { FileManager.default.fileExists(atPath: $0) }
  }

  /// Whether a search has begun in this directory.
  package var isSearched: Bool { FileManager.default.fileExists(atPath: search) }

  /// Whether it has runs of a search.
  package var hasTrials: Bool { FileManager.default.fileExists(atPath: trials) }

  /// Creates and locks a new folder under `runs`, named after the configuration: `runs/digits`, then `runs/digits-2`,
  /// ….
  ///
  /// Jobs that begin at the same time get different folders: the holder of the lock has the folder, not the first to
  /// look.
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
        // Another job was faster.
      }
    }
  }

  /// The newest folder of `begin` for this configuration; the first name if there is none yet.
  package static func newest(for configurationPath: String) -> RunDirectory {
    var number = 1
    while numbered(number + 1, configurationPath).isUsed { number += 1 }
    return numbered(number, configurationPath)
  }

  private static func numbered(_ number: Int, _ configurationPath: String) -> RunDirectory {
    let stem = URL(fileURLWithPath: configurationPath).deletingPathExtension().lastPathComponent
    return RunDirectory(path: "runs/\(stem)" + (number == 1 ? "" : "-\(number)"))
  }

  /// Creates the folder. Throws exit code 74, or 64 if it holds a run and a new one is to begin.
  package func create(resuming: Bool) throws {
    if !resuming && isUsed {
      throw ConfigurationError(
        source: path, "already holds a run; add --resume to go on with it, or choose another --run-directory")
    }
    try createFolder(path, remedy: "correct the permissions or choose another --run-directory")
  }

  /// Writes `config.yaml`, and returns its text. A run that was finished before keeps the one that it has; throws exit code 64 if
  /// it is not the newest one here.
  @discardableResult
  package func describe(_ configuration: Configuration, finished state: RunState?) throws -> String {
    try state?.checkNewest(in: self)
    if state != nil, let old = FileManager.default.contents(atPath: self.configuration) {
      return String(decoding: old, as: UTF8.self)
    }
    let text = (state?.saved ?? configuration).yaml
    try AtomicFile.write(self.configuration) { try $0.write(text) }
    return text
  }

  /// Removes what a run has left: its checkpoints, model, metrics and configuration.
  package func removeRun() throws(StorageError) {
    try checkpoints.removeAll()
    for file in [model, metrics, configuration] { try CheckpointFiles.remove(file) }
  }

  /// Creates and locks the folder for a run that begins here. Throws the errors of `create` and `RunLock`, and exit
  /// code 64 if another job has begun a run here meanwhile.
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
