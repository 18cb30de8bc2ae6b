import GaussNewton
import Networks
import Testing

@testable import Training

/// The estimate against the formulas of docs/distributed.md, with symbols that are counted here.
@Suite struct MemoryEstimateTests {
  /// Of fully connected layers with tanh between them.
  struct Case: CustomTestStringConvertible {
    var settings: [String]
    var hidden: [Int] = []
    var batch = 96
    var ranks = 1
    /// Virtual shards of the last rank.
    var shards: Int?
    var hasGram = false
    /// nil for the identity.
    var metric: MetricOptions.Kind?
    /// n and v.
    var vectors: (all: Int, saved: Int)
    var keepsBest = false
    var average: String?
    var hasProbabilities = false
    /// Whether the head has biases.
    var bias = true

    var testDescription: String { "\(hidden) on \(ranks): \(settings.joined(separator: ", "))" }

    /// in and out of each layer, and in + 1, or in without biases.
    var layers: [(inputs: Int, outputs: Int, columns: Int)] {
      let sizes = [features] + hidden + [classes]
      return (0...hidden.count).map { (sizes[$0], sizes[$0 + 1], sizes[$0] + ($0 < hidden.count || bias ? 1 : 0)) }
    }
    var features: Int { 200 }
    var classes: Int { 6 }
  }

  static let cases = [
    Case(settings: ["solver.kind=cg"], vectors: (8, 2)),
    Case(settings: ["solver.kind=cg", "momentum=0"], vectors: (8, 1)),
    Case(settings: ["solver.kind=gram"], hasGram: true, vectors: (8, 2)),
    Case(settings: ["solver.kind=gram-cg"], ranks: 4, hasGram: true, vectors: (8, 2)),
    Case(settings: ["solver.kind=cg", "metric.kind=identity"], hidden: [50, 30], ranks: 3, vectors: (8, 2)),
    Case(settings: ["solver.kind=cg", "metric.kind=inputs"], hidden: [50, 30], metric: .inputs, vectors: (8, 2)),
    Case(
      settings: ["solver.kind=gram", "nesterov=true", "weight_decay=0.1"], hidden: [50, 30], hasGram: true,
      metric: .kronecker, vectors: (10, 2)),
    Case(
      settings: ["solver.kind=gram", "metric.kind=identity"], hidden: [80, 30], ranks: 2, hasGram: true,
      vectors: (8, 2)),
    Case(
      settings: ["solver.kind=gram"], hidden: [50], ranks: 2, shards: 6, hasGram: true, metric: .kronecker,
      vectors: (8, 2)),
    Case(settings: ["solver.kind=gram", "metric.kind=outputs"], hasGram: true, metric: .outputs, vectors: (8, 2)),
    Case(
      settings: ["solver.kind=gram", "metric.kind=outputs"], hidden: [80, 30], ranks: 2, hasGram: true,
      metric: .outputs, vectors: (8, 2)),
    Case(
      settings: ["solver.kind=cg", "metric.kind=outputs"], hidden: [50], ranks: 2, shards: 6, metric: .outputs,
      vectors: (8, 2)),
    Case(
      settings: ["solver.kind=gram", "metric.kind=diagonal"], hidden: [50], hasGram: true, metric: .diagonal,
      vectors: (8, 2)),
    Case(
      settings: ["solver.kind=gram", "metric.kind=diagonal"], hidden: [80, 30], ranks: 2, hasGram: true,
      metric: .diagonal, vectors: (8, 2)),
    Case(
      settings: ["solver.kind=cg", "metric.kind=diagonal"], hidden: [50], ranks: 2, shards: 6, metric: .diagonal,
      vectors: (8, 2)),
    Case(settings: ["solver.kind=gram"], hasGram: true, vectors: (8, 2), bias: false),
    Case(
      settings: ["solver.kind=gram", "metric.kind=diagonal"], ranks: 2, shards: 6, hasGram: true, metric: .diagonal,
      vectors: (8, 2), bias: false),
    Case(
      settings: ["solver.kind=gram"], hidden: [50], hasGram: true, metric: .kronecker, vectors: (8, 2), bias: false),
    Case(settings: ["method=ggn"], hidden: [50], ranks: 2, vectors: (10, 2)),
    Case(settings: ["method=ggn", "nesterov=true", "weight_decay=0.1"], vectors: (11, 2)),
    Case(settings: ["method=sgd"], hidden: [50], vectors: (3, 2)),
    Case(settings: ["method=sgd"], hidden: [50], vectors: (4, 3), keepsBest: true),
    Case(settings: ["solver.kind=cg"], vectors: (9, 3), keepsBest: true),
    Case(settings: ["solver.kind=cg"], vectors: (9, 4), average: "tail"),
    Case(settings: ["method=adam"], hidden: [50], vectors: (6, 6), keepsBest: true, average: "ema"),
    Case(settings: ["method=sgd", "momentum=0"], vectors: (2, 1)),
    Case(settings: ["method=adam"], hidden: [50], ranks: 5, shards: 3, vectors: (4, 3)),
    Case(
      settings: ["solver.kind=gram"], hidden: [50], hasGram: true, metric: .kronecker, vectors: (8, 2),
      hasProbabilities: true),
  ]

