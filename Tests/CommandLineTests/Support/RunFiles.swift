import Foundation
import Testing

/// One line of `metrics.jsonl`.
struct MetricsLine: Decodable {
  let event: String
  let step: Int
  let epoch: Int?
  let loss: Double?
  let accuracy: Double?
  let split: String?
  let modelStep: Int?
  let averagedSteps: Int?
  let balancedAccuracy: Double?
  let reason: String?
  let allreduces: Int?
  let solverIterations: Int?
  let reductionRatio: Double?
  let damping: Double?
  let stepNorm: Double?
  let stepMemory: Int?
  let evaluationMemory: Int?
  let checkpointMemory: Int?
  let peakMemory: Int?
  let plannedSolveSeconds: Double?
  let solveSeconds: Double?
}

extension Workspace {
  /// The metrics of the run in `run`; every line must be complete.
  func metrics(_ run: String) throws -> [MetricsLine] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try bytes("\(run)/metrics.jsonl").split(separator: UInt8(ascii: "\n"))
      .map { try decoder.decode(MetricsLine.self, from: Data($0)) }
  }

  func steps(_ run: String) throws -> [MetricsLine] { try metrics(run).filter { $0.event == "step" } }

  /// The number of lines in the metrics so far.
  func metricsCount(_ run: String) -> Int {
    ((try? bytes("\(run)/metrics.jsonl")) ?? []).count { $0 == UInt8(ascii: "\n") }
  }

  /// The checkpoints of a run, oldest first.
  func checkpoints(_ run: String) -> [String] {
    names("\(run)/checkpoints").filter { $0.hasPrefix("step-") && $0.hasSuffix(".safetensors") }
  }

  /// Expects that the metrics have the steps 1…count, each once and in order.
  func expectEveryStepOnce(_ run: String, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try steps(run).map(\.step) == Array(1...count), sourceLocation: sourceLocation)
  }
}

extension Workspace {
  /// Trains `run.yaml` into `run`, and sends a signal to one of the ranks at a random step between 30 and 250.
  func stopTraining(_ run: String, _ settings: [String], ranks: Ranks, signal: Int32) throws {
    let child = try Child(
      Program.command(ranks, ["train", "run.yaml", "--run-directory", run] + settings.flatMap { ["--set", $0] }),
      in: self)
    let target = Int.random(in: 30..<250)
    try #require(poll(for: Child.limit) { child.hasEnded || metricsCount(run) > target })
    if let rank = child.programs.randomElement() { kill(rank, signal) }
    #expect(try child.wait().code != 0)
  }
}

/// The largest relative difference of the losses of two runs; infinite if their numbers of steps differ.
func lossDifference(_ one: [MetricsLine], _ other: [MetricsLine]) -> Double {
  guard one.count == other.count, !one.isEmpty else { return .infinity }
  return zip(one, other).map { a, b in
    guard let a = a.loss, let b = b.loss, a.isFinite, b.isFinite else { return .infinity }
    return abs(a - b) / abs(b)
  }.max()!
}

/// The array of an NPY file of version 1, read without the program's own reader.
struct NPYArray<Element: BitwiseCopyable> {
  let header: String
  let values: [Element]

  init(_ bytes: [UInt8]) throws {
    try #require(bytes.starts(with: [0x93] + Array("NUMPY".utf8) + [1, 0]))
    let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    header = String(decoding: bytes[10..<start], as: UTF8.self)
    values = bytes[start...].withUnsafeBytes { buffer in
      (0..<buffer.count / MemoryLayout<Element>.size).map {
        buffer.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
      }
    }
  }
}
