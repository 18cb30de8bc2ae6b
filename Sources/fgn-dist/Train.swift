import ArgumentParser
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a classifier.",
    discussion: "Under mpirun all ranks take part: mpirun -np 4 fgn-dist train configs/digits.yaml")

  @Argument(help: "Configuration file (YAML).")
  var config: String

  @Option(name: .customLong("set"), help: "Override a setting, such as optimizer.batch_size=256. Repeatable.")
  var overrides: [String] = []

  @Option(help: "Folder for metrics, checkpoints and the model. (default: runs/NAME, for a configuration NAME.yaml)")
  var runDirectory: String?

  @Option(
    defaultAsFlag: Train.newest,
    help: ArgumentHelp(
      "Go on from a checkpoint; without a path, from the newest of the run directory, or from the start if it has none.",
      valueName: "checkpoint"))
  var resume: String?

  private static let newest = ""

  func run() throws {
    try Job.run { job in
      let configuration = try job.communicator.collectively {
        try Configuration.load(path: config, overrides: overrides)
      }
      try job.communicator.agree(Array(configuration.yaml.utf8), about: "the configuration", exitCode: 64)
      if configuration.training.reproducible {
        Threads.configure(count: Threads.count, pieces: Threads.fixedPieces)
      }
      switch configuration.training.precision {
      case .float32: return try train(configuration, Float.self, job)
      case .float64: return try train(configuration, Double.self, job)
      }
    }
  }

  private func train<Scalar: DistributedScalar>(
    _ configuration: Configuration, _: Scalar.Type, _ job: Job
  ) throws -> ExitCode {
    let communicator = job.communicator
    // Rank 0 chooses the folder and the checkpoint; the others read the file that it names.
    let choice = try communicator.onRoot { try chooseRun() }
    let directory = RunDirectory(path: try communicator.broadcast(choice?.directory.path ?? ""))
    let checkpoint = try communicator.broadcast(choice?.checkpoint ?? "")
    let state = try communicator.collectively {
      checkpoint.isEmpty
        ? nil : try RunState(Safetensors.load(path: checkpoint, requireChecksum: true), for: configuration)
    }
    let data = try TrainingData.load(configuration.data, over: communicator)
    try communicator.collectively { try state?.check(data) }
    // Before anything is written.
    let network = try communicator.collectively {
      try configuration.model.network(featureShape: data.train.featureShape, classes: data.classCount)
    }

    try communicator.onRoot {
      try directory.create(resuming: resume != nil)
      try AtomicFile.write(directory.configuration) { try $0.write(configuration.yaml) }
    }
    let coordinator = try Coordinator(
      directory, configuration.logging, resumingAt: resume == nil ? nil : state?.progress.step ?? 0, over: communicator)
    let memory = Trainer<Scalar>.memory(of: configuration, data, network, ranks: communicator.size)
    report(configuration, data, network, memory, state, coordinator, job)
    let trainer = try Trainer<Scalar>(configuration, data, network, coordinator, resuming: state, over: communicator)
    switch try trainer.run() {
    case .completed:
      return .success
    case .interrupted:
      coordinator.say("stopped by a signal; go on with --resume --run-directory \(directory.path)")
      return ExitCode(75)
    }
  }

  /// The run's folder, and the checkpoint to go on from, if any.
  private func chooseRun() throws -> (directory: RunDirectory, checkpoint: String?) {
    guard let resume else {
      return (runDirectory.map { RunDirectory(path: $0) } ?? .unused(for: config), nil)
    }
    if resume != Self.newest {
      return (runDirectory.map { RunDirectory(path: $0) } ?? RunDirectory(ofCheckpoint: resume), resume)
    }
    let directory = runDirectory.map { RunDirectory(path: $0) } ?? .newest(for: config)
    return (directory, try directory.checkpoints.loadLatest()?.checkpoint.path)
  }

  /// What is about to run, for a person and for the metrics.
  private func report(
    _ configuration: Configuration, _ data: TrainingData, _ network: Network, _ memory: MemoryEstimate,
    _ state: RunState?, _ coordinator: Coordinator, _ job: Job
  ) {
    let train = data.train
    coordinator.say("fgn-dist \(FgnDist.version): \(job.description)")
    coordinator.say(
      "data: \(train.count) examples of \(train.featureCount) features, \(data.classCount) classes, "
        + "normalize \(configuration.data.normalize.rawValue); "
        + (data.test.map { "\($0.count) test examples" } ?? "no test set"))
    coordinator.say(
      "model: \(network): \(network.layout.count) parameters, \(configuration.training.precision.rawValue), "
        + "from \(configuration.model.initialization)")
    coordinator.say("optimizer: \(configuration.optimizer.summary)")
    let unread = configuration.optimizer.unreadSettings
    if !unread.isEmpty {
      coordinator.say(
        "note: \(configuration.optimizer.method.rawValue) does not read \(unread.joined(separator: ", "))")
    }
    coordinator.say(
      "memory: \(memory.step.megabytes) a rank for steps, \(memory.evaluation.megabytes) for evaluations, "
        + "\(memory.checkpoint.megabytes) on rank 0 for checkpoints")
    if resume != nil {
      coordinator.say(
        state.map { "resuming after step \($0.progress.step) from \($0.contents.path)" }
          ?? "nothing to resume in \(coordinator.directory.path) yet: starting from the beginning")
    }
    coordinator.say("run directory: \(coordinator.directory.path)")
    coordinator.record(
      MetricsEvent.Run(
        step: state?.progress.step ?? 0, version: FgnDist.version, mpi: job.library,
        ranks: job.communicator.size, configuration, data, parameters: network.layout.count,
        memory: memory))
  }
}

extension Int {
  /// Bytes as megabytes.
  fileprivate var megabytes: String { (Double(self) / 1e6).short + " MB" }
}
