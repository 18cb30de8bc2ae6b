import Datasets
import GaussNewton
import LinearAlgebra
import MPI

/// Evaluations of a run, and the choice of its model by those on the validation set.
extension Trainer {
  /// Whether the model after `step` steps, of which there is one, is to be evaluated within the run.
  func isEvaluated(after step: Int) -> Bool {
    let (epoch, batch) = sampler.position(ofStep: step - 1)
    let every = configuration.training.evaluateEvery
    if every > 0, batch + 1 == sampler.batchesPerEpoch, (epoch + 1) % every == 0 { return true }
    return configuration.training.evaluateEverySteps.map { step % $0 == 0 } ?? false
  }

  /// The epoch of the last step, counted from 1; 0 before the first step.
  private var epoch: Int { batchSteps == 0 ? 0 : sampler.position(ofStep: batchSteps - 1).epoch + 1 }

  /// Evaluates what the run begins with: at its start, and on resuming where that is still to be done. Collective.
  func evaluateAtBegin() throws {
    guard let selection, step < totalSteps, selection.evaluatedStep != step else { return }
    let isDue = step > 0 && isEvaluated(after: step)
    if isDue || selection.evaluatedStep == nil { try evaluateSets(withTest: isDue) }
  }

  /// Evaluates the current model on the validation set, if there is one, and on the test set, and keeps it if it is the
  /// best one. Collective; all ranks have the same scores, and so choose alike.
  func evaluateSets(withTest: Bool = true) throws {
    let model = currentModel
    let result = try selection == nil ? nil : data.validation.map { try evaluate(model, on: $0, split: "validation") }
    if withTest, let test = data.test { try evaluate(model, on: test, split: "test") }
    // After a kill before this point both evaluations are made again.
    guard let result else { return }
    // A state that a signal saves has both, the choice and the parameters of its best step.
    lastState.beginChange()
    if selection!.observe(result, step: step, average: model.average) { best?.assign(model.parameters) }
    savedStep = nil
    lastState.endChange(currentState)
  }

  /// Whether so many evaluations have not improved on the best one that the run ends; says so. The same on all ranks.
  func isOutOfPatience() -> Bool {
    guard let selection, selection.exhausts(configuration.training.patience) || selection.hasRisen(endsAfterRises)
    else {
      return false
    }
    let best = selection.best.map { "\(selection.criterion.text($0.value)) of step \($0.step)" } ?? "finite value"
    coordinator.say(
      "patience", "\(selection.failures) evaluations gave nothing better than the \(best): the run ends at step \(step)"
    )
    return true
  }

  /// Scores the model of a completed run on the validation set, if there is one, also by class. Collective.
  package func validationScore() throws -> (evaluation: Evaluation, classes: ClassScores)? {
    guard let model, let set = data.validation else { return nil }
    return try score(model.parameters, on: set, split: "validation")
  }

  private func score(
    _ parameters: Vector<Scalar>, on set: Dataset, split: String
  ) throws -> (evaluation: Evaluation, classes: ClassScores) {
    do {
      return try evaluator.score(parameters, on: set, named: "the \(split) set", normalization: data.normalization)
    } catch let failure as CollectiveFailure where failure.exitCode == 70 {
      divergence = Divergence(step: step, sign: "logits of the \(split) set are not finite")
      throw failure
    }
  }

  /// Scores a model on a set. Collective.
  @discardableResult
  func evaluate(_ model: RunModel<Scalar>, on set: Dataset, split: String) throws -> Evaluation {
    let result = try score(model.parameters, on: set, split: split).evaluation
    let modelStep = model.best.flatMap { $0.step == step ? nil : $0.step }
    let balanced =
      split == "validation" && selection?.criterion == .balancedAccuracy
      ? "  balanced \(result.balancedAccuracy.percent)" : ""
    coordinator.say("step \(modelStep ?? step)  \(split)  \(result)\(balanced)")
    var event = MetricsEvent.Evaluation(step: step, epoch: epoch, split: split, result, elapsed: elapsed)
    event.modelStep = modelStep
    event.averagedSteps = model.average?.count
    coordinator.record(evaluation: event)
    return result
  }
}
