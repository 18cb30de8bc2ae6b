import Glibc
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a run keeps in memory on each rank beside its data, by formula.
///
/// Each type that allocates states its own numbers, and this sums them; docs/distributed.md has the formula.
package struct MemoryEstimate: Equatable, Sendable {
  /// What takes memory, in its order.
  private(set) var parts: [Part]
  /// Bytes for the steps.
  package private(set) var step: Int
  /// Bytes for the evaluations, which keep no activations.
  package let evaluation: Int
  /// Bytes on rank 0 while it writes a checkpoint: a copy of what is saved.
  package private(set) var checkpoint: Int

  /// The batches of a run.
  package struct Batch: Equatable, Sendable {
    /// B
    let rows: Int
    /// The mean number of values of an example.
    let valuesPerRow: Double
    /// Bytes of windows that are read ahead.
    var readAhead = 0
    /// Whether labels are probabilities.
    var hasProbabilities = false

    package init(rows: Int, valuesPerRow: Double, readAhead: Int = 0, hasProbabilities: Bool = false) {
      (self.rows, self.valuesPerRow) = (rows, valuesPerRow)
      (self.readAhead, self.hasProbabilities) = (readAhead, hasProbabilities)
    }
  }

  /// Of a run on such batches.
  package init<Scalar: DistributedScalar>(
    _ network: Network, _ configuration: Configuration, batch shape: Batch, _ partition: RowPartition, _: Scalar.Type
  ) {
    let (batch, valuesPerRow) = (shape.rows, shape.valuesPerRow)
    let (rows, shards) = (partition.capacity(of: batch), partition.partCount)
    let P = network.layout.count
    func bytes(_ numbers: Double) -> Double { Double(MemoryLayout<Scalar>.size) * numbers }
    func inputs(_ rows: Int) -> Double { InputRoom<Scalar>.size(network, rows: rows, valuesPerRow: valuesPerRow) }
    let method = OptimizerMemory(configuration, network, batchSize: batch, partition, Scalar.self)

    let modelKey = network.hasSingleLayer ? "data.classes" : "model.layers"
    let modelRemedy =
      network.hasSingleLayer ? "have fewer features or classes" : "make model.layers, the features or the classes fewer"
    var parts = [
      Part("two windows of examples", "training.shuffle_window", "lower it", Double(shape.readAhead)),
      Part("the inputs of \(rows) rows of a batch", "optimizer.batch_size", "lower it", inputs(rows)),
      Part(
        "what layers give and work in for \(rows) rows", "optimizer.batch_size", "lower it",
        bytes(Linearization<Scalar>.memoryCount(network, rows: rows, partition))),
      Part(
        "\(method.vectors) vectors of \(P) parameters", modelKey, modelRemedy,
        bytes(Double(method.vectors) * Double(P))),
    ]
    if shape.hasProbabilities {
      parts.append(
        Part(
          "the probabilities of \(rows) rows of a batch", "optimizer.batch_size", "lower it",
          bytes(Double(rows) * Double(network.outputCount))))
    }
    if let gram = method.gram {
      parts.append(
        Part(
          "the matrix of a batch of \(batch) rows", "optimizer.batch_size",
          "lower it, or set optimizer.solver.kind to cg", bytes(gram)))
    }
    parts.append(
      Part("the moments of the metric", "optimizer.metric.kind", "set it to identity", bytes(method.metric)))
    if partition.isVirtual {
      parts.append(
        Part(
          "the sums of \(shards) shards", "training.virtual_shards", "lower it, or set training.reproducible to false",
          bytes(Double(shards) * (Double(P) + method.metricPart))))
    }
    step = Self.whole(parts.reduce(0) { $0 + $1.bytes })
    checkpoint = Self.whole(bytes(Double(method.savedVectors) * Double(P) + method.moments))
    let chunk = Evaluator<Scalar>.chunk(for: network)
    let evaluated =
      inputs(chunk) + bytes(Evaluator<Scalar>.memoryCount(network, hasProbabilities: shape.hasProbabilities))
    evaluation = Self.whole(evaluated)
    self.parts =
      parts + [
        Part(
          "the logits of \(chunk) rows in evaluations", modelKey, modelRemedy, evaluated)
      ]
  }

  /// With what steps on all `rows` rows take behind those on batches, where a run goes on to the optimum.
  package func withOptimum<Scalar: DistributedScalar>(
    _ network: Network, rows: Int, valuesPerRow: Double, _ partition: RowPartition, _: Scalar.Type
  ) -> MemoryEstimate {
    let blocks = RowBlocks(network, like: partition, rank: partition.ranks - 1, threads: Threads.count)
    let inputRows = blocks.rowsAtATime(network)
    let rough =
      Scalar.self == Float.self ? 0 : InputRoom<Float>.size(network, rows: inputRows, valuesPerRow: valuesPerRow)
    let bytes =
      InputRoom<Scalar>.size(network, rows: inputRows, valuesPerRow: valuesPerRow) + rough
      + TruncatedNewton<Scalar>.memorySize(
        network, blocks, rows: rows, valuesPerRow: valuesPerRow, threads: Threads.count)
    var result = self
    result.parts.append(Part("steps on all rows", "training.until", "set it to steps", bytes))
    result.step = Self.whole(Double(step) + bytes)
    return result
  }

  /// Where ranks share out classes: a Gram solve has the products of cotangents beside its matrix, the head on other layers has
  /// all rows of a batch, and a checkpoint passes in pieces. `self` is of a rank's classes and its rows of other layers;
  /// its group has `rows` at the head.
  func sharingClasses<Scalar: DistributedScalar>(
    of network: Network, batch: Int, rows: RowPartition, _ partition: RowPartition, formsMatrix: Bool, _: Scalar.Type
  ) -> MemoryEstimate {
    var result = self
    func add(_ name: String, _ remedy: String, _ numbers: Double) {
      let bytes = Double(MemoryLayout<Scalar>.size) * numbers
      result.parts.append(Part(name, "optimizer.batch_size", remedy, bytes))
      result.step = Self.whole(Double(result.step) + bytes)
    }
    if formsMatrix {
      add(
        "the products of the cotangents of \(batch) rows", "lower it, or set optimizer.solver.kind to cg",
        Double(batch) * Double(batch))
    }
    if let trunk = network.trunk {
      let all = rows.capacity(of: batch)
      let others = max(0, all - partition.capacity(of: batch))
      // H, and what the layers below give elsewhere.
      add(
        "the rows of other ranks at the head", "lower it",
        Linearization<Scalar>.memoryCount(network.head, rows: others, RowPartition())
          + 2 * Double(all) * Double(trunk.outputCount))
    }
    result.checkpoint = min(checkpoint, 2 * Safetensors.block)
    return result
  }

  private static func whole(_ bytes: Double) -> Int { bytes < 0x1p62 ? Int(bytes) : .max }
}

