import Foundation
import GaussNewton
import MPI

/// Where a run goes back to once its numbers are not finite, to go on from there at half the rate.
package struct Retreat: Equatable, Sendable {
  /// The path of the checkpoint; empty for the start of the run.
  package let checkpoint: String
  package let step: Int
  /// How often the run has backed off, this time included.
  let count: Int
  /// What has happened, for people.
  let text: String
}

extension Trainer {
  /// A run as it has been prepared, which may come back from a divergence. Collective.
  package convenience init(
    _ run: RunPreparation, _ coordinator: Coordinator, after retreat: Retreat? = nil, over communicator: Communicator
  ) throws {
    try self.init(run.configuration, run.data, run.network, coordinator, resuming: run.state, over: communicator)
    guard let retreat else { return }
    coordinator.warn([Warning(kind: .divergence, text: retreat.text)], step: step)
    backOff.retreat(to: step, count: retreat.count)
    savedStep = nil
  }

  /// Trains to the end, or until a signal asks any rank to stop; also until the run is to go back, since its numbers are not
  /// finite and it may back off. Collective.
  package func run() throws -> Outcome {
    do {
      return try train()
    } catch let failure as CollectiveFailure where hasDiverged {
      return .backsOff(try retreat(from: failure))
    }
  }

  /// Whether the run has ended since its numbers were not finite.
  package var hasDiverged: Bool { divergence != nil }

  /// Takes in the loss of the last step's batch, before the state after it can be saved.
  func observe(_ report: StepReport) {
    if backsOff { backOff.observe(loss: report.loss, at: step - 1, classes: data.classCount) }
  }

  private var backsOff: Bool { configuration.training.onDivergence.kind == .backOff }

  /// The loss above which the run has diverged.
  var lossLimit: Double { backsOff ? backOff.lossLimit(classes: data.classCount) : .infinity }

  /// Throws if the report of the last step shows that the run has diverged.
  func check(_ report: StepReport, rate: Double) throws {
    guard let divergence = Divergence(report, step: step, rate: rate, lossLimit: lossLimit, Scalar.self) else { return }
    coordinator.flush()
    throw failure(divergence)
  }

  /// What the run goes back to from its divergence; throws why it does not. Collective.
  private func retreat(from failure: CollectiveFailure) throws -> Retreat {
    guard backsOff, var divergence else { throw failure }
    let (count, limit) = (backOff.count + 1, configuration.training.onDivergence.limit)
    if count > limit {
      divergence.obstacle = "all back-offs that training.on_divergence.limit allows (\(limit)) are spent"
    } else if backOff.firstLoss == nil, origin == nil {
      divergence.obstacle = "a run cannot back off from the parameters that it begins with"
    }
    if divergence.obstacle != nil { throw CollectiveFailure(divergence) }
    // A failure to write ends the run.
    try coordinator.settle()
    let found = try communicator.onRoot { try findCheckpoint(upTo: backOff.soundStep) }
    let step = try communicator.broadcast(found??.step ?? 0)
    return Retreat(
      checkpoint: try communicator.broadcast(found??.path ?? ""), step: step, count: count,
      text:
        "step \(divergence.step): \(divergence.sign); the run backs off (\(count) of at most \(limit)): it goes back to "
        + "step \(step), and on at \(BackOff(count: count))")
  }

  /// The checkpoint to go back to, of a step up to `last`; nil for the start of the run. On rank 0.
  private func findCheckpoint(upTo last: Int) throws -> CheckpointFiles.Checkpoint? {
    // Those of later steps are of a course that a resume has given up.
    let newest = max(coordinator.newestCheckpoint ?? 0, origin?.step ?? 0)
    let (files, mirror) = (coordinator.directory.checkpoints, coordinator.mirror?.directory.checkpoints)
    let every = configuration.checkpoint.every
    if let found = try files.retreat(upTo: min(last, newest), every: every, mirror: mirror) { return found }
    // It may be in another folder.
    return origin.flatMap { origin in
      let isRegular = every == 0 || origin.step.isMultiple(of: every)
      return isRegular && origin.step <= last && FileManager.default.fileExists(atPath: origin.path) ? origin : nil
    }
  }
}
