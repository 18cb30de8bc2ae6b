import Glibc
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a run keeps in memory on each rank beside its data, by formula.
///
/// A step on b local rows takes b · (d + 2C + cache) + scratch(b) + n · P numbers: inputs, logits and their tangents,
/// the activations that the products need, what the layers work in, and the method's vectors of all parameters; for a
/// head alone b · min(d, C) more. Sparse rows take as many numbers and three indices as they have values, and twice the
/// numbers while they are sorted. A solve with the matrix of a batch of B rows takes about 2B² more, what the layers
/// work in to give the gradients of rows, the cotangents of all layers but the last, and on several ranks what is
/// gathered of the widest layer, and B · out/ranks of a first layer whose outputs are shared out. A metric takes P
/// numbers and those of the largest fully connected layer, moments, their factors and inverses, and twice the inputs
/// and gradients of b rows. With virtual shards each of the rank's adds P numbers, those of the largest moment and of
/// the largest fully connected layer, and what its layers work in counts for every one. Where examples are read in
/// windows of T batches, two of them take 2Tb rows as the file has them.
package struct MemoryEstimate: Equatable, Sendable {
  /// What takes memory, in its order.
  let parts: [Part]
  /// Bytes for the steps.
  package let step: Int
  /// Bytes for the evaluations, which keep no activations.
  package let evaluation: Int
  /// Bytes on rank 0 while it writes a checkpoint: a copy of what is saved.
  package let checkpoint: Int

  package init<Scalar: DistributedScalar>(
    _ network: Network, _ optimizer: Configuration.OptimizerOptions, batch: Int, valuesPerRow: Double,
    _ partition: RowPartition, ranks: Int, readAhead: Int = 0, _: Scalar.Type
  ) {
    let (rows, shards) = (partition.capacity(of: batch), partition.partCount)
    func scratch(_ count: (Int) -> Int) -> Double {
      Double(shards) * Double(partition.partScratchCount(capacity: rows, count))
    }
    let size = MemoryLayout<Scalar>.size
    let P = network.layout.count
    let perRow = 2 * network.outputCount + network.body.cacheCount
    func inputs(_ rows: Int) -> Double {
      network.takesSparseInputs
        ? (Double(rows) * valuesPerRow).rounded(.down) * Double(2 * size + 3 * MemoryLayout<Int32>.size)
        : Double(size) * Double(rows) * Double(network.inputCount)
    }
    func bytes(_ numbers: Double) -> Double { Double(size) * numbers }

    // In floating point: what is impossible may be more than integers count.
    var activations = Double(rows) * Double(perRow + (network.isHead ? network.layers[0].scaledCount : 0))
    activations += scratch { network.body.scratchCount(rows: $0) }
    let vectors = optimizer.parameterVectors
    let modelRemedy =
      network.isHead ? "have fewer features or classes" : "make model.layers, the features or the classes fewer"
    var parts = [
      Part("two windows of examples", "training.shuffle_window", "lower it", Double(readAhead)),
      Part("the inputs of \(rows) rows of a batch", "optimizer.batch_size", "lower it", inputs(rows)),
      Part("what layers give and work in for \(rows) rows", "optimizer.batch_size", "lower it", bytes(activations)),
      Part(
        "\(vectors) vectors of \(P) parameters", network.isHead ? "data.classes" : "model.layers", modelRemedy,
        bytes(Double(vectors) * Double(P))),
    ]
    if optimizer.formsGram(network, batch: batch) {
      var gram = Self.gram(network, batch: batch, gathers: ranks > 1 || partition.isVirtual, ranks: ranks)
      if !partition.isVirtual { gram += Double(optimizer.sharedOutputCount(network, batch: batch, ranks: ranks)) }
      gram += scratch { network.body.rowGradientScratchCount(rows: $0) }
      parts.append(
        Part(
          "the matrix of a batch of \(batch) rows", "optimizer.batch_size",
          "lower it, or set optimizer.solver.kind to cg", bytes(gram)))
    }
    parts.append(
      Part(
        "the moments of the metric", "optimizer.metric.kind", "set it to identity",
        bytes(optimizer.metricCount(network, rows: rows))))
    if partition.isVirtual {
      parts.append(
        Part(
          "the sums of \(shards) shards", "training.virtual_shards", "lower it, or set training.reproducible to false",
          bytes(Double(shards) * (Double(P) + optimizer.partMetricCount(network)))))
    }
    step = Self.whole(parts.reduce(0) { $0 + $1.bytes })
    checkpoint = Self.whole(
      bytes(Double(optimizer.savedVectors) * Double(P) + optimizer.momentCount(network)))
    let chunk = Evaluator<Scalar>.chunk(for: network)
    let evaluated =
      inputs(chunk)
      + bytes(Double(chunk) * Double(network.outputCount) + Double(network.body.scratchCount(rows: chunk)))
    evaluation = Self.whole(evaluated)
    self.parts =
      parts + [
        Part(
          "the logits of \(chunk) rows in evaluations", network.isHead ? "data.classes" : "model.layers", modelRemedy,
          evaluated)
      ]
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
  package func check(_ share: HostMemory.Share) throws(ConfigurationError) {
    let total = parts.reduce(0) { $0 + $1.bytes }
    guard total > Double(share.bytes), let largest = parts.max(by: { $0.bytes < $1.bytes }) else { return }
    throw ConfigurationError(
      key: largest.key,
      "the run takes \(total.gigabytes)\(share.ranks == 1 ? "" : " a rank") beside its data, and \(share); "
        + "\(largest.name) take \(largest.bytes.gigabytes): \(largest.remedy)"
        + (share.ranks == 1 ? "" : ", or start fewer ranks on a host"))
  }
}

extension MemoryEstimate {
  /// Numbers of a solve with the matrix of a batch.
  private static func gram(_ network: Network, batch: Int, gathers: Bool, ranks: Int) -> Double {
    let batch = Double(batch)
    let share = (batch / Double(ranks).squareRoot()).rounded()
    let gathered = network.body.rowGradientCounts
    return 2 * batch * (batch + share) + (gathers ? batch * Double(gathered.first + gathered.second) : 0)
  }
}

extension Configuration.OptimizerOptions {
  /// Whether steps form the matrix of their batch, or at least one does for a measurement.
  fileprivate func formsGram(_ network: Network, batch: Int) -> Bool {
    guard method == .fgn else { return false }
    switch solver.kind {
    case .cg: return false
    case .gram, .gramCG: return true
    case .auto, .measured: return SolverPlan.isCandidate(batchSize: batch, network)
    }
  }

  /// Numbers that a rank forms its share of the first layer's outputs in.
  fileprivate func sharedOutputCount(_ network: Network, batch: Int, ranks: Int) -> Int {
    guard
      metric.kind == .identity, let layer = network.body.connections.first, layer.range.lowerBound == 0,
      OutputShares.areWorthwhile(layer.outputs, ranks: ranks)
    else { return 0 }
    return batch * ((layer.outputs + ranks - 1) / ranks)
  }

  /// Numbers of the moments that a metric keeps.
  fileprivate func momentCount(_ network: Network) -> Double {
    guard method == .fgn, metric.kind != .identity else { return 0 }
    return network.body.connections.reduce(0) { sum, layer in
      let (inputs, outputs) = (Double(layer.inputs + 1), Double(layer.outputs))
      return sum + inputs * inputs + (metric.kind == .kronecker ? outputs * outputs : 0)
    }
  }

  /// Numbers of all that a metric needs.
  fileprivate func metricCount(_ network: Network, rows: Int) -> Double {
    let moments = momentCount(network)
    guard moments > 0 else { return 0 }
    let layers = network.body.connections
    // Moments, factors and inverses; rows [h | 1] and d, and all of them divided.
    let perRow =
      layers.map(\.inputs).max()! + 1 + layers.map(\.outputs).max()!
      + layers.reduce(0) { $0 + $1.inputs + 1 + $1.outputs }
    return Double(network.layout.count) + Double(layers.map(\.range.count).max()!) + 3 * moments
      + Double(rows) * Double(perRow)
  }

  /// Numbers of all that a metric needs for each virtual shard.
  fileprivate func partMetricCount(_ network: Network) -> Double {
    guard momentCount(network) > 0 else { return 0 }
    let layers = network.body.connections
    let largest = Double(layers.map { max($0.inputs + 1, metric.kind == .kronecker ? $0.outputs : 0) }.max()!)
    return largest * largest + Double(layers.map(\.range.count).max()!)
  }

  /// n, the vectors of P numbers that a run has: θ, the sums over the ranks, and what the method works with and remembers.
  var parameterVectors: Int {
    switch method {
    case .fgn: 8 + (nesterov ? 1 : 0) + (nesterov && anchorMoves ? 1 : 0)
    case .ggn: 10 + (nesterov ? 1 : 0)
    case .sgd: 1 + savedVectors
    case .adam: 1 + savedVectors
    }
  }

  /// Whether what momentum and decay lead to may change after a batch was linearised there.
  private var anchorMoves: Bool { weightDecay > 0 && (metric.kind != .identity || damping.policy == .sweep) }

  /// Of these, θ and what the method remembers.
  fileprivate var savedVectors: Int {
    switch method {
    case .fgn, .ggn, .sgd: momentum == 0 ? 1 : 2
    case .adam: 3
    }
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
