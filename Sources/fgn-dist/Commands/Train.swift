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

  @Flag(
    help: ArgumentHelp(
      "With --resume without a path: if the newest checkpoint is damaged, go on from the newest intact one."))
  var fallBack = false

  private static let newest = ""

  /// Whether one checkpoint is named to go on from.
  var resumesFromFile: Bool { resume.map { $0 != Self.newest } ?? false }

  func validate() throws {
    if fallBack, resume != Self.newest { throw ValidationError("--fall-back goes with --resume without a path") }
  }

  func run() throws {
    try Job.run { job in
      var configuration = try job.communicator.collectively {
        try Configuration.load(path: config, overrides: overrides)
      }
      let data = try job.load(configuration)
      configuration = try job.communicator.collectively { try configuration.resolved(for: data.facts) }
      switch configuration.training.precision {
      case .float32: return try train(configuration, data, Float.self, job)
      case .float64: return try train(configuration, data, Double.self, job)
      }
    }
  }

  private func train<Scalar: DistributedScalar>(
    _ asked: Configuration, _ loaded: TrainingData, _: Scalar.Type, _ job: Job
  ) throws -> ExitCode {
    let communicator = job.communicator
    // Rank 0 chooses the folder and the checkpoint; the others read the file that it names.
    let choice = try communicator.onRoot { try chooseRun(asked.checkpoint, communicator.hostname) }
    let checkpoint = try seen(choice?.checkpoints ?? [], over: communicator)
    // All checks precede the first write.
    func prepare(_ checkpoint: String) throws -> RunPreparation {
      try RunPreparation(asked, loaded, resuming: checkpoint, Scalar.self, over: communicator)
    }
    let run = try prepare(checkpoint)
    let (state, data) = (run.state, run.data)
    let notes = try communicator.collectively { try state?.notes(data) ?? [] }
    let begun = try communicator.onRoot {
      let begun = try begin(choice!, asked.checkpoint, communicator.hostname)
      try begun.mirror?.begin(resuming: resume != nil, step: state?.progress.step ?? 0)
      let text = try begun.directory.describe(run.configuration, finished: state.flatMap { $0.isDone(data) ? $0 : nil })
      begun.mirror?.take(configuration: text)
      if let latest = choice?.latest, latest.copies == [begun.directory.checkpoints.path(step: latest.checkpoint.step)]
      {
        begun.mirror?.copy(latest.checkpoint)
      }
      return begun
    }
    defer { extendLifetime(begun) }
    let directory = RunDirectory(path: try communicator.broadcast(begun?.directory.path ?? ""))
    let damaged = choice?.latest?.damage ?? []
    func makeTrainer(_ run: RunPreparation, resumingAt step: Int?, after retreat: Retreat? = nil) throws -> Trainer<
      Scalar
    > {
      let coordinator = try Coordinator(
        directory, run.configuration, scales: run.data.scales, resumingAt: step, over: communicator)
      coordinator.mirror = begun?.mirror
      coordinator.record(MetricsEvent.Run(run, version: FgnDist.version, mpi: job.library, ranks: communicator.size))
      if retreat == nil {
        report(run, coordinator, job)
        for note in notes { coordinator.say(note) }
        for damage in damaged { coordinator.say("warning: left out, for it is damaged: \(damage)") }
      }
      return try Trainer(run, coordinator, after: retreat, over: communicator)
    }
    var trainer: Trainer? = try makeTrainer(run, resumingAt: resume == nil ? nil : state?.progress.step ?? 0)
    while true {
      switch try trainer!.run() {
      case .completed:
        return .success
      case .interrupted:
        trainer!.coordinator.say("stopped by a signal; go on with --resume --run-directory \(directory.path)")
        return ExitCode(75)
      case .backsOff(let retreat):
        // What the run had until now makes room first.
        trainer = nil
        trainer = try makeTrainer(prepare(retreat.checkpoint), resumingAt: retreat.step, after: retreat)
      }
    }
  }

  /// The choices of rank 0.
  private struct Choice {
    /// The directory of the run; nil for a new one, named after the configuration.
    var directory: RunDirectory?
    var mirror: CheckpointMirror?
    /// The checkpoint to resume from, if any, and its copies.
    var checkpoints: [String] = []
    var latest: CheckpointFiles.Latest?
    /// The lock of a folder that already existed.
    var lock: RunLock?
  }

  private func chooseRun(_ options: Configuration.CheckpointOptions, _ hostname: String) throws -> Choice {
    let named = runDirectory.map { RunDirectory(path: $0) }
    guard let resume else { return Choice(directory: named) }
    let directory =
      named ?? (resume == Self.newest ? .newest(for: config) : RunDirectory(ofCheckpoint: resume))
    var choice = Choice(directory: directory)
    if resume == Self.newest, directory.isSearched {
      throw ConfigurationError(
        source: directory.path, "holds a search; go on with fgn-dist tune --resume, or choose another --run-directory")
    }
    // The lock precedes the search for the newest checkpoint, since a job that is ending may still write one.
    if directory.isUsed { choice.lock = try RunLock(directory, hostname: hostname) }
    choice.mirror = try CheckpointMirror(of: directory, options, hostname: hostname)
    if let mirror = choice.mirror, mirror.directory.isUsed { try mirror.begin(resuming: true) }
    if resume == Self.newest {
      choice.latest = try directory.checkpoints.loadLatest(
        fallsBack: fallBack, mirror: choice.mirror?.directory.checkpoints)
      choice.checkpoints = choice.latest?.copies ?? []
    } else {
      choice.checkpoints = [resume]
    }
    return choice
  }

  /// The first of several copies of a checkpoint on rank 0 that all ranks see, or else the first; empty where there is none.
  /// Collective.
  private func seen(_ copies: [String], over communicator: Communicator) throws -> String {
    let paths = try communicator.broadcast(copies.joined(separator: "\n")).split(separator: "\n").map(String.init)
    for path in paths where paths.count > 1 {
      let own = Safetensors.statedChecksum(path: path)
      let isSame = try communicator.broadcast(own ?? "none") == own
      if try communicator.allreduce(isSame ? 1 : 0, .min) == 1 { return path }
    }
    return paths.first ?? ""
  }

  /// The folders of a run, and what keeps other jobs out.
  private typealias Folders = (directory: RunDirectory, lock: RunLock, mirror: CheckpointMirror?)

  /// Creates the folder of the run, if necessary, and locks it.
  private func begin(
    _ choice: Choice, _ options: Configuration.CheckpointOptions, _ hostname: String
  ) throws -> Folders {
    let directory = choice.directory
    let (found, lock) =
      try directory.map { ($0, try choice.lock ?? $0.begin(resuming: resume != nil, hostname: hostname)) }
      ?? RunDirectory.begin(for: config, hostname: hostname)
    return (found, lock, try choice.mirror ?? CheckpointMirror(of: found, options, hostname: hostname))
  }

  /// Reports the upcoming run, for the user and in the metrics.
  private func report(_ run: RunPreparation, _ coordinator: Coordinator, _ job: Job) {
    let (state, configuration, data, network) = (run.state, run.configuration, run.data, run.network)
    let (train, memory) = (data.train, run.memory)
    coordinator.say("fgn-dist \(FgnDist.version)")
    coordinator.say("ranks", job.placement?.description ?? "")
    if let note = job.placement?.noteOnBinding { coordinator.say("note", note) }
    coordinator.say(
      "threads",
      "\(Threads.count)\(job.communicator.size == 1 ? "" : " a rank"), \(Kernels.summary), "
        + job.library)
    coordinator.say(
      "data",
      "\(train.count) examples of \(train.featureCount) features"
        + (train.features.isSparse ? " (sparse, \(train.features.valuesPerRow.short) values each)" : "")
        + ", \(data.classCount) classes, " + (train.probabilities == nil ? "" : "labels are probabilities, ")
        + (train.indices.map { "indices from \($0.base.first), " } ?? "")
        + (train.tableColumns.map { "\($0.decisionWithLabel), " } ?? "")
        + "normalize \(configuration.summaryOfNormalization(data)); "
        + (data.validation.map { "\($0.count) validation examples, " } ?? "")
        + (data.test.map { "\($0.count) test examples" } ?? "no test set") + "; read in \(data.seconds.short) s")
    if let note = data.note { coordinator.say(note) }
    for note in data.setNotes { coordinator.say("note", note) }
    if let note = configuration.model.noteOnChannels(featureShape: train.featureShape) { coordinator.say("note", note) }
    if let left = configuration.data.summaryOfIgnored(data) { coordinator.say("ignored", left) }
    if let warning = data.labelWarning { coordinator.say("warning", warning) }
    if let reading = configuration.summaryOfReading(data) { coordinator.say("reading", reading) }
    if configuration.training.shuffleBlock == 1, configuration.training.shuffleWindow > 1 {
      coordinator.say("note", "training.shuffle_window is not read: the rows are shuffled one by one")
    }
    if let weights = data.weights { coordinator.say("weights", configuration.data.summary(of: weights)) }
    coordinator.say(
      "model",
      "\(network): \(network.layout.count) parameters, \(configuration.training.precision.rawValue), "
        + "from \(configuration.model.initialization)")
    if run.head.isNoteworthy { coordinator.say("head", "\(run.head)") }
    coordinator.say("optimizer", configuration.optimizer.summary(resumed: state?.damping))
    let unread = configuration.optimizer.unreadSettings
    if !unread.isEmpty {
      let (method, schedule) = (configuration.optimizer.method, configuration.optimizer.schedule.kind)
      coordinator.say(
        "note", "\(method.rawValue) with a \(schedule.rawValue) rate does not read \(unread.joined(separator: ", "))")
    }
    let unreadForOptimum = configuration.training.unreadForOptimum
    if !unreadForOptimum.isEmpty {
      coordinator.say("note", "training.until steps does not read \(unreadForOptimum.joined(separator: ", "))")
    }
    coordinator.say(
      "memory",
      "\(memory.step.megabytes) a rank for steps, \(memory.evaluation.megabytes) for evaluations, "
        + "\(memory.checkpoint.megabytes) on rank 0 for checkpoints")
    if !job.heartbeat.unreachable.isEmpty, configuration.training.peerTimeout > 0 {
      coordinator.say(
        "warning: no TCP connection between rank 0 and rank \(job.heartbeat.unreachable.map(String.init).joined(separator: ", ")): "
          + "their loss is noticed by the launcher alone, or after training.stall_timeout; allow connections to any port"
      )
    }
    if resume != nil {
      coordinator.say(
        state.map { "resuming after step \($0.progress.step) from \($0.contents.path)" }
          ?? "nothing to resume in \(coordinator.directory.path) yet: starting from the beginning")
    }
    coordinator.say("run", coordinator.directory.path)
    let crowded = Warning.processors(job.placement?.hosts ?? [])
    let scales =
      configuration.data.$normalize.isAutomatic
      ? nil : Warning.scales(configuration.scalesToWarnOf(data.scales), configuration.data.normalize)
    coordinator.warn([crowded, scales].compactMap { $0 }, step: state?.progress.step ?? 0)
  }
}