extension MemoryEstimate {
  /// A part of the memory, and which key makes it smaller.
  struct Part: Equatable, Sendable {
    let name, key, remedy: String
    let bytes: Double

    init(_ name: String, _ key: String, _ remedy: String, _ bytes: Double) {
      (self.name, self.key, self.remedy, self.bytes) = (name, key, remedy, bytes)
    }
  }

  /// Throws exit code 64 where the run cannot have what it takes, with the largest part. Before anything of that is tried.
  ///
  /// - Parameter alternative: another remedy, if there is one.
  package func check(_ share: HostMemory.Share, alternative: String? = nil) throws(ConfigurationError) {
    let total = parts.reduce(0) { $0 + $1.bytes }
    guard total > Double(share.bytes), let largest = parts.max(by: { $0.bytes < $1.bytes }) else { return }
    throw ConfigurationError(
      key: largest.key,
      "the run takes \(total.gigabytes)\(share.ranks == 1 ? "" : " a rank") beside its data, and \(share); "
        + "\(largest.name) take \(largest.bytes.gigabytes): \(largest.remedy)"
        + (share.ranks == 1 ? "" : ", or start fewer ranks on a host") + (alternative.map { ", or \($0)" } ?? ""))
  }
}

/// The most memory that this process has had so far, in bytes; 0 where the system does not tell.
///
/// Not `ru_maxrss`, which begins with that of the process that started this one.
func peakMemory() -> Int {
  guard let file = fopen("/proc/self/status", "r") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  while fgets(&line, Int32(line.count), file) != nil {
    let words = line.prefix { $0 != 0 }.split { $0 == 32 || $0 == 9 || $0 == 10 }
    guard words.count > 1, words[0].elementsEqual("VmHWM:".utf8.map { CChar($0) }) else { continue }
    return 1024 * words[1].reduce(0) { 10 * $0 + Int($1) - 48 }
  }
  return 0
}
