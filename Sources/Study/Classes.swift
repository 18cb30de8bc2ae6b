import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

/// Steps and their costs against the number of classes.
struct Classes: Experiment {
  let name = "classes"
  let title = "What many classes do to the step and to its cost"
  let claim =
    "With C classes the full matrix has C − 1 curvature rows an example, FGN one: its B × B system costs a few matrix products, "
    + "the full one a pair of products for every iteration. What FGN drops grows with the number of competitors that matter."
  let setup =
    "Difference: as before, at κ 1 and λ 0.01, three seeds. Cost: a linear head of 256 features, 256 examples, float32; medians of "
    + "steps in alternation; conjugate gradient does 10 iterations. Memory by the program's formula, beside the data."
  let columns = ["part", "classes", "method", "seed"] + StepComparison.Result.columns + ["seconds", "bytes"]

  private static let methods = ["fgn-gram", "fgn-cg", "ggn-cg", "sgd"]

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    let none = Dictionary(uniqueKeysWithValues: columns.map { ($0, "") })
    let largest = laboratory.isQuick ? 512 : 4096
    for classes in sequence(first: 2, next: { $0 * 2 <= largest ? $0 * 2 : nil }) {
      for seed in 0..<3 {
        let key = ["part": "step", "classes": "\(classes)", "seed": "\(seed)"]
        if table.contains(key) { continue }
        let result = try StepComparison(classes: classes, seed: seed).run(over: laboratory.communicator)
        try table.append([none.merging(key) { $1 }.merging(result.fields) { $1 }])
      }
    }
    for classes in [2, 10, 100, 1000, 5000] + (laboratory.isQuick ? [] : [10_000, 20_000, 50_000]) {
      let key = ["part": "cost", "classes": "\(classes)"]
      if table.contains(key) { continue }
      laboratory.say("  cost of steps with \(classes) classes")
      let costs = try costs(classes, laboratory)
      try table.append(
        zip(Self.methods, costs).map { method, cost in
          none.merging(key) { $1 }
            .merging(["method": method, "seconds": field(cost.seconds), "bytes": "\(cost.bytes)"]) { $1 }
        })
    }
  }

  /// Seconds per step on the slowest rank, and bytes per rank, for each method.
  private func costs(_ classes: Int, _ laboratory: Laboratory) throws -> [(seconds: Double, bytes: Int)] {
    let communicator = laboratory.communicator
    let (rows, features) = (256, 256)
    let partition = RowPartition(rank: communicator.rank, ranks: communicator.size)
    let shard = partition.rows(of: rows)
    let network = Network([Linear(inputs: features, outputs: classes)])
    var generator = SplitMix64(seed: 1)
    let inputs = Matrix<Float>(zeros: rows, features)
    for i in 0..<inputs.elements.count { inputs.elements[i] = Float(generator.nextNormal()) }
    let labels = (0..<rows).map { _ in Int32(generator.next(below: UInt64(classes))) }
    let start: Vector<Float> = network.initialParameters(seed: 1)
    let moved = start.copy()

    let trials = Self.methods.map { method in
      let parts = method.split(separator: "-")
      var configuration = Configuration()
      var options = configuration.optimizer
      options.method = Configuration.OptimizerOptions.Method(rawValue: String(parts[0]))!
      options.solver.kind = parts.last == "gram" ? .gram : .cg
      options.solver.tolerance = .leastNonzeroMagnitude
      options.solver.maxIterations = 10
      options.damping.policy = .constant
      let optimizer: any Optimizer<Float> = options.makeOptimizer(
        ParameterShare(network), batchSize: rows, partition: partition, over: communicator)
      configuration.optimizer = options
      let memory = MemoryEstimate(
        network, configuration, batch: .init(rows: rows, valuesPerRow: Double(features)), partition, Float.self)
      return (optimizer: optimizer, bytes: memory.step)
    }
    var seconds = [[Double]](repeating: [], count: trials.count)
    for _ in 0..<(laboratory.isQuick ? 4 : 8) {
      for (index, trial) in trials.enumerated() {
        moved.assign(start)
        try communicator.barrier()
        let clock = ContinuousClock()
        let begin = clock.now
        _ = try trial.optimizer.advance(
          moved, on: Batch(inputs: .dense(inputs[rows: shard]), labels: labels[shard], globalSize: rows), rate: 0.1,
          interrupt: false)
        seconds[index].append(try communicator.allreduce((clock.now - begin) / .seconds(1), .max))
      }
    }
    // The first repetition is a warm-up.
    return zip(seconds, trials).map { ($0.dropFirst().median, $1.bytes) }
  }

  func figures(_ table: Table) -> [Figure] {
    let costs = table.rows(where: ["part": "cost"])
    let steps = table.rows(where: ["part": "step"])
    let axis = Figure.Axis("classes", logarithmic: true)
    func cost(_ column: String, _ unit: Double) -> [Figure.Series] {
      Self.methods.map { method in
        .init(
          name: method, colour: Figure.colour(method),
          points: costs.filter { $0.text("method") == method }.map { ($0["classes"], $0[column] * unit) },
          isDashed: method == "sgd")
      }
    }
    return [
      Figure(
        name: "classes",
        panels: [
          .init(title: "Time", x: axis, y: .init("ms a step", logarithmic: true), series: cost("seconds", 1000)),
          .init(title: "Memory", x: axis, y: .init("MB", logarithmic: true), series: cost("bytes", 1e-6)),
          .init(
            title: "Gap", x: axis, y: .init("relative"),
            series: [
              .init(
                name: "difference of the steps", colour: Figure.palette[0],
                points: steps.map { ($0["classes"], $0["difference"]) }),
              .init(
                name: "dropped fraction of the trace", colour: Figure.palette[1],
                points: steps.map { ($0["classes"], $0["dropped"]) }),
            ]),
          .init(
            title: "Step", x: axis, y: .init("FGN against full matrix"),
            series: [
              .init(name: "cosine", colour: Figure.palette[0], points: steps.map { ($0["classes"], $0["cosine"]) }),
              .init(
                name: "norm ratio", colour: Figure.palette[1], points: steps.map { ($0["classes"], $0["norm_ratio"]) }),
            ]),
        ])
    ]
  }

  func findings(_ table: Table) -> [Finding] {
    let steps = table.rows(where: ["part": "step"])
    func seconds(_ method: String, _ classes: String) -> Double {
      table.rows(where: ["part": "cost", "method": method, "classes": classes]).first?["seconds"] ?? .nan
    }
    let largest = table.rows(where: ["part": "cost"]).map { $0["classes"] }.max().map { "\(Int($0))" } ?? "0"
    let exact = steps.filter { $0["classes"] == 2 }.map { $0["difference"] }.max() ?? .nan
    let gram = seconds("fgn-gram", largest) / seconds("sgd", largest)
    let full = seconds("ggn-cg", largest) / seconds("fgn-gram", largest)
    return [
      Finding(
        statement: "for two classes the steps are the same (difference \(exact.scientific))", holds: exact < 1e-6),
      .trend("the dropped fraction grows with the classes", steps, "classes", "dropped", sign: 1),
      .trend(
        "from 64 classes on the difference falls, as each competitor's part of the curvature falls below λ",
        steps.filter { $0["classes"] >= 64 }, "classes", "difference", sign: -1),
      Finding(
        statement: "with \(largest) classes FGN's exact step takes \(gram.rounded3) times a gradient step (2)",
        holds: gram < 2),
      Finding(
        statement: "and ten iterations with the full matrix \(full.rounded3) times FGN's exact step (3)",
        holds: full > 3),
    ]
  }
}
