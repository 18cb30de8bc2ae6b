import Datasets
import Foundation
import GaussNewton
import MPI

/// Rank 0's terminal and files of a run. On other ranks it does nothing.
package final class Coordinator {
  package let directory: RunDirectory
  private let communicator: Communicator
  private let console: Console
  private let display: Display
  private let metrics: MetricsLog?
  private let tensorBoard: TensorBoardLog?
  private let prometheus: PrometheusFile?
  private let checkpoints: CheckpointWriter?
  private let checkpointOptions: Configuration.CheckpointOptions
  /// How long the last checkpoint was being written; nil before the first one.
  private(set) var writingSeconds: Double?
  private var hasToldPlan = false
  /// Where checkpoints and the model are copied to.
  package var mirror: CheckpointMirror?
  /// The failures of the mirror that have been told.
  private var mirrorFailures: Set<String> = []
  /// The state that warnings follow from.
  private var watch: RunWatch

  /// The step of the newest checkpoint that this run has written; nil on other ranks.
  private(set) var newestCheckpoint: Int?

  /// The first failure to write metrics or a checkpoint, kept until `settle` tells the other ranks.
  package private(set) var failure: (any Error)?

  /// The lines of a run on the terminal.
  package enum Display: Equatable, Sendable {
    case all
    /// Progress alone, behind a label.
    case progress(label: String)
    case nothing
  }

  /// Opens the files of a run. Collective.
  package init(
    _ directory: RunDirectory, _ configuration: Configuration, scales: FeatureScales? = nil, resumingAt step: Int?,
    display: Display = .all, over communicator: Communicator
  ) throws {
    let logging = configuration.logging
    self.directory = directory
    self.communicator = communicator
    self.display = display
    console = Console(
      communicator.isRoot && display != .nothing ? logging.progress : .none, launched: communicator.size > 1)
    watch = RunWatch(
      configuration.optimizer.damping, configuration.optimizer.solver,
      hasFullBatches: configuration.optimizer.batchSize == .full,
      scales: configuration.scalesToWarnOf(scales), precision: configuration.training.precision)
    let logs = try communicator.onRoot {
      let metrics = try MetricsLog(path: directory.metrics, resumingAt: step)
      let tensorBoard =
        logging.tensorboard
        ? try TensorBoardLog(folder: directory.path, host: communicator.hostname, resumingAt: step) : nil
      // The runs of a search would take turns in one file.
      let prometheus =
        display == .all ? try logging.prometheus.map { try PrometheusFile($0, run: directory) } : nil
      return (metrics, tensorBoard, prometheus)
    }
    (metrics, tensorBoard, prometheus) = (logs?.0, logs?.1, logs?.2)
    checkpointOptions = configuration.checkpoint
    checkpoints =
      communicator.isRoot ? CheckpointWriter(directory.checkpoints, configuration.checkpoint) : nil
  }

  deinit { checkpoints?.end() }

  /// Prints a line on the terminal.
  package func say(_ line: String) {
    if communicator.isRoot, display == .all { console.say(line) }
  }

  /// Prints a labelled line, in columns.
  package func say(_ label: String, _ text: String) {
    say((label + ":").padding(toLength: 11, withPad: " ", startingAt: 0) + text)
  }

  /// Shows the progress of the run.
  package func show(_ progress: @autoclosure () -> String, isMilestone: Bool = false) {
    var label = ""
    if case .progress(let own) = display { label = own }
    console.show({ label + progress() }, isMilestone: isMilestone && display == .all)
  }

  /// Appends an event to the metrics. A failure waits for `settle`.
  package func record(_ event: @autoclosure () -> some Encodable) {
    attempt { try $0.write(event()) }
  }

  /// Logs a step. A failure waits for `settle`.
  package func record(step event: @autoclosure () -> MetricsEvent.Step) {
    attempt { metrics in
      let event = event()
      try metrics.write(event)
      try tensorBoard?.add(event.scalars, step: event.step)
      try prometheus?.note(event)
    }
  }

  /// Logs a step on all rows. A failure waits for `settle`.
  func record(fullStep event: MetricsEvent.FullStep) {
    attempt { metrics in
      try metrics.write(event)
      try tensorBoard?.add(event.scalars, step: event.step)
    }
  }

  /// Issues the warnings that follow from a step.
  package func observe(_ report: StepReport, step: Int, epoch: Int) {
    guard communicator.isRoot else { return }
    warn(watch.observe(damping: report.damping, report.solver, epoch: epoch), step: step)
    watch.count(report)
  }

  /// Warns at the end of a run if steps were not taken.
  package func warnOfRejectedSteps(step: Int) {
    guard communicator.isRoot, let warning = watch.rejection else { return }
    warn([warning], step: step)
  }

  /// Logs an evaluation. A failure waits for `settle`.
  package func record(evaluation event: MetricsEvent.Evaluation) {
    attempt { metrics in
      try metrics.write(event)
      try tensorBoard?.add(event.scalars, step: event.step)
      try tensorBoard?.flush()
    }
  }

  /// Logs the times of the ranks, and issues the warnings that follow. A failure waits for `settle`.
  package func record(_ times: RankTimes, step: Int, epoch: Int) {
    record(MetricsEvent.Ranks(step: step, times))
    warn(watch.observe(times, epoch: epoch), step: step)
  }

  /// Logs the histograms of a step for TensorBoard. A failure waits for `settle`.
  func record(_ histograms: MarginHistograms, step: Int) {
    attempt { _ in
      try tensorBoard?.add("batch/margin", histograms.margins, step: step)
      try tensorBoard?.add("batch/curvature_weight", histograms.weights, step: step)
    }
  }

  /// Prints and logs warnings.
  package func warn(_ warnings: [Warning], step: Int) {
    for warning in warnings {
      say("warning: \(warning.text)")
      record(MetricsEvent.Warning(step: step, kind: warning.kind.rawValue, text: warning.text))
    }
  }

  /// Writes all pending events. A failure waits for `settle`.
  package func flush() {
    attempt { _ in
      try tensorBoard?.flush()
      try prometheus?.flush()
    }
  }

  private func attempt(_ body: (MetricsLog) throws -> Void) {
    guard let metrics, failure == nil else { return }
    do { try body(metrics) } catch { failure = error }
  }

  /// Throws rank 0's failure on every rank. Collective.
  package func settle() throws {
    try communicator.onRoot { if let failure { throw failure } }
  }

  /// Starts writing a checkpoint of `contents`, which is called once the previous one is written. Local: a failure
  /// waits for `settle`.
  package func beginCheckpoint(step: Int, _ contents: () -> TensorFile) {
    guard let checkpoints, failure == nil else { return }
    checkpoints.begin { (step, contents()) }
  }

  /// Saves a checkpoint that all ranks write together, with `write`, which gets its path. All ranks fail together.
  /// Collective.
  ///
  /// - Parameter soundStep: the step up to which the newest checkpoint stays in any case.
  func saveCheckpoint(step: Int, soundStep: Int?, _ write: (_ path: String) throws -> Void) throws {
    try settle()
    let files = directory.checkpoints
    let start = ContinuousClock.now
    try communicator.onRoot { try files.create() }
    try write(files.path(step: step))
    try communicator.onRoot {
      try files.abandonLater(than: step)
      try files.finish(files.path(step: step), checkpointOptions, soundStep: soundStep)
    }
    noteCheckpoint(step: step, path: files.path(step: step), seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  /// Saves `state` on a signal if the current step does not end soon; nil on other ranks. Local: a failure waits for
  /// `settle`.
  func watchSignals(saving state: LastState) -> SignalWatch? {
    guard let checkpoints else { return nil }
    let files = directory.checkpoints
    return SignalWatch { [mirror] in
      var step: Int?
      checkpoints.begin {
        let contents = state.copy()
        step = contents?.step
        return contents
      }
      checkpoints.wait()
      guard let step, FileManager.default.fileExists(atPath: files.path(step: step)) else { return }
      mirror?.copy(CheckpointFiles.Checkpoint(step: step, path: files.path(step: step)))
      let note =
        "fgn-dist: a signal came in the midst of a step; what was before it is saved: \(files.path(step: step))\n"
      // Nobody is left to be told if the launcher has gone.
      try? FileHandle.standardError.write(contentsOf: Data(note.utf8))
    }
  }

  /// Records the checkpoints that have been written, and copied. Local.
  package func noteCheckpoints() {
    guard let checkpoints else { return }
    noteMirror()
    for result in checkpoints.collect() {
      switch result {
      case .success(let written): noteCheckpoint(step: written.step, path: written.path, seconds: written.seconds)
      case .failure(let error): failure = failure ?? error
      }
    }
  }

  /// Tells when checkpoints are due, on rank 0 from what the run's supervisor has logged.
  func makeSaveClock() -> SaveClock {
    SaveClock(
      checkpointOptions.everyMinutes,
      after: communicator.isRoot ? FailureHistory(log: directory.launches) : FailureHistory())
  }

  /// Says once what checkpoints are made at intervals for. A failure waits for `settle`.
  func tell(_ plan: @autoclosure () -> SavePlan?, step: Int) {
    guard communicator.isRoot, !hasToldPlan, let plan = plan() else { return }
    hasToldPlan = true
    say("save", "\(plan)")
    record(MetricsEvent.SaveInterval(plan, step: step))
  }

  private func noteCheckpoint(step: Int, path: String, seconds: Double) {
    newestCheckpoint = step
    writingSeconds = seconds
    attempt { metrics in
      try metrics.write(MetricsEvent.Checkpoint(step: step, path: path, seconds: seconds))
      try prometheus?.noteCheckpoint(step: step)
    }
    mirror?.copy(CheckpointFiles.Checkpoint(step: step, path: path))
  }

  /// Waits for a checkpoint that is being written or copied. Local: a failure waits for `settle`.
  package func finishCheckpoints() {
    checkpoints?.wait()
    noteCheckpoints()
    mirror?.wait()
    noteMirror()
  }

  private func noteMirror() {
    for copy in mirror?.collect() ?? [] {
      switch copy.result {
      case .success(let seconds):
        record(MetricsEvent.MirroredCheckpoint(step: copy.step, path: copy.path, seconds: seconds))
      case .failure(let error):
        let storage = error as? StorageError
        guard mirrorFailures.insert(storage.map { $0.section + $0.problem } ?? "\(error)").inserted else { continue }
        warn([.mirror(error)], step: copy.step)
      }
    }
  }

  /// Copies the model that the run directory has to the mirror, if that has none or `isNew`. Local.
  func mirrorModel(step: Int, isNew: Bool) {
    guard let mirror, isNew || !FileManager.default.fileExists(atPath: mirror.directory.model) else { return }
    mirror.copyModel(step: step)
    noteMirror()
  }

  /// Writes a file on rank 0; all ranks fail together. Collective.
  package func write(_ body: () throws -> Void) throws {
    try communicator.onRoot(body)
  }
}