  @Test(arguments: cases) func `The formulas of the documentation give the estimate`(_ example: Case) throws {
    let layers = example.hidden.map { "{linear: \($0)}, tanh" }.joined(separator: ", ")
    let configuration = try Configuration.parse(
      "model: {layers: [\(layers)], bias: \(example.bias)}", source: "",
      overrides: example.settings.map { "optimizer.\($0)" }
        + (example.keepsBest ? ["data.validation.fraction=0.1"] : [])
        + ["training.average.kind=\(example.average ?? "none")", "training.precision=float64"])
    let network = try configuration.model.network(featureShape: [example.features], classes: example.classes)
    let partition = RowPartition(
      rank: example.ranks - 1, ranks: example.ranks, virtualShards: example.shards.map { _ in 12 })
    let estimate = MemoryEstimate(
      network, configuration,
      batch: .init(rows: example.batch, valuesPerRow: 0, hasProbabilities: example.hasProbabilities), partition,
      Double.self)

    let symbols = symbols(example)
    func numbers(_ part: String) throws -> Int {
      let text = try #require(try Self.formulas()[part], "no formula for \(part)")
      return try #require(Formula.value(text, symbols), "\(text) is no formula")
    }
    var parts = [""]
    if example.hasGram { parts.append("a Gram solve of a batch of B rows") }
    if example.hasGram, example.ranks > 1 || example.shards != nil {
      parts.append("a Gram solve on several ranks, or reproducible")
    }
    if example.hasGram, symbols["U"] != 0 { parts.append("a first layer whose outputs are shared out") }
    let isDiagonal = example.metric == .outputs || example.metric == .diagonal
    if example.hasGram, isDiagonal, example.ranks == 1, example.shards == nil {
      parts.append("a Gram solve in the metric `outputs` or `diagonal` on one rank")
    }
    if example.metric != nil { parts.append(isDiagonal ? "the metric `outputs` or `diagonal`" : "another metric") }
    if example.hasProbabilities { parts.append("labels that are probabilities") }
    parts += Array(repeating: "a reproducible run, for each shard of a rank", count: example.shards ?? 0)
    #expect(try estimate.step == 8 * parts.reduce(0) { try $0 + numbers($1) })
    let evaluation = try numbers("evaluations, in place of a step's")
    let labels = try example.hasProbabilities ? numbers("evaluations with labels that are probabilities") : 0
    #expect(estimate.evaluation == 8 * (evaluation + labels))
    #expect(try estimate.checkpoint == 8 * numbers("a checkpoint, on rank 0"))
  }

  /// The formulas of the section by the part that they are of; that of every step by no name.
  private static func formulas() throws -> [String: String] {
    let text = try Documentation.text("docs/distributed.md")
    let section = try #require(text.split(separator: "## Memory of a rank").last)
    var formulas: [String: String] = [:]
    for line in section.split(separator: "\n") {
      if let match = line.wholeMatch(of: /\| ([^|]*) \| `([^`]*)` \| [^|]* \|/) {
        formulas[String(match.1)] = String(match.2)
      } else if line.hasPrefix("    ") {
        formulas[""] = String(line)
      }
    }
    return formulas
  }

  private func symbols(_ example: Case) -> [Character: Int] {
    let (layers, hidden) = (example.layers, example.hidden)
    let (d, C, B) = (example.features, example.classes, example.batch)
    let sizes = layers.map { $0.columns * $0.outputs }
    let (metric, outputs) = (example.metric, layers.map(\.outputs))
    let sides = layers.flatMap { [$0.columns] + (metric == .kronecker ? [$0.outputs] : []) }
    let hasMatrices = metric == .inputs || metric == .kronecker
    let inputs = layers.map(\.inputs)
    let numbers = outputs + (metric == .diagonal ? layers.map(\.columns) : [])
    let widest = hidden.max() ?? 0
    // Inputs and outputs of layers with tanh, whose outputs count twice and its f′ once.
    let perRow = max(1, d + C + 3 * widest)
    let isShared =
      example.hasGram && !hasMatrices && example.shards == nil && example.ranks > 1
      && layers[0].outputs >= 32 * example.ranks
    return [
      "b": example.shards.map { $0 * B / 12 } ?? (B + example.ranks - 1) / example.ranks, "B": B, "d": d, "C": C,
      "P": sizes.reduce(0, +), "K": 3 * hidden.reduce(0, +), "H": hidden.isEmpty ? min(d, C) : 0, "W": widest,
      "S": widest, "G": widest, "n": example.vectors.all, "v": example.vectors.saved,
      "Q": Int((Double(B) / Double(example.ranks).squareRoot()).rounded()), "I": layers.map(\.inputs).max()!,
      "O": layers.map(\.outputs).max()!, "U": isShared ? (layers[0].outputs + example.ranks - 1) / example.ranks : 0,
      "L": sizes.max()!, "E": outputs.max()! + (metric == .diagonal ? inputs.max()! : 0),
      "M": hasMatrices ? sides.reduce(0) { $0 + $1 * $1 } : metric == nil ? 0 : numbers.reduce(0, +),
      "A": layers.reduce(0) { $0 + $1.columns + $1.outputs } + layers.map(\.columns).max()!
        + layers.map(\.outputs).max()!,
      "R": hasMatrices ? sides.max()! * sides.max()! + sizes.max()! : metric == nil ? 0 : numbers.max()!,
      "c": max(16, min(4096, (1 << 23) / perRow)),
    ]
  }
}
