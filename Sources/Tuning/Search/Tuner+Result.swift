import Datasets
import GaussNewton
import LinearAlgebra
import Networks
import Training

/// The model that a search ends with.
extension Tuner {
  /// Trains the chosen setting on all rows, or takes its model. Collective.
  func finish(_ chosen: SearchSpace.Setting, _ result: TrialResult) throws -> Outcome {
    if result.stepsInAll == 0 { say("note: no setting has a better model than the one that all begin with") }
    guard options.refits, chosen.configuration.data.validation.isHeldOut, result.stepsInAll > 0 else {
      // What no fold has improved on is the same for all of them.
      let trial = result.trial.holdingOut(data.folds == nil ? nil : 1)
      guard try restoreModel(of: trial) else { return .interrupted }
      try makeRoom(refitOf: nil, chosen: result.trial)
      try take(trial)
      return .completed
    }
    var configuration = chosen.configuration
    configuration.data.validation = .init()
    configuration.training.keep = .last
    configuration.training.patience = nil
    let all = try data.sets.data(configuration, over: communicator)
    let batches = configuration.sampler(of: all.train).batchesPerEpoch
    let known = configuration.sampler(of: data.first.train).batchesPerEpoch
    // As many passes over the rows as led to the chosen model, or to those of the folds in the mean.
    let parts = data.folds == nil ? [result] : record.parts(of: result.trial)
    let (sum, count) = (parts.reduce(0) { $0 + $1.stepsInAll }, known * parts.count)
    let steps =
      chosen.reachesOptimum
      ? configuration.stepsBeforeOptimum(of: all.train) : max(1, (sum * batches + count / 2) / count)
    configuration.training.steps = steps
    say("refit: \(chosen.reachesOptimum ? "to the optimum" : "\(steps) steps") on all \(all.train.count) rows")
    try makeRoom(refitOf: result.trial, chosen: result.trial)
    let run = TrialRun(configuration: configuration, directory: directory.run, context: context)
    if case .interrupted = try run.train(all) { return .interrupted }
    return .completed
  }

  /// Removes the run on all rows that another option has led to before, with which this one does not go on. Collective.
  private func makeRoom(refitOf trial: Trial?, chosen: Trial) throws {
    guard record.refit != trial else { return }
    try communicator.onRoot { try directory.run.removeRun() }
    record.refit = trial
    try save(chosen: chosen)
  }

  /// Takes the model of a trial as that of the search, and scores it on the test set. Collective.
  private func take(_ trial: Trial) throws {
    let (file, path) = (directory.trial(trial).model, directory.run.model)
    try communicator.onRoot {
      let model = try Safetensors.load(path: file)
      try Safetensors.save(model, to: path)
      try AtomicFile.write(directory.run.configuration) { try $0.write(ModelFile(model).configuration.yaml) }
    }
    if let test = data.first.test {
      let model = try communicator.collectively { try ModelFile(Safetensors.load(path: path)) }
      let score =
        model.configuration.training.precision == .float32
        ? try scored(model, on: test, Float.self) : try scored(model, on: test, Double.self)
      say("test  \(score)")
    }
    say("model saved to \(path)")
  }

  private func scored<Scalar: DistributedScalar>(_ model: ModelFile, on test: Dataset, _: Scalar.Type) throws
    -> Evaluation
  {
    let (network, parameters): (Network, Vector<Scalar>) = try communicator.collectively {
      try model.classifier(sparseInputs: test.features.isSparse)
    }
    return try Evaluator(network, communicator: communicator)
      .evaluate(parameters, on: test, named: "the test set", normalization: model.normalization)
  }
}

extension Configuration {
  /// The steps on batches with which a search begins the way to the optimum: an epoch at most, behind which those on all rows
  /// are the shorter way.
  func stepsBeforeOptimum(of examples: Dataset) -> Int {
    let sampler = sampler(of: examples)
    return min(training.steps(of: sampler), sampler.batchesPerEpoch)
  }
}
