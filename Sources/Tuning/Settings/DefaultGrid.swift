import Datasets
import Foundation
import GaussNewton
import Training

/// The settings that are compared where none are named: Fast Gauss-Newton, for linear heads in two metrics, Adam, and for heads
/// whose objective is cheap to minimise its optimum, with several learning rates and weight decays. Twelve settings at most.
package enum DefaultGrid {
  private static let method = "optimizer.method", rate = "optimizer.learning_rate", decay = "optimizer.weight_decay"
  private static let until = "training.until", metric = "optimizer.metric.kind"

  /// - Parameter resolved: the configuration of the search, with all automatic settings chosen for Fast Gauss-Newton.
  package static func grids(_ resolved: Configuration, for data: TrainingData) -> [[SearchAxis]] {
    let peak = resolved.optimizer.learningRate
    let damping = resolved.optimizer.damping
    let rows = data.train.count
    if resolved.training.until == .optimum { return [[optimumDecays(6, data.facts.meanSquaredNorm(), rows: rows)]] }
    if resolved.model.hasHiddenParameters {
      return [
        [SearchAxis(method, ["fgn"]), rates(peak, 0.3 * peak), SearchAxis(decay, ["0"])],
        // Shorter steps, which fit what is rare later: for more of them.
        [
          SearchAxis(method, ["fgn"]), floor(5, damping), rates(1.5 * peak, 0.5 * peak), SearchAxis(decay, ["1e-4"]),
        ],
        [
          SearchAxis(method, ["adam"]), SearchAxis("optimizer.adam.decoupled_weight_decay", ["true"]),
          quarter(resolved.optimizer.batchSize), rates(0.003, 0.001), SearchAxis(decay, ["0.1", "0"], early: 1),
        ].compactMap(\.self),
      ]
    }
    let isOptimumCheap = isOptimumCheap(resolved.model, data)
    let withOptimum = isOptimumCheap && resolved.allowsOptimum
    // The curvature of a linear layer goes with the squares of its inputs, and with it what a weight decay does.
    let norm = data.facts.meanSquaredNorm()
    func decays(_ values: Double...) -> SearchAxis {
      SearchAxis(decay, values.map { $0 == 0 ? "0" : String(format: "%.1g", max($0 * norm, 1e-30)) }, early: 1)
    }
    // Smoothed targets cost loss, and where words or sentences are classified win accuracy.
    let smoothes = resolved.training.bestBy != .loss
    let optimum =
      [
        SearchAxis(method, ["fgn"]), SearchAxis(until, ["optimum"]), SearchAxis("training.tolerance", ["0.01"]),
        SearchAxis("training.max_passes", ["\(passes(resolved.model, data))"]),
        optimumDecays(smoothes ? 4 : 6, norm, rows: rows),
      ] + (data.hasUnevenClasses ? [SearchAxis("optimizer.decay_biases", ["false"])] : [])
    // Where classes are many, a product is much of a step.
    let saving =
      isOptimumCheap || resolved.optimizer.momentum == 0 ? [] : [SearchAxis("optimizer.nesterov", ["true"])]
    let smoothed =
      [
        SearchAxis(method, ["fgn"]), rates(peak, 0.3 * peak), decays(1e-7),
        SearchAxis("training.label_smoothing", ["0.05"]),
      ] + saving
    // A step of Adam moves each parameter by about its rate, and with it the logits the further the larger the inputs are.
    let stride = min(max(1 / max(norm, 1e-30), 0.001), 0.1)
    return [
      // Where the optimum is among the settings, it says what weight decays do.
      [
        SearchAxis(method, ["fgn"]), rates(peak, 0.3 * peak),
        withOptimum ? decays(1e-7) : smoothes ? decays(0, 1e-6) : decays(1e-7, 1e-6, 0),
      ] + saving,
      // Where rows of many classes swing, long momentum and more damping go with a scale for each class and feature.
      [
        SearchAxis(method, ["fgn"]), SearchAxis(metric, [MetricOptions.Kind.diagonal.rawValue]),
        SearchAxis("optimizer.momentum", ["0.97"]),
        floor(2.5, damping),
        rates(peak, peak / 3), withOptimum ? decays(1e-7) : decays(0, 1e-7),
      ] + saving,
      [SearchAxis(method, ["adam"]), rates(stride, 0.3 * stride)],
    ] + (smoothes ? [smoothed] : []) + (withOptimum ? [optimum] : [])
  }

  /// How many epochs settings train where the configuration does not say, and none of them goes on to its optimum: those of a run,
  /// and of two hundred steps at least, which few rows have not in some epochs.
  ///
  /// - Parameter grows: whether longer rungs may follow. Heads of many classes, which soon know their rows, have three epochs then.
  package static func epochs(_ resolved: Configuration, for data: TrainingData, grows: Bool = false) -> Int {
    let stepsPerEpoch = resolved.sampler(of: data.train).batchesPerEpoch
    let isLarge = !resolved.model.hasHiddenParameters && !isOptimumCheap(resolved.model, data)
    return max(isLarge && grows ? 3 : resolved.training.epochs, (200 + stepsPerEpoch - 1) / stepsPerEpoch)
  }

  /// Whether any setting goes on to its optimum.
  package static func seekOptima(_ grids: [[SearchAxis]]) -> Bool {
    grids.joined().contains { $0.key == until && $0.values.contains("optimum") }
  }

  /// The grids without the axes of keys that are given, as `KEY=VALUE`, and without those grids that are of another method, metric
  /// or end. Throws exit code 64 where none are left.
  package static func keeping(_ given: [String], in grids: [[SearchAxis]]) throws(ConfigurationError) -> [[SearchAxis]]
  {
    let kinds = [method, until, metric]
    let assignments = given.compactMap { Assignment($0) }
    func value(of axis: SearchAxis) -> String? {
      assignments.last { axis.key == $0.key || axis.key.hasPrefix($0.key + ".") }?.value
        .trimmingCharacters(in: .whitespaces)
    }
    let kept = grids.filter { grid in
      grid.allSatisfy { axis in !kinds.contains(axis.key) || value(of: axis).map { axis.values == [$0] } ?? true }
    }
    if kept.isEmpty {
      throw ConfigurationError(
        source: "--set \(given.joined(separator: " "))",
        "leaves nothing of the settings that are compared without --over; name some with --over")
    }
    return kept.map { grid in grid.filter { value(of: $0) == nil } }
  }

  /// Whether a hundred passes over all rows take less time than a search: for sparse heads, and those whose classes have
  /// blocks of the Hessian to precondition by, which some thousand classes have not.
  private static func isOptimumCheap(_ model: Configuration.ModelOptions, _ data: TrainingData) -> Bool {
    let (columns, classes) = headExtents(model, data)
    if data.train.features.isSparse { return columns * classes <= 1 << 26 }
    return OptimumOptions.hasClassBlocks(columns: columns, outputs: classes)
  }

  /// The passes over all rows that an optimum may take: a hundred, or as many as take seconds. Features with values far from the others
  /// need many.
  private static func passes(_ model: Configuration.ModelOptions, _ data: TrainingData) -> Int {
    if data.train.features.isSparse { return 100 }
    let (columns, classes) = headExtents(model, data)
    return Int(min(max(100, 5e10 / (Double(columns) * Double(classes) * Double(data.train.count))), 1000))
  }

  /// The columns of a linear head, its bias included, and its classes.
  private static func headExtents(_ model: Configuration.ModelOptions, _ data: TrainingData) -> (
    columns: Int, classes: Int
  ) {
    (data.train.features.columns + (model.bias ? 1 : 0), data.classCount)
  }

  /// Weight decays of which one suits the optimum: what logits are at a training row goes with mean ‖x‖², and the loss outweighs
  /// the decay in proportion to the number n of rows. Their variance a priori is mean ‖x‖² / (n · decay), here from 2 to 1000.
  private static func optimumDecays(_ count: Int, _ norm: Double, rows: Int) -> SearchAxis {
    let strongest = norm / Double(2 * rows)
    return SearchAxis(
      decay,
      (0..<count).map { String(format: "%.2g", max(strongest * pow(500, -Double($0) / Double(count - 1)), 1e-30)) })
  }

  /// A floor of λ above where it begins.
  private static func floor(_ factor: Double, _ damping: Damping.Options) -> SearchAxis {
    SearchAxis("optimizer.damping.minimum", [text(min(factor * damping.initial, damping.maximum))])
  }

  /// Smaller batches, where they are not of all rows: a step of Adam costs little more than its products.
  private static func quarter(_ batchSize: BatchSize) -> SearchAxis? {
    guard case .rows(let rows) = batchSize else { return nil }
    return SearchAxis("optimizer.batch_size", ["\(max(1, rows / 4))"])
  }

  private static func rates(_ values: Double...) -> SearchAxis { SearchAxis(rate, values.map(text)) }

  private static func text(_ value: Double) -> String { String(format: "%.3g", value) }
}

extension Configuration {
  /// Whether a run with these settings may go on to its optimum.
  fileprivate var allowsOptimum: Bool {
    training.average.kind == .none && training.patience == nil && optimizer.decayTo == .zero
      && !model.head.shard.sharesClasses
  }
}
