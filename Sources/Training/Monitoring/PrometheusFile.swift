import Datasets
import Foundation

/// The state of a run as a text file of Prometheus, for the textfile collector of node_exporter. Only rank 0 has one.
package final class PrometheusFile {
  /// What is known; nil where there is nothing to say yet.
  struct State: Equatable {
    var step: Int?
    var loss: Double?
    var learningRate: Double?
    var stepSeconds: Double?
    /// The newest checkpoint, and when it was written, in seconds since 1970.
    var checkpointStep: Int?
    var checkpointTime: Double?
    /// How often a supervisor has started the run again; nil without one.
    var restarts: Int?
  }

  /// The variable by which a supervisor says how often it has started a run again.
  package static let restartsVariable = "FGN_RESTARTS"

  private let path: String
  private let run: String
  private var state: State
  private var lastWrite: ContinuousClock.Instant?

  /// Collectors look every 15 seconds, or less often.
  private static let interval = Duration.seconds(5)

  /// Writes the file of a run that begins or goes on. Throws exit code 64 where its folder is missing, or 74.
  init(_ path: String, run: RunDirectory, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    (self.path, self.run) = (expandingTilde(path), run.path)
    let folder = URL(fileURLWithPath: self.path).deletingLastPathComponent().relativePath
    guard FileManager.default.fileExists(atPath: folder) else {
      throw ConfigurationError(key: "logging.prometheus", "\(path): there is no folder \(folder); create it")
    }
    state = State(restarts: environment[Self.restartsVariable].flatMap { Int($0) })
    if let checkpoint = try run.checkpoints.latest() {
      let attributes = try? FileManager.default.attributesOfItem(atPath: checkpoint.path)
      let time = (attributes?[.modificationDate] as? Date)?.timeIntervalSince1970
      (state.step, state.checkpointStep, state.checkpointTime) = (checkpoint.step, checkpoint.step, time)
    }
    try flush()
  }

  /// Notes a step, and writes the file if that is due. Throws exit code 74.
  func note(_ step: MetricsEvent.Step) throws {
    (state.step, state.loss) = (step.step, step.loss)
    (state.learningRate, state.stepSeconds) = (step.learningRate, step.seconds)
    if let lastWrite, ContinuousClock.now - lastWrite < Self.interval { return }
    try flush()
  }

  /// Notes a checkpoint that has just reached the disk, and writes the file. Throws exit code 74.
  func noteCheckpoint(step: Int) throws {
    (state.checkpointStep, state.checkpointTime) = (step, Date.now.timeIntervalSince1970)
    try flush()
  }

  /// Writes the file. Throws exit code 74.
  func flush() throws {
    lastWrite = .now
    try AtomicFile.write(path) { try $0.write(Self.text(state, run: run)) }
  }

  /// The text format of Prometheus, version 0.0.4.
  static func text(_ state: State, run: String) -> String {
    let label = run.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    let metrics: [(name: String, type: String, help: String, value: Double?)] = [
      ("step", "gauge", "Steps done.", state.step.map(Double.init)),
      ("loss", "gauge", "Mean cross-entropy of the last batch.", state.loss),
      ("learning_rate", "gauge", "Learning rate of the last step.", state.learningRate),
      ("step_seconds", "gauge", "Seconds that the last step took.", state.stepSeconds),
      ("checkpoint_step", "gauge", "Step of the newest checkpoint.", state.checkpointStep.map(Double.init)),
      (
        "checkpoint_timestamp_seconds", "gauge", "When the newest checkpoint was written, in seconds since 1970.",
        state.checkpointTime
      ),
      ("restarts_total", "counter", "Restarts by the supervisor.", state.restarts.map(Double.init)),
    ]
    return metrics.map { metric in
      guard let value = metric.value else { return "" }
      let name = "fgn_dist_\(metric.name)"
      return
        "# HELP \(name) \(metric.help)\n# TYPE \(name) \(metric.type)\n\(name){run=\"\(label)\"} \(number(value))\n"
    }.joined()
  }

  private static func number(_ value: Double) -> String {
    value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Inf" : "+Inf") : value.description
  }
}
