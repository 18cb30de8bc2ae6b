import Foundation
import LinearAlgebra
import Testing
import Training

extension DataTests {
  @Suite("A calibrated model")
  struct CalibrationTests {
    private static let model = "run/model.safetensors"

    private struct Scores: Decodable {
      let loss, accuracy, calibration_error: Double
    }

    /// A head that overfits a few examples of many features, and other examples of the same kind.
    private func train(_ settings: String = "", _ precision: String = "float32") throws -> Workspace {
      let workspace = Workspace()
      try Examples(120, features: 40, classes: 5).write(to: workspace)
      try Examples(400, features: 40, classes: 5, seed: 1).write("test", to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}\(settings)}
        optimizer: {batch_size: 30, damping: {policy: constant, initial: 0.01}}
        training: {epochs: 20, keep: last, precision: \(precision)}
        checkpoint: {every: 20}
        """)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      return workspace
    }

    private static let examples = ["--features", "test-features.npy", "--labels", "test-labels.npy"]

    private func scores(_ model: String, in workspace: Workspace) throws -> Scores {
      let outcome = try Program.run(["evaluate", model, "--json"] + Self.examples, in: workspace)
      outcome.expectSuccess()
      return try JSONDecoder().decode(Scores.self, from: Data(outcome.output.utf8))
    }

    @Test(arguments: ["float32", "float64"], ["", ", classes: 5"])
    func `Has the least loss on its examples, and the same classes`(precision: String, settings: String) throws {
      let workspace = try train(settings, precision)
      let outcome = try Program.run(["calibrate", Self.model, "--out", "c.safetensors"] + Self.examples, in: workspace)
      outcome.expectSuccess()
      let text = try #require(outcome.output.firstMatch(of: /temperature ([\d.]+): loss .* \(400 examples\)/)?.1)
      let temperature = try #require(Double(text))
      #expect(temperature > 1.1)
      let (before, after) = (try scores(Self.model, in: workspace), try scores("c.safetensors", in: workspace))
      #expect(after.loss < before.loss && after.accuracy == before.accuracy)
      #expect(after.calibration_error < before.calibration_error)
      // Its logits are those of the model, divided by the temperature.
      for (model, name) in [(Self.model, "z.npy"), ("c.safetensors", "c.npy")] {
        try Program.run(
          ["predict", model, "--features", "test-features.npy", "--logits", name], in: workspace
        ).expectSuccess()
      }
      func logits(_ name: String) throws -> [Double] {
        precision == "float32"
          ? try NPYArray<Float>(workspace.bytes(name)).values.map { Double($0) }
          : try NPYArray<Double>(workspace.bytes(name)).values
      }
      let (z, c) = (try logits("z.npy"), try logits("c.npy"))
      #expect(zip(z, c).allSatisfy { abs($0 / temperature - $1) < 1e-3 * (1 + abs($1)) })
      // A second fit finds nothing left to do, and the file says what was done.
      let again = try Program.run(["calibrate", "c.safetensors"] + Self.examples, in: workspace)
      #expect(again.output.contains("temperature 1:"), "\(again.output)")
      let inspected = try Program.run(["inspect", "c.safetensors"], in: workspace)
      #expect(inspected.output.contains("calibrated: the logits are divided by \(text), fitted to 400 examples"))
    }

    @Test func `Is fitted to the validation set of its run, on any number of ranks`() throws {
      for (settings, count) in [
        (", validation: {fraction: 0.3}", 36),
        (", validation: {features: test-features.npy, labels: test-labels.npy}", 400),
      ] {
        let workspace = try train(settings)
        for (ranks, name) in [(Ranks.plain, "1"), (.mpirun(2), "2"), (.mpirun(3), "3")] {
          let outcome = try Program.run(ranks, ["calibrate", Self.model, "--out", name], in: workspace)
          outcome.expectSuccess()
          #expect(outcome.output.contains("(\(count) examples); saved to \(name)"), "\(outcome.output)")
        }
        let files = try ["1", "2", "3"].map {
          try ModelFile(path: workspace.path($0)).parameters(as: Double.self).array
        }
        for other in files.dropFirst() {
          #expect(zip(files[0], other).allSatisfy { abs($0 - $1) < 1e-6 * (1 + abs($0)) })
        }
      }
    }

    @Test func `Replaces a model, but nothing else unasked`() throws {
      let workspace = try train()
      let (checkpoint, old) = ("run/checkpoints/step-00000080.safetensors", try workspace.bytes(Self.model))
      try Program.run(["calibrate", Self.model], in: workspace).expectError(64, mentioning: ["--features", "--labels"])
      try Program.run(["calibrate", checkpoint] + Self.examples, in: workspace)
        .expectError(64, mentioning: ["checkpoint", "--out"])
      let kept = Self.examples + ["--out", "run.yaml"]
      try Program.run(["calibrate", Self.model] + kept, in: workspace).expectError(
        64, mentioning: ["run.yaml", "--force"])
      try Program.run(
        ["calibrate", Self.model, "--features", "train-features.npy", "--labels", "train-labels.npy"], in: workspace
      ).expectError(65, mentioning: ["train-features.npy", "no example that the model is wrong on"])
      #expect(try workspace.bytes(Self.model) == old)

      try Program.run(["calibrate", checkpoint, "--out", "c.safetensors"] + Self.examples, in: workspace)
        .expectSuccess()
      try Program.run(["calibrate", Self.model, "--out", "c.safetensors", "--force"] + Self.examples, in: workspace)
        .expectSuccess()
      try Program.run(["calibrate", Self.model] + Self.examples, in: workspace).expectSuccess()
      #expect(try workspace.bytes(Self.model) == workspace.bytes("c.safetensors"))
      #expect(try workspace.bytes(Self.model) != old)
    }
  }
}
