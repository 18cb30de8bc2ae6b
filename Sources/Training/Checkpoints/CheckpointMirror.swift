import Datasets
import Dispatch
import Foundation
import Synchronization

/// A second place for the checkpoints of a run: in the folder `checkpoint.mirror` one with the name of the run directory, which has
/// the files of a run directory itself. Only rank 0 has one.
///
/// What has reached the run directory is copied by a thread of its own. Where that is slower than checkpoints come, those that the
/// run directory does not keep are left out; where it fails, the run goes on.
package final class CheckpointMirror: Sendable {
  /// What became of a copy.
  struct Copy: Sendable {
    let step: Int
    let path: String
    /// How many seconds it took.
    let result: Result<Double, any Error>
  }

  package let directory: RunDirectory
  private let run: RunDirectory
  private let options: Configuration.CheckpointOptions
  private let hostname: String

  private struct State {
    /// Whether a run that is in the folder is to go on.
    var isResuming = false
    var lock: RunLock?
    /// What `config.yaml` of the run says, until the folder has it.
    var configuration: String?
    var isCopying = false
    /// What is to be copied.
    var waiting: [CheckpointFiles.Checkpoint] = []
    var copies: [Copy] = []
  }
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "fgn-dist.mirror")

  /// The mirror of a run; nil where none is asked for. Throws exit code 64 for one that would be lost with the run directory.
  package init?(
    of run: RunDirectory, _ options: Configuration.CheckpointOptions, hostname: String
  ) throws(ConfigurationError) {
    guard let folder = options.mirror else { return nil }
    directory = Self.directory(in: folder, of: run)
    let (own, mirrored) = (withoutLinks(run.path), withoutLinks(directory.path))
    guard !"\(mirrored)/".hasPrefix("\(own)/") else {
      throw ConfigurationError(
        key: "checkpoint.mirror",
        "\(folder) puts the copies into the run directory \(run.path) itself; name a folder on another disk")
    }
    (self.run, self.options, self.hostname) = (run, options, hostname)
  }

  /// The folder of a run in a mirror.
  package static func directory(in mirror: String, of run: RunDirectory) -> RunDirectory {
    RunDirectory(path: "\(mirror)/\(URL(fileURLWithPath: run.path).standardizedFileURL.lastPathComponent)")
  }

  /// Creates and locks the folder, unless that is done. Where a disk does not let that happen, each copy tries it again.
  ///
  /// - Throws: exit code 64 if another job has it, or if it holds a run and this one does not go on with it.
  package func begin(resuming: Bool, step: Int = 0) throws {
    state.withLock { $0.isResuming = resuming }
    do {
      try lock()
    } catch let error as StorageError {
      tell(Copy(step: step, path: directory.path, result: .failure(error)))
    }
  }

  /// Takes what `config.yaml` of the run says, for the first copy.
  package func take(configuration text: String) { state.withLock { $0.configuration = text } }

  private func lock() throws {
    let (lock, isResuming) = state.withLock { ($0.lock, $0.isResuming) }
    if lock != nil { return }
    let new =
      try isResuming && directory.isUsed
      ? RunLock(directory, hostname: hostname, patience: RunLock.patienceWithLostHosts)
      : directory.begin(resuming: isResuming, hostname: hostname)
    state.withLock { $0.lock = new }
  }

  /// Copies a checkpoint of the run directory, after those before. Returns at once.
  package func copy(_ checkpoint: CheckpointFiles.Checkpoint) {
    let isIdle = state.withLock { state in
      state.waiting = (state.waiting + [checkpoint]).suffix(options.keep)
      defer { state.isCopying = true }
      return !state.isCopying
    }
    if isIdle { queue.async { self.work() } }
  }

  private func work() {
    while let checkpoint = takeNext() {
      let files = directory.checkpoints
      let path = files.path(step: checkpoint.step)
      let result = timed {
        try files.create()
        try AtomicFile.copy(checkpoint.path, to: path)
        try files.abandonLater(than: checkpoint.step)
        try files.finish(path, options, soundStep: RunState.soundStep(of: Safetensors.header(path: path)))
      }
      // The run directory has newer ones, which come next.
      if case .failure(let error as StorageError) = result, error.kind == .missing { continue }
      tell(Copy(step: checkpoint.step, path: path, result: result))
    }
  }

  private func takeNext() -> CheckpointFiles.Checkpoint? {
    state.withLock { state in
      state.isCopying = !state.waiting.isEmpty
      return state.isCopying ? state.waiting.removeFirst() : nil
    }
  }

  /// Copies the model of the run directory, which it has after `step`. Returns when that is done.
  func copyModel(step: Int) {
    queue.sync {
      let result = timed { try AtomicFile.copy(run.model, to: directory.model) }
      tell(Copy(step: step, path: directory.model, result: result))
    }
  }

  /// Copies in the locked folder, which gets the configuration first; returns the seconds that it took.
  private func timed(_ body: () throws -> Void) -> Result<Double, any Error> {
    Result {
      let start = ContinuousClock.now
      try lock()
      if let text = state.withLock({ $0.configuration }) {
        try AtomicFile.write(directory.configuration) { try $0.write(text) }
        state.withLock { $0.configuration = nil }
      }
      try body()
      return (ContinuousClock.now - start) / .seconds(1)
    }
  }

  private func tell(_ copy: Copy) { state.withLock { $0.copies.append(copy) } }

  /// Returns when nothing is being copied.
  func wait() { queue.sync {} }

  /// What has been copied, or failed to be, since the last call.
  func collect() -> [Copy] {
    state.withLock { state in
      defer { state.copies = [] }
      return state.copies
    }
  }
}
