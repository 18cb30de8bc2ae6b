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
  /// A run that shows all its lines is no trial: a divergence is an error, and its model is scored on the training set, too.
  var display = Coordinator.Display.all
  /// How many evaluations in a row that are worse than the one before each end the run.
  var endsAfterRises: Int?

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
    func prepare(_ checkpoint: String) throws -> RunPreparation {
      try RunPreparation(
        configuration, loaded, resuming: checkpoint, Scalar.self, share: context.share, over: communicator)
    }
    func makeTrainer(_ run: RunPreparation, after retreat: Retreat? = nil) throws -> Trainer<Scalar> {
      let coordinator = try Coordinator(
        directory, run.configuration, scales: run.data.scales, resumingAt: run.state?.progress.step ?? 0,
        display: display, over: communicator)
      coordinator.record(
        MetricsEvent.Run(run, version: context.version, mpi: context.library, ranks: communicator.size))
      let trainer = try Trainer<Scalar>(run, coordinator, after: retreat, over: communicator)
      trainer.wishesToStop = context.wishesToStop
      trainer.scoresTrainingSet = display == .all
      trainer.endsAfterRises = endsAfterRises
      return trainer
    }
    let run = try prepare(checkpoint)
    try communicator.onRoot {
      try directory.create(resuming: true)
      try directory.describe(run.configuration, finished: nil)
    }
    var trainer: Trainer? = try makeTrainer(run)
    while true {
      do {
        switch try trainer!.run() {
        case .interrupted:
          return .interrupted
        case .completed:
          return .completed(
            try trainer!.validationScore(), bestStep: trainer!.model?.best?.step ?? trainer!.step,
            seconds: trainer!.elapsed)
        case .backsOff(let retreat):
          // What the run had until now makes room first.
          trainer = nil
          trainer = try makeTrainer(prepare(retreat.checkpoint), after: retreat)
        }
      } catch let failure as CollectiveFailure {
        guard let trainer, trainer.hasDiverged else { throw failure }
        trainer.coordinator.flush()
        if display == .all { throw failure }
        return .diverged(seconds: trainer.elapsed)
      }
    }
  }
}
