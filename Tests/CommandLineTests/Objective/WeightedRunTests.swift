import Datasets
import Foundation
import LinearAlgebra
import Testing

extension RunTests {
  /// In float64 and on full batches, a weight of k and k repetitions differ by rounding alone.
  @Suite("Weights of examples and classes")
  struct WeightedRunTests {
    private static let counts = (0..<60).map { [1, 3, 0, 2, 1][$0 % 5] }

    /// Writes the examples with a file of weights in `weighted.yaml`, and repeated in `repeated.yaml`.
    private func prepare(_ settings: String) throws -> Workspace {
      let workspace = Workspace()
      let examples = Examples(60, features: 6, classes: 3)
      try examples.write("weighted", to: workspace)
      try NPY.write(Vector(Self.counts.map { 5 * Double($0) }), to: workspace.path("weights.npy"))
      var repeated = examples
      let order = Self.counts.indices.flatMap { Array(repeating: $0, count: Self.counts[$0]) }
      repeated.features = order.map { examples.features[$0] }
      repeated.labels = order.map { examples.labels[$0] }
      try repeated.write("repeated", to: workspace)
      for name in ["weighted", "repeated"] {
        let weights = name == "weighted" ? ", weights: weights.npy" : ""
        try workspace.write(
          "\(name).yaml",
          """
          data:
            train: {features: \(name)-features.npy, labels: \(name)-labels.npy\(weights)}
            test: {features: weighted-features.npy, labels: weighted-labels.npy}
            normalize: none
          optimizer: {batch_size: full, damping: {interval: 2}, weight_decay: 1e-3, \(settings)}
          training: {steps: 8, precision: float64}
          checkpoint: {every: 3}
          """)
      }
      return workspace
    }

    private func train(
      _ configuration: String, _ run: String, _ arguments: [String] = [], ranks: Ranks = .plain,
      in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(
        ranks, ["train", "\(configuration).yaml", "--run-directory", run] + arguments, in: workspace)
    }

    private func largestDifference(_ one: String, _ other: String, in workspace: Workspace) throws -> Double {
      let logits = try [one, other].map { run in
        try Program.run(
          ["predict", "\(run)/model.safetensors", "--features", "weighted-features.npy", "--logits", "\(run).npy"],
          in: workspace
        ).expectSuccess()
        return try NPYArray<Double>(workspace.bytes("\(run).npy")).values
      }
      return zip(logits[0], logits[1]).map { abs($0 - $1) }.max()!
    }

    @Test(arguments: [
      "solver: {kind: gram, tolerance: 1e-13}", "solver: {kind: cg, tolerance: 1e-13, max_iterations: 500}",
      "method: ggn, solver: {tolerance: 1e-13, max_iterations: 500}", "method: sgd",
    ])
    func `Are repetitions, on any number of ranks`(settings: String) throws {
      let workspace = try prepare(settings)
      let outcome = try train("weighted", "weighted", in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("weights.npy: from 0 to 2.143, mean 1"))
      try train("repeated", "repeated", in: workspace).expectSuccess()
      try train("weighted", "three", ranks: .mpirun(3), in: workspace).expectSuccess()
      for run in ["repeated", "three"] {
        #expect(lossDifference(try workspace.steps(run), try workspace.steps("weighted")) < 1e-9)
        let difference = try largestDifference("weighted", run, in: workspace)
        #expect(difference < 1e-9)
        Figures.note("weights and repetitions", difference)
      }
      // An evaluation counts each example once.
      let train = try #require(try workspace.metrics("weighted").last { $0.split == "train" })
      let test = try #require(try workspace.metrics("weighted").last { $0.split == "test" })
      #expect(train.loss == test.loss && train.accuracy == test.accuracy)
    }

    @Test func `Of classes multiply those of examples`() throws {
      let workspace = try prepare("solver: {kind: gram}")
      let labels = Examples(60, features: 6, classes: 3).labels
      try NPY.write(
        Vector(zip(labels, Self.counts).map { [0.5, 2, 7][$0] * Double($1) }), to: workspace.path("product.npy"))
      try train("weighted", "both", ["--set", "data.class_weights=[0.5, 2, 7]"], in: workspace).expectSuccess()
      try train("weighted", "product", ["--set", "data.train.weights=product.npy"], in: workspace).expectSuccess()
      #expect(lossDifference(try workspace.steps("both"), try workspace.steps("product")) < 1e-12)
      // Balanced weights are proportional to n/n_c.
      let sizes = (0..<3).map { c in labels.count { $0 == c } }
      let list = sizes.map { "\(1 / Double($0))" }.joined(separator: ", ")
      for (run, weights) in [("balanced", "balanced"), ("list", "[\(list)]")] {
        let arguments = ["--set", "data.class_weights=\(weights)", "--set", "data.train.weights=null"]
        let outcome = try train("weighted", run, arguments, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("classes \(weights.prefix(3))"))
      }
      #expect(lossDifference(try workspace.steps("balanced"), try workspace.steps("list")) < 1e-12)
      #expect(lossDifference(try workspace.steps("balanced"), try workspace.steps("both")) > 1e-3)
    }

    @Test func `Stay the same when a run goes on`() throws {
      let workspace = try prepare("solver: {kind: gram}")
      try train("weighted", "run", in: workspace).expectSuccess()
      let model = try workspace.bytes("run/model.safetensors")
      let resume = ["--resume", "run/checkpoints/step-00000003.safetensors"]
      try FileManager.default.copyItem(
        atPath: workspace.path("weights.npy"), toPath: workspace.path("elsewhere.npy"))
      for path in ["weights.npy", "elsewhere.npy"] {
        try train("weighted", "run", resume + ["--set", "data.train.weights=\(path)"], in: workspace).expectSuccess()
      }
      try train("weighted", "run", resume, in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == model)
      for ranks in [Ranks.plain, .mpirun(3)] {
        func refused(_ setting: String, _ words: String...) throws {
          try train("weighted", "run", resume + ["--set", setting], ranks: ranks, in: workspace)
            .expectError(64, mentioning: words)
        }
        try refused("data.train.weights=null", "data.train.weights", "step-00000003")
        try refused("data.class_weights=balanced", "data.class_weights", "null", "balanced")
      }
      try NPY.write(Vector(Self.counts.map { Double($0 + 1) }), to: workspace.path("weights.npy"))
      try train("weighted", "run", resume, in: workspace).expectError(64, mentioning: ["data.train.weights"])
    }

    @Test func `Go with reproducible runs`() throws {
      let workspace = try prepare("solver: {kind: gram}")
      let arguments = [
        "--set", "training.reproducible=true", "--set", "optimizer.batch_size=17", "--set",
        "training.precision=float32",
        "--set", "data.class_weights=balanced",
      ]
      try train("weighted", "one", arguments, in: workspace).expectSuccess()
      try train("weighted", "three", arguments, ranks: .mpirun(3), in: workspace).expectSuccess()
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("three/model.safetensors"))
    }

    @Test func `That leave nothing are refused`() throws {
      let workspace = try prepare("solver: {kind: gram}")
      let labels = Examples(60, features: 6, classes: 3).labels
      try NPY.write(Vector(labels.map { $0 == 1 ? 1.0 : 0 }), to: workspace.path("weights.npy"))
      for ranks in [Ranks.plain, .mpirun(3)] {
        try train("weighted", "run", ["--set", "data.class_weights=[1, 0, 1]"], ranks: ranks, in: workspace)
          .expectError(64, mentioning: ["data.class_weights", "no example"])
      }
    }
  }
}
