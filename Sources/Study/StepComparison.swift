import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The FGN step and the full Gauss-Newton step of a linear head on one batch with prescribed logits, in float64.
///
/// Examples share a few random features, as in practice. Each has an additional feature of its own, a thousandth in
/// size, whose weights produce the prescribed logits, and which adds a millionth to the curvature. The true logit gives
/// all examples the same margin.
struct StepComparison {
  var classes = 30
  var rows = 256
  /// The number of features that all examples share.
  var features = 16
  /// κ: competitors' logits are κ times normal numbers.
  var concentration = 1.0
  var margin = 0.0
  var damping = 1e-2
  var seed = 0

  struct Result {
    /// The mean of 1/‖q‖², the effective number of competitors.
    var effective = 0.0
    /// The share of the full matrix's trace that FGN drops.
    var dropped = 0.0
    /// The cosine between the steps.
    var cosine = 0.0
    /// ‖Δ_FGN‖/‖Δ_GGN‖
    var normRatio = 0.0
    /// ‖Δ_FGN − Δ_GGN‖/‖Δ_GGN‖
    var difference = 0.0
  }

  /// The size of the feature that an example has of its own.
  private static let ownFeature = 1e-3

  /// The batch: features (B × (d + B)), labels, and the prescribed logits (B × C).
  func problem() -> (inputs: Matrix<Double>, labels: [Int32], logits: Matrix<Double>) {
    var generator = SplitMix64(seed: UInt64(seed), stream: UInt64(classes))
    let columns = features + rows
    let inputs = Matrix<Double>(zeros: rows, columns)
    for i in 0..<rows {
      for k in 0..<features { inputs[i, k] = generator.nextNormal() / Double(features).squareRoot() }
      inputs[i, features + i] = Self.ownFeature
    }
    let labels = (0..<rows).map { _ in Int32(generator.next(below: UInt64(classes))) }
    let logits = Matrix<Double>(zeros: rows, classes)
    for i in 0..<rows {
      for c in 0..<classes { logits[i, c] = concentration * generator.nextNormal() }
      let y = Int(labels[i])
      let others = (0..<classes).filter { $0 != y }.map { logits[i, $0] }
      let shift = others.max()!
      logits[i, y] = margin + shift + log(others.reduce(0) { $0 + exp($1 - shift) })
    }

    return (inputs, labels, logits)
  }

  func run(over communicator: Communicator) throws -> Result {
    let (inputs, labels, logits) = problem()
    let columns = inputs.columns
    let network = Network([Linear(inputs: columns, outputs: classes)])
    let parameters = Vector<Double>(zeros: network.layout.count)
    for c in 0..<classes {
      for i in 0..<rows { parameters[c * columns + features + i] = logits[i, c] / Self.ownFeature }
    }

    let shard = (0..<rows).part(communicator.rank, of: communicator.size)
    func step(_ optimizer: some Optimizer<Double>) throws -> Vector<Double> {
      let moved = parameters.copy()
      let report = try optimizer.advance(
        moved, on: Batch(inputs: .dense(inputs[rows: shard]), labels: labels[shard], globalSize: rows), rate: 1,
        interrupt: false)
      precondition(
        report.solver?.termination == .converged, "a step has not converged: \(String(describing: report.solver))")
      moved.combine(-1, parameters)
      return moved
    }
    var options = GaussNewtonOptions()
    options.damping.policy = .constant
    options.damping.initial = damping
    options.damping.minimum = min(options.damping.minimum, damping)
    options.solver.kind = .cg
    options.solver.tolerance = 1e-9
    options.solver.maxIterations = 100_000
    let fast = try step(
      FastGaussNewton(network, options: options, capacity: shard.count, communicator: communicator))
    let full = try step(
      GeneralizedGaussNewton(network, options: options, capacity: shard.count, communicator: communicator))

    var result = Result()
    let probe = MarginStatistics(logits, labels[...])
    (result.effective, result.dropped) = (probe.effective, probe.dropped)
    result.cosine = fast.dot(full) / (fast.norm * full.norm)
    result.normRatio = fast.norm / full.norm
    fast.combine(-1, full)
    result.difference = fast.norm / full.norm
    return result
  }
}

/// The part of the curvature that FGN drops, from the margins of some examples; means over the examples.
struct MarginStatistics {
  /// 1/‖q‖²
  let effective: Double
  /// p(1−p)
  let weight: Double
  /// The share (1−p)(1−‖q‖²) of the trace, which also contains p(1−p)(1+‖q‖²); both are summed over the examples.
  let dropped: Double

  /// Works on a copy of `logits` (b × C).
  init<Scalar: BLASScalar>(_ logits: Matrix<Scalar>, _ labels: ArraySlice<Int32>) {
    let v = Matrix(logits.elements.copy(), logits.rows, logits.columns)
    let margin = SoftmaxMargin<Scalar>(capacity: logits.rows)
    margin.assign(replacing: v, labels: labels)
    var (effective, weight, lost, kept) = (0.0, 0.0, 0.0, 0.0)
    for i in 0..<logits.rows {
      // ‖v‖² = 1 + ‖q‖²
      let square = min(1, max(v[row: i].squaredNorm - 1, 1 / Double(logits.columns)))
      let (p, complement) = (Double(margin.probabilities[i]), Double(margin.complements[i]))
      effective += 1 / square
      weight += p * complement
      lost += complement * (1 - square)
      kept += p * complement * (1 + square)
    }
    let count = Double(logits.rows)
    (self.effective, self.weight, dropped) = (effective / count, weight / count, lost / (lost + kept))
  }
}

extension StepComparison.Result {
  static let columns = ["effective", "dropped", "cosine", "norm_ratio", "difference"]

  var fields: [String: String] {
    [
      "effective": field(effective), "dropped": field(dropped), "cosine": field(cosine),
      "norm_ratio": field(normRatio), "difference": field(difference),
    ]
  }
}

extension Finding {
  /// A trend: the rank correlation of two columns, which should be 0.9 or more in the direction `sign`.
  static func trend(
    _ statement: String, _ rows: [Table.Row], _ x: String, _ y: String, sign: Double
  ) -> Finding {
    let correlation = rankCorrelation(rows.map { $0[x] }, rows.map { $0[y] })
    return Finding(
      statement: "\(statement): rank correlation \(correlation.rounded3) over \(rows.count) observations",
      holds: sign * correlation >= 0.9)
  }
}

extension Double {
  var rounded3: String { String(format: "%.3f", self) }
  var scientific: String { String(format: "%.1e", self) }
}
