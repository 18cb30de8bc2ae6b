import LinearAlgebra

/// A model of a run: its parameters, and what there is to say of them.
package struct RunModel<Scalar: BLASScalar> {
  package let parameters: Vector<Scalar>
  /// Where it is the best one that a run ends with.
  package var best: BestModel?
  /// Where it is an average.
  var average: AverageSpan?
}

extension Trainer {
  /// What evaluations score and checkpoints have as the model: the average once there is one, else the parameters. In
  /// float32 an average is a copy of its own, otherwise it lasts until the next step. May be called on any thread.
  var currentModel: RunModel<Scalar> {
    guard let average, let parameters = average.parameters else { return RunModel(parameters: parameters) }
    return RunModel(parameters: parameters, average: average.span)
  }

  /// The model that a run ends with. Says which it is. Local.
  func chooseModel() -> RunModel<Scalar> {
    var model = currentModel
    if let selection, let found = BestModel(selection, lastStep: step) {
      if let best {
        coordinator.say("best", "\(found)")
        model = RunModel(parameters: best, best: found, average: selection.best?.average)
      } else {
        let isLast = found.step == step
        coordinator.say("best", "\(found)" + (isLast ? "" : ", whose model is kept, for training.keep is last"))
      }
    }
    if let text = model.average?.description ?? average.map({ "no average, which begins with step \($0.span.first)" }) {
      coordinator.say("model", text)
    }
    return model
  }

  /// Says what is averaged, where the run goes on. Local.
  func describeAverage() {
    guard let average, step < totalSteps else { return }
    let span = average.span
    let kind = span.decay.map { "ema of decay \($0.short)" } ?? "tail"
    coordinator.say(
      "average",
      "\(kind), of the parameters after each step from \(span.first) on, which are the model for evaluations and files")
    let unread = configuration.training.average.unread
    if !unread.isEmpty {
      coordinator.say(
        "note", "an average of kind \(span.kind.rawValue) does not read \(unread.joined(separator: ", "))")
    }
  }
}
