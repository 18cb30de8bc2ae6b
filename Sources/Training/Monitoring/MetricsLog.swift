import Foundation
import GaussNewton
import MPI

/// `metrics.jsonl`: one JSON object per line, for programs. Only rank 0 has one.
package final class MetricsLog {
  package let path: String
  private let descriptor: Int32
  private let encoder: JSONEncoder

  /// Opens the log of a run for appending. With `resumingAt`, first drops the events after that step, which belong to
  /// an abandoned course, and an incomplete last line; without it such a line stays one of its own.
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
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for writing", code: errno) }
    var last = UInt8(ascii: "\n")
    pread(descriptor, &last, 1, lseek(descriptor, 0, SEEK_END) - 1)
    if last != UInt8(ascii: "\n") { try append([UInt8(ascii: "\n")]) }
  }

  deinit { close(descriptor) }

  /// Appends one event.
  package func write(_ event: some Encodable) throws {
    try append(Array(try encoder.encode(event)) + [UInt8(ascii: "\n")])
  }

  /// Appends a step.
  package func write(_ step: MetricsEvent.Step) throws { try append(step.line) }

  /// Appends a line, or nothing: a full disk may take a part of it.
  private func append(_ line: [UInt8]) throws {
    let end = lseek(descriptor, 0, SEEK_END)
    do { try line.span.bytes.writeAll(to: descriptor, path: path) } catch {
      ftruncate(descriptor, end)
      throw error
    }
  }

  /// The step of the last complete event in a log; nil where there is none.
  package static func lastStep(path: String) -> Int? {
    struct Position: Decodable { var step: Int }
    guard let file = FileHandle(forReadingAtPath: path), let end = try? file.seekToEnd() else { return nil }
    defer { try? file.close() }
    // Longer than any event.
    try? file.seek(toOffset: end - min(end, 1 << 20))
    let lines = (try? file.readToEnd())?.split(separator: UInt8(ascii: "\n")) ?? []
    return lines.reversed().lazy.compactMap { try? JSONDecoder().decode(Position.self, from: $0).step }.first
  }

  private static func lines(of log: Data, upTo step: Int) -> [UInt8] {
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

/// The events of `metrics.jsonl`. Each has `event` and `step`, the number of steps done at that time.
package enum MetricsEvent {
  package struct Run: Encodable {
    let event = "run"
    package var step: Int
    package var version: String
    package var ranks: Int
    package var threads: Int
    package var mpi: String
    package var method: String
    package var kernel: String
    package var precision: String
    package var examples: Int
    package var features: Int
    package var classes: Int
    package var parameters: Int
    /// Seconds spent on reading and checking the data.
    package var dataSeconds: Double
    /// Bytes per rank, by formula.
    package var stepMemory: Int
    package var evaluationMemory: Int
    package var checkpointMemory: Int

    enum CodingKeys: String, CodingKey {
      case event, step, version, ranks, threads, mpi, method, kernel, precision, examples, features, classes, parameters
      case dataSeconds = "data_seconds"
      case stepMemory = "step_memory"
      case evaluationMemory = "evaluation_memory"
      case checkpointMemory = "checkpoint_memory"
    }
  }

  package struct Step {
    var step: Int
    /// The epoch, counted from 1.
    var epoch: Int
    var loss: Double
    var gradientNorm: Double
    var stepNorm: Double
    var damping: Double?
    var reductionRatio: Double?
    var stepLength: Double
    var learningRate: Double
    var accepted: Bool
    var solver: String?
    var solverIterations: Int?
    var residual: Double?
    var termination: String?
    var seconds: Double
    /// Seconds since this process began to train.
    var elapsed: Double
    var phases: [(word: String, seconds: Double)]
    var allreduces: Int
    var allreducedBytes: Int
    var allgathers: Int
    var allgatheredBytes: Int
    /// What rank 0 exchanged with the others; nil where it is not recorded.
    var operations: [Communicator.Operation]?

    /// The line of the event in the file, with its keys in order.
    var line: [UInt8] {
      var line = JSONLine()
      line.add("accepted", accepted)
      line.add("allgathered_bytes", allgatheredBytes)
      line.add("allgathers", allgathers)
      line.add("allreduced_bytes", allreducedBytes)
      line.add("allreduces", allreduces)
      line.add("damping", damping)
      line.add("elapsed", elapsed)
      line.add("epoch", epoch)
      line.add("event", word: "step")
      if let operations { line.add("exchanges", operations: operations) }
      line.add("gradient_norm", gradientNorm)
      line.add("learning_rate", learningRate)
      line.add("loss", loss)
      line.add("phases", seconds: phases)
      line.add("reduction_ratio", reductionRatio)
      line.add("residual", residual)
      line.add("seconds", seconds)
      line.add("solver", word: solver)
      line.add("solver_iterations", solverIterations)
      line.add("step", step)
      line.add("step_length", stepLength)
      line.add("step_norm", stepNorm)
      line.add("termination", word: termination)
      return line.finished()
    }

    /// The step's values as scalars for TensorBoard.
    var scalars: [(tag: String, value: Double?)] {
      [
        ("step/loss", loss), ("step/gradient_norm", gradientNorm), ("step/step_norm", stepNorm),
        ("step/damping", damping), ("step/reduction_ratio", reductionRatio), ("step/step_length", stepLength),
        ("step/solver_iterations", solverIterations.map { Double($0) }), ("step/learning_rate", learningRate),
        ("step/seconds", seconds),
      ]
    }
  }

  /// A step on all rows.
  package struct FullStep: Encodable {
    let event = "full_step"
    var step: Int
    var objective: Double
    var loss: Double
    var gradientNorm: Double
    /// ‖g‖/‖g₀‖
    var gradientRatio: Double
    var stepNorm: Double
    var stepLength: Double
    var expectedDecrease: Double
    var remainingDecrease: Double
    var decrease: Double
    var solverIterations: Int
    var residual: Double
    var termination: String
    /// Passes over all rows until now.
    var passes: Int
    var seconds: Double
    /// Seconds since this process began to train.
    var elapsed: Double
    /// Seconds by phase.
    var phases: [String: Double]

    enum CodingKeys: String, CodingKey {
      case event, step, objective, loss, decrease, residual, termination, passes, seconds, elapsed, phases
      case gradientNorm = "gradient_norm"
      case gradientRatio = "gradient_ratio"
      case stepNorm = "step_norm"
      case stepLength = "step_length"
      case expectedDecrease = "expected_decrease"
      case remainingDecrease = "remaining_decrease"
      case solverIterations = "solver_iterations"
    }

    /// The step's values as scalars for TensorBoard.
    var scalars: [(tag: String, value: Double?)] {
      [
        ("full_step/objective", objective), ("full_step/gradient_ratio", gradientRatio),
        ("full_step/solver_iterations", Double(solverIterations)),
      ]
    }
  }

  package struct Evaluation: Encodable {
    let event = "evaluation"
    var step: Int
    /// The epoch of the last step, counted from 1; 0 before the first step.
    var epoch: Int
    var split: String
    /// The step of the model, where it is the best one and not that of `step`.
    var modelStep: Int?
    /// How many steps the model is an average of; nil where it is none.
    var averagedSteps: Int?
    var loss: Double
    var accuracy: Double
    var top5Accuracy: Double
    var balancedAccuracy: Double
    var examples: Int
    /// Seconds since this process began to train.
    var elapsed: Double

    enum CodingKeys: String, CodingKey {
      case event, step, epoch, split, loss, accuracy
      case modelStep = "model_step"
      case averagedSteps = "averaged_steps"
      case top5Accuracy = "top5_accuracy"
      case balancedAccuracy = "balanced_accuracy"
      case examples, elapsed
    }

    /// The evaluation's values as scalars for TensorBoard; those of a best model are no part of the run's curves.
    var scalars: [(tag: String, value: Double?)] {
      let name = modelStep == nil ? split : "best/\(split)"
      return [
        ("\(name)/loss", loss), ("\(name)/accuracy", accuracy), ("\(name)/top5_accuracy", top5Accuracy),
        ("\(name)/balanced_accuracy", balancedAccuracy),
      ]
    }
  }

  /// The work of the ranks since the last event of this kind.
  package struct Ranks: Encodable {
    package struct Rank: Encodable {
      var rank: Int
      var host: String
      /// Seconds by phase.
      var seconds: [String: Double]
    }

    let event = "ranks"
    var step: Int
    /// The number of steps that the times cover.
    var steps: Int
    /// The work of the slowest rank divided by the mean.
    var imbalance: Double
    /// Seconds that a rank waited for slower ones, on average.
    var waiting: Double
    var ranks: [Rank]
  }

  package struct Warning: Encodable {
    let event = "warning"
    var step: Int
    var kind: String
    var text: String
  }

  package struct End: Encodable {
    let event = "end"
    var step: Int
    var reason: String
    var seconds: Double
    /// The peak memory of rank 0, in bytes.
    var peakMemory: Int
    /// Seconds per step of solving, where the solver was chosen automatically: as measured at the start, if it was, and
    /// as spent.
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
