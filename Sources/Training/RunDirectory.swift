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

  /// A new folder under `runs`, named after the configuration: `runs/digits`, then `runs/digits-2`, ….
  package static func unused(for configurationPath: String) -> RunDirectory {
    var number = 1
    while numbered(number, configurationPath).isUsed { number += 1 }
    return numbered(number, configurationPath)
  }

  /// The newest folder that `unused` gave out for this configuration; the first if there is none yet.
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
}
