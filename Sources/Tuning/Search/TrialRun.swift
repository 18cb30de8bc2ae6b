import Datasets
import GaussNewton
import MPI
import Networks
import Training

/// What the runs of a search have in common.
package struct SearchContext {
  /// The ranks that train a setting.
  package let communicator: Communicator
  /// The program's version, and the MPI library.
  package let version: String
  package let library: String

  package init(_ communicator: Communicator, version: String, library: String) {
    (self.communicator, self.version, self.library) = (communicator, version, library)
  }

  /// The memory that a rank can have where other groups of ranks train other settings; nil where there are none.
  private(set) var share: HostMemory.Share?
  /// Whether this rank is asked to stop. Local.
  private(set) var wishesToStop: () throws -> Bool = { Preemption.requested != nil }

  /// The context of one of several groups of ranks, which work side by side.
  func inGroup(
    _ group: Communicator, share: HostMemory.Share, wishesToStop: @escaping () throws -> Bool
  ) -> SearchContext {
    var context = SearchContext(group, version: version, library: library)
    (context.share, context.wishesToStop) = (share, wishesToStop)
    return context
  }
}

/// A training run in a folder, which goes on from its newest checkpoint if there is one.
struct TrialRun {
  let configuration: Configuration
  let directory: RunDirectory
  let context: SearchContext
  /// Of a run that shows all its lines, a divergence is an error.
  var display = Coordinator.Display.all

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
    let run = try RunPreparation(
      configuration, loaded, resuming: checkpoint, Scalar.self, share: context.share, over: communicator)
    let (state, configuration, data, network) = (run.state, run.configuration, run.data, run.network)
    try communicator.onRoot {
      try directory.create(resuming: true)
      try directory.describe(configuration, finished: nil)
    }
    let coordinator = try Coordinator(
      directory, configuration, scales: data.scales, resumingAt: state?.progress.step ?? 0, display: display,
      over: communicator)
    coordinator.record(
      MetricsEvent.Run(run, version: context.version, mpi: context.library, ranks: communicator.size))
    let trainer = try Trainer<Scalar>(configuration, data, network, coordinator, resuming: state, over: communicator)
    trainer.wishesToStop = context.wishesToStop
    do {
      guard try trainer.run() == .completed, let model = trainer.model else { return .interrupted }
      return .completed(
        try trainer.validationScore(), bestStep: model.best?.step ?? trainer.step, seconds: trainer.elapsed)
    } catch let failure as CollectiveFailure where trainer.hasDiverged {
      coordinator.flush()
      if display == .all { throw failure }
      return .diverged(seconds: trainer.elapsed)
    }
  }
}
