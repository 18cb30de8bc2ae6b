import Datasets
import LinearAlgebra
import Testing

extension DataTests {
  /// Numbers that are finite when they are read, but whose results are not.
  @Suite("Numbers beyond the range of the computation")
  struct NumericRangeTests {
    private static let model = "run/model.safetensors"

    /// Writes small examples in float64 and float32, with `value` as feature 4 of row 17 in some of the files.
    private func prepare(_ value: Double) throws -> Workspace {
      let workspace = Workspace()
      var examples = Examples(60, features: 6, classes: 3)
      examples.features = examples.features.map { $0.map { $0 / 1024 } }
      try examples.write(to: workspace)
      examples.features[17][4] = value
      let values = examples.features.flatMap { $0 }
      try NPY.write(Matrix(Vector(values), 60, 6), to: workspace.path("large64.npy"))
      try NPY.write(Matrix(Vector(values.map { Float($0) }), 60, 6), to: workspace.path("large32.npy"))
      try workspace.write("run.yaml", Fault.configuration)
      return workspace
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Are named with row and feature`(ranks: Ranks) throws {
      let workspace = try prepare(1e300)
      func train(_ settings: String...) throws -> Outcome {
        try Program.run(ranks, Fault.train + settings.flatMap { ["--set", $0] }, in: workspace)
      }
      let large = "data.train.features=large64.npy"
      try train(large, "data.normalize=none")
        .expectError(65, mentioning: ["large64.npy: example 17", "too large for float32 at feature 4"])
      try train(large, "data.normalize=standardize")
        .expectError(65, mentioning: ["large64.npy: feature 4 has values too large for normalize standardize"])
      try train("data.normalize=none").expectSuccess()
      let arguments = ["--features", "large64.npy"]
      try Program.run(ranks, ["evaluate", Self.model, "--labels", "train-labels.npy"] + arguments, in: workspace)
        .expectError(65, mentioning: ["large64.npy: example 17", "too large for the precision", "feature 4"])
      try Program.run(ranks, ["predict", Self.model, "--logits", "z.npy"] + arguments, in: workspace)
        .expectError(65, mentioning: ["large64.npy: example 17", "too large for the precision", "feature 4"])
      #expect(!workspace.exists("z.npy"))
    }

    @Test
    func `Are not written as logits, nor scored`() throws {
      let workspace = try prepare(3.4e38)
      try Program.run(Fault.train + ["--set", "data.normalize=unit-variance"], in: workspace).expectSuccess()
      for ranks in [Ranks.plain, .mpirun(2)] {
        try Program.run(
          ranks, ["evaluate", Self.model, "--features", "large32.npy", "--labels", "train-labels.npy", "--json"],
          in: workspace
        ).expectError(65, mentioning: ["large32.npy: example 17", "not finite"])
        try Program.run(
          ranks, ["predict", Self.model, "--features", "large32.npy", "--probabilities", "p.csv"], in: workspace
        ).expectError(65, mentioning: ["large32.npy: example 17", "not finite"])
      }
      #expect(!workspace.exists("p.csv"))
    }
  }
}
