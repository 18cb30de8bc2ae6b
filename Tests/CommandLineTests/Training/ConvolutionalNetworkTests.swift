import Datasets
import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A small convolutional network on the digits") struct ConvolutionalNetworkTests {
    private static let arguments = ["train", "run.yaml", "--run-directory", "run"]
    private static let model = "run/model.safetensors"

    private func prepare(_ model: String = "") throws -> Workspace {
      let workspace = Workspace()
      // The solver is fixed, since two runs may find different ones faster.
      try workspace.write(
        "run.yaml",
        """
        model:
          layers:
            - convolution: {channels: 6, kernel: 3, padding: 1}
            - relu
            - max_pool: 2
            - residual: [{convolution: {channels: 6, kernel: 3, padding: 1}}, tanh]
            - average_pool: {kernel: 2, stride: 1}
            - flatten
            - layer_norm
            - linear: 20
            - tanh
        \(model)
        optimizer:
          {batch_size: 256, damping: {initial: 1}, schedule: {kind: constant}, solver: {kind: cg}, learning_rate: 1,
          step_length: ggn}
        training: {steps: 12, precision: float64}
        """)
      return workspace
    }

    @Test func `Is trained, evaluated and asked for predictions from its file alone`() throws {
      let workspace = try prepare()
      let trained = try Program.run(.mpirun(2), Self.arguments, in: workspace)
      trained.expectSuccess()
      #expect(
        trained.output.contains(
          "model:     convolution 6×8×8, relu, max_pool 6×4×4, residual (convolution 6×4×4, tanh), average_pool 6×3×3, "
            + "flatten 54, layer_norm, linear 20, tanh, linear 10: 1808 parameters, float64, from scaled\n"))
      let losses = try workspace.steps("run").map { try #require($0.loss) }
      #expect(losses.count == 12 && losses[11] < losses[0] / 2)

      let test = Dataset.digits().test
      let images = Matrix<Float>(zeros: test.count, 64)
      test.features.matrix!.gather(rows: 0..<test.count, into: images, normalization: .none)
      try NPY.write(images, to: workspace.path("images.npy"))
      let files = ["--probabilities", "p.npy", "--logits", "z.npy", "--classes", "c.npy"]
      try Program.run(["predict", Self.model, "--features", "images.npy"] + files, in: workspace).expectSuccess()
      let probabilities = try NPYArray<Double>(workspace.bytes("p.npy")).values
      let logits = try NPYArray<Double>(workspace.bytes("z.npy")).values
      let classes = try NPYArray<Int64>(workspace.bytes("c.npy")).values
      try #require(probabilities.count == 3600 && logits.count == 3600 && classes.count == 360)
      for row in 0..<360 {
        let z = logits[row * 10..<row * 10 + 10]
        let total = z.reduce(0) { $0 + exp($1) }
        #expect(zip(probabilities[row * 10..<row * 10 + 10], z).allSatisfy { abs($0 - exp($1) / total) < 1e-12 })
        #expect(Int(classes[row]) == z.indices.max { z[$0] < z[$1] }! - z.startIndex)
      }
      let accuracy = Double(zip(classes, test.labels).count { $0 == Int64($1) }) / 360
      #expect(accuracy > 0.6)
      for ranks in [Ranks.plain, .mpirun(2)] {
        let evaluation = try Program.run(ranks, ["evaluate", Self.model], in: workspace)
        #expect(evaluation.output.contains("accuracy \(String(format: "%.2f", 100 * accuracy)) %"))
      }
      let inspection = try Program.run(["inspect", Self.model], in: workspace)
      #expect(inspection.output.contains("model: convolution 6×8×8, relu, max_pool 6×4×4, residual"))
    }

    @Test(arguments: ["cg", "gram"]) func `Goes on from a checkpoint to the same bytes`(solver: String) throws {
      let workspace = try prepare()
      let choice = ["--set", "optimizer.solver.kind=\(solver)"]
      try Program.run(Self.arguments + choice, in: workspace).expectSuccess()
      let first = ["train", "run.yaml", "--run-directory", "parts"] + choice
      try Program.run(first + ["--set", "training.steps=5"], in: workspace).expectSuccess()
      // Another shape with the same number of features is another network.
      for (setting, key) in [
        ("model.input_shape=[4, 4, 4]", "model.input_shape"), ("model.channels=last", "model.channels"),
        ("model.layers=[flatten]", "model.layers"),
      ] {
        try Program.run(first + ["--resume", "--set", setting], in: workspace).expectError(64, mentioning: [key])
      }
      try Program.run(first + ["--resume"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("parts/model.safetensors") == workspace.bytes(Self.model))
    }

    @Test func `Starts from weights by their names, with and without the prefix`() throws {
      let workspace = try prepare()
      try Program.run(Self.arguments + ["--set", "training.steps=2"], in: workspace).expectSuccess()
      let trained = try Safetensors.load(path: workspace.path(Self.model))
      var bare = TensorFile()
      for entry in trained.tensors { bare.add(String(entry.name.dropFirst("model.".count)), entry.tensor) }
      #expect(bare.contains("3.0.weight"))
      try Safetensors.save(bare, to: workspace.path("bare.safetensors"))
      for (name, start) in [("a", Self.model), ("b", "bare.safetensors")] {
        try Program.run(
          ["train", "run.yaml", "--run-directory", name, "--set", "model.initialization=\(start)"], in: workspace
        ).expectSuccess()
      }
      #expect(try workspace.steps("a").map(\.loss) == workspace.steps("b").map(\.loss))
      // The last step of the other run.
      let last = try #require(try workspace.steps("run").last?.loss)
      #expect(try #require(try workspace.steps("b").first?.loss) < last)
    }

    @Test func `Takes images whose channels come last`() throws {
      // The embedded digits have axes of their own; as flat arrays they take those of the model.
      let workspace = try prepare(
        """
          input_shape: [4, 8, 2]
          channels: last
        data:
          train: {features: train-features.npy, labels: train-labels.npy}
          test: {features: test-features.npy, labels: test-labels.npy}
        """)
      let digits = Dataset.digits()
      try workspace.writeFlat(digits.train, "train")
      try workspace.writeFlat(digits.test, "test")
      let trained = try Program.run(Self.arguments, in: workspace)
      trained.expectSuccess()
      #expect(trained.output.contains("model:     convolution 6×4×8, relu"))
      let losses = try workspace.steps("run").map { try #require($0.loss) }
      #expect(losses[11] < losses[0] / 2)
      let file = try Safetensors.load(path: workspace.path(Self.model))
      #expect(try file.tensor(named: "model.0.weight").shape == [6, 2, 3, 3])
      let logged = try #require(try workspace.metrics("run").last { $0.event == "evaluation" && $0.split == "test" })
      let evaluation = try Program.run(["evaluate", Self.model], in: workspace)
      #expect(evaluation.output.contains("accuracy \(String(format: "%.2f", 100 * (logged.accuracy ?? -1))) %"))
    }
  }
}

extension Workspace {
  /// Writes the examples as `NAME-features.npy` (n × d, float32) and `NAME-labels.npy`.
  fileprivate func writeFlat(_ examples: Dataset, _ name: String) throws {
    let features = Matrix<Float>(zeros: examples.count, examples.featureCount)
    examples.features.matrix!.gather(rows: 0..<examples.count, into: features, normalization: .none)
    try NPY.write(features, to: path("\(name)-features.npy"))
    try NPY.write(examples.labels.map { Int64($0) }, to: path("\(name)-labels.npy"))
  }
}
