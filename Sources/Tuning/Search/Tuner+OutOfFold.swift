import Datasets
import GaussNewton
import LinearAlgebra
import Networks
import Training

extension Tuner {
  /// Writes the probabilities of all rows, each by the model of a trial that its fold was held out of. False if a signal asked
  /// for a stop. Rank 0 writes, and no rank has more than a block of rows. Collective.
  func writeOutOfFold(_ trial: Trial, to path: String) throws -> Bool {
    let file = try communicator.onRoot {
      try OutOfFoldFile(path, rows: data.sets.rowCount, classCount: data.first.classCount)
    }
    for fold in 1...data.folds! {
      let part = trial.holdingOut(fold)
      guard try restoreModel(of: part) else { return false }
      let model = try communicator.collectively { try ModelFile(path: directory.trial(part).model) }
      let set = try data.data(holdingOut: fold).validation!
      switch model.configuration.training.precision {
      case .float32: try predict(set, by: model, Float.self, into: file)
      case .float64: try predict(set, by: model, Double.self, into: file)
      }
    }
    try communicator.onRoot { try file!.finish() }
    say("out-of-fold probabilities of \(data.sets.rowCount) rows saved to \(path)")
    return true
  }

  private func predict<Scalar: DistributedScalar>(
    _ set: Dataset, by model: ModelFile, _: Scalar.Type, into file: OutOfFoldFile?
  ) throws {
    let (network, parameters): (Network, Vector<Scalar>) = try communicator.collectively {
      try model.classifier(sparseInputs: set.features.isSparse)
    }
    let rows = set.kept!.rows
    var next = 0
    func write(_ predictions: Predictions<Scalar>) throws {
      let end = next + predictions.logits.rows
      try file!.write(predictions.probabilities, of: rows[next..<end])
      next = end
    }
    try Predictor(network, parameters, model.normalization, communicator: communicator)
      .run(set.features, named: "the validation rows", write)
  }
}
