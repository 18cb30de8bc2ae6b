import Foundation
import MPI

/// Rank 0's work: the terminal and the files of a run. On other ranks it does nothing.
package final class Coordinator {
  package let directory: RunDirectory
  private let communicator: Communicator
  private let console: Console
  private let metrics: MetricsLog?
  private let checkpoints: CheckpointWriter?

  /// A failure to write metrics or a checkpoint, kept until `settle`: the other ranks must learn of it.
  package private(set) var failure: (any Error)?

  /// Opens the files of a run. Collective.
  package init(
    _ directory: RunDirectory, _ configuration: Configuration, resumingAt step: Int?, over communicator: Communicator
  ) throws {
    self.directory = directory
    self.communicator = communicator
    console = Console(communicator.rank == 0 ? configuration.logging.progress : .none, launched: communicator.size > 1)
    metrics = try communicator.onRoot { try MetricsLog(path: directory.metrics, resumingAt: step) }
    checkpoints =
      communicator.rank == 0 ? CheckpointWriter(directory.checkpoints, keep: configuration.checkpoint.keep) : nil
  }

  deinit { checkpoints?.end() }

  /// Prints a line on the terminal.
  package func say(_ line: String) {
    if communicator.rank == 0 { console.say(line) }
  }

  /// Shows where the run is.
  package func show(_ progress: @autoclosure () -> String, isMilestone: Bool = false) {
    console.show(progress, isMilestone: isMilestone)
  }

  /// Appends an event to the metrics. A failure waits for `settle`.
  package func record(_ event: @autoclosure () -> some Encodable) {
    guard let metrics, failure == nil else { return }
    do { try metrics.write(event()) } catch { failure = error }
  }

  /// Throws on every rank what has failed on rank 0. Collective.
  package func settle() throws {
    try communicator.onRoot { if let failure { throw failure } }
  }

  /// Begins to write a checkpoint of `contents`, which is called at once. Local: a failure waits for `settle`.
  package func beginCheckpoint(step: Int, _ contents: () -> TensorFile) {
    guard let checkpoints, failure == nil else { return }
    checkpoints.begin(step: step, contents())
  }

  /// Takes note of the checkpoints that have been written. Local.
  package func noteCheckpoints() {
    guard let checkpoints else { return }
    do {
      for written in try checkpoints.collect() {
        record(MetricsEvent.Checkpoint(step: written.step, path: written.path, seconds: written.seconds))
      }
    } catch {
      failure = failure ?? error
    }
  }

  /// Waits for the checkpoint that is being written, if any. Local: a failure waits for `settle`.
  package func finishCheckpoints() {
    checkpoints?.wait()
    noteCheckpoints()
  }

  /// Writes a file on rank 0; all ranks fail together. Collective.
  package func write(_ body: () throws -> Void) throws {
    try communicator.onRoot(body)
  }
}

extension Communicator {
  /// The result of `body` on rank 0, nil elsewhere. An error is thrown on every rank. Collective.
  @discardableResult
  package func onRoot<Value>(_ body: () throws -> Value) throws -> Value? {
    do {
      return try collectively { rank == 0 ? try body() : nil }
    } catch let failure as CollectiveFailure {
      // Only rank 0 could fail: that it did says nothing.
      throw failure.withoutOrigin
    }
  }
}
