import LinearAlgebra
import Networks

/// The best model of a run that goes on.
extension RunState {
  /// The beginning of the names of the best parameters in a checkpoint.
  static let bestPrefix = "best."

  /// The selection to go on with, and a remark for the user where it is not that of the checkpoint. A run without a step
  /// to take keeps what it has.
  package func selection(_ data: TrainingData) -> (selection: ModelSelection?, note: String?) {
    let old = progress.selection
    if isDone(data) { return (old, nil) }
    let training = configuration.training
    guard data.validation != nil else {
      return (nil, old.map { _ in "note: without data.validation, \(contents.path) goes on without a best model" })
    }
    func anew(_ reason: String) -> (ModelSelection?, String?) {
      (
        ModelSelection(by: training.bestBy),
        "note: the best model is sought anew from step \(progress.step) on, for \(reason)"
      )
    }
    guard let old else { return anew("\(contents.path) is from a run without data.validation") }
    if old.criterion != training.bestBy {
      return anew("training.best_by is \(training.bestBy.rawValue) and was \(old.criterion.rawValue)")
    }
    if progress.validation != data.validationChecksum.map(Self.text) {
      return anew("data.validation has other examples than before")
    }
    if training.keep == .best, saved.training.keep == .last, let best = old.best, best.step != progress.step {
      return anew("training.keep is best and was last, so that the parameters of step \(best.step) are gone")
    }
    return (old, nil)
  }

  /// The parameters of the best step of `selection`, which goes on from this checkpoint; those of its own model where that
  /// is the best one, or none is yet.
  func bestParameters<Scalar: BLASScalar>(
    of network: Network, _ selection: ModelSelection?
  ) throws -> Vector<Scalar> {
    guard let best = selection?.best, best.step != progress.step else {
      return try ModelFile.parameters(of: network, in: contents)
    }
    return try ModelFile.parameters(
      of: network, in: contents, names: network.layout.entries.map { Self.bestPrefix + $0.name })
  }
}
