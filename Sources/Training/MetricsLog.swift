import Foundation
import GaussNewton

/// `metrics.jsonl`: one JSON object a line, for programs. Only rank 0 has one.
package final class MetricsLog {
  package let path: String
  private let handle: FileHandle
  private let encoder: JSONEncoder

  /// Opens the log of a run for appending; with `resumingAt`, first drops the events after that step, which belong to a
  /// course that was given up, and a last line that was cut short.
  package init(path: String, resumingAt step: Int?) throws {
    self.path = path
    encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    if let step, let old = FileManager.default.contents(atPath: path) {
      let kept = Self.lines(of: old, upTo: step)
      try AtomicFile.write(path) { try $0.write(kept) }
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for writing", code: errno) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Appends one event.
  package func write(_ event: some Encodable) throws {
    var line = try encoder.encode(event)
    line.append(UInt8(ascii: "\n"))
    do {
      try handle.write(contentsOf: line)
    } catch {
      throw StorageError(path: path, operation: "write", code: errno)
    }
  }

  private static func lines(of log: Foundation.Data, upTo step: Int) -> [UInt8] {
    struct Position: Decodable { var step: Int }
    var kept: [UInt8] = []
    for line in log.split(separator: UInt8(ascii: "\n")) {
      guard let position = try? JSONDecoder().decode(Position.self, from: line), position.step <= step else { continue }
      kept += line
      kept.append(UInt8(ascii: "\n"))
    }
    return kept
  }
}

/// The events of `metrics.jsonl`. Each has `event` and `step`, the number of steps done when it happened.
package enum MetricsEvent {
  package struct Run: Encodable {
    let event = "run"
    package var step: Int
    package var version: String
    package var ranks: Int
    package var threads: Int
    package var mpi: String
    package var kernel: String
    package var precision: String
    package var examples: Int
    package var features: Int
    package var classes: Int
    package var parameters: Int
    /// Bytes a rank, by formula.
    package var stepMemory: Int
    package var evaluationMemory: Int
    package var checkpointMemory: Int

    enum CodingKeys: String, CodingKey {
      case event, step, version, ranks, threads, mpi, kernel, precision, examples, features, classes, parameters
      case stepMemory = "step_memory"
      case evaluationMemory = "evaluation_memory"
      case checkpointMemory = "checkpoint_memory"
    }
  }

  package struct Step: Encodable {
    let event = "step"
    var step: Int
    var epoch: Int
    var loss: Double
    var gradientNorm: Double
    var stepNorm: Double
    @Nullable var damping: Double?
    @Nullable var reductionRatio: Double?
    var stepLength: Double
    var learningRate: Double
    var accepted: Bool
    @Nullable var solver: String?
    @Nullable var solverIterations: Int?
    @Nullable var residual: Double?
    @Nullable var termination: String?
    var seconds: Double
    var phases: [String: Double]
    var allreduces: Int
    var allreducedBytes: Int
    var allgathers: Int
    var allgatheredBytes: Int

    enum CodingKeys: String, CodingKey {
      case event, step, epoch, loss
      case gradientNorm = "gradient_norm"
      case stepNorm = "step_norm"
      case damping
      case reductionRatio = "reduction_ratio"
      case stepLength = "step_length"
      case learningRate = "learning_rate"
      case accepted, solver
      case solverIterations = "solver_iterations"
      case residual, termination, seconds, phases, allreduces
      case allreducedBytes = "allreduced_bytes"
      case allgathers
      case allgatheredBytes = "allgathered_bytes"
    }
  }

  package struct Evaluation: Encodable {
    let event = "evaluation"
    var step: Int
    var epoch: Int
    var split: String
    var loss: Double
    var accuracy: Double
    var top5Accuracy: Double
    var examples: Int

    enum CodingKeys: String, CodingKey {
      case event, step, epoch, split, loss, accuracy
      case top5Accuracy = "top5_accuracy"
      case examples
    }
  }

  package struct Checkpoint: Encodable {
    let event = "checkpoint"
    var step: Int
    var path: String
    var seconds: Double
  }

  package struct End: Encodable {
    let event = "end"
    var step: Int
    var reason: String
    var seconds: Double
    /// Of rank 0, in bytes.
    var peakMemory: Int
    /// Seconds of a step's solve, as `auto` expected and as they were.
    @Nullable var plannedSolve: Double?
    @Nullable var solve: Double?

    enum CodingKeys: String, CodingKey {
      case event, step, reason, seconds
      case plannedSolve = "planned_solve_seconds"
      case solve = "solve_seconds"
      case peakMemory = "peak_memory"
    }
  }
}
