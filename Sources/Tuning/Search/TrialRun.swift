import Datasets
import GaussNewton
import MPI
import Networks
import Training

/// What all trials of a search share.
package struct SearchContext {
  package let communicator: Communicator
  /// The program's version, and the MPI library.
  package let version: String
  package let library: String

  package init(_ communicator: Communicator, version: String, library: String) {
    (self.communicator, self.version, self.library) = (communicator, version, library)
  }
}

/// A training run in a folder, which goes on from its newest checkpoint if there is one.
struct TrialRun {
  let configuration: Configuration
  let directory: RunDirectory
  let context: SearchContext
  /// What its progress lines begin with; nil for a run that says all that runs say.
  var label: String?

  enum Outcome {
    case interrupted
    case diverged(seconds: Double)
    /// The score of the model on the validation set, if there is one, and its step.
    case completed((evaluation: Evaluation, classes: ClassScores)?, bestStep: Int, seconds: Double)
  }

  /// Trains to the end. Collective.
  func train(_ data: TrainingData) throws -> Outcome {
    switch configuration.training.precision {
    case .float32: try train(data, Float.self)
    case .float64: try train(data, Double.self)
    }
  }

  private func train<Scalar: DistributedScalar>(_ loaded: TrainingData, _: Scalar.Type) throws -> Outcome {
    let communicator = context.communicator
    let newest = try communicator.onRoot {
      try directory.checkpoints.loadLatest(fallsBack: true)?.checkpoint.path ?? ""
    }
    let checkpoint = try communicator.broadcast(newest ?? "")
    let run = try RunPreparation(configuration, loaded, resuming: checkpoint, Scalar.self, over: communicator)
    let (state, configuration, data, network) = (run.state, run.configuration, run.data, run.network)
    try communicator.onRoot {
      try directory.create(resuming: true)
      try directory.describe(configuration, finished: nil)
    }
    let coordinator = try Coordinator(
      directory, configuration, scales: data.scales, resumingAt: state?.progress.step ?? 0, label: label,
      over: communicator)
    coordinator.record(
      MetricsEvent.Run(run, version: context.version, mpi: context.library, ranks: communicator.size))
    let trainer = try Trainer<Scalar>(configuration, data, network, coordinator, resuming: state, over: communicator)
    do {
      guard try trainer.run() == .completed, let model = trainer.model else { return .interrupted }
      return .completed(
        try trainer.validationScore(), bestStep: model.best?.step ?? trainer.step, seconds: trainer.elapsed)
    } catch let failure as CollectiveFailure where trainer.hasDiverged {
      coordinator.flush()
      if label == nil { throw failure }
      return .diverged(seconds: trainer.elapsed)
    }
  }
}
