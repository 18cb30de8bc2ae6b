import Datasets
import LinearAlgebra
import Testing

extension DataTests {
  /// Images with axes in another order than the training set have as many values, but with another meaning.
  @Suite("Axes of examples")
  struct ExampleAxesTests {
    private static let (count, height, width, channels) = (24, 4, 5, 3)

    /// Writes an array of float32 with examples of these axes.
    private func write(_ name: String, _ extents: [Int], to workspace: Workspace) throws {
      let shape = ([Self.count] + extents).map(String.init).joined(separator: ", ")
      let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(shape)), }\n"
      var generator = SplitMix64(seed: 7)
      let values = (0..<Self.count * extents.reduce(1, *)).map { _ in Float(generator.next(below: 1000)) / 1000 }
      let data = values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
      try workspace.write(
        name, [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + data)
    }

    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      let (height, width, channels) = (Self.height, Self.width, Self.channels)
      try write("last.npy", [height, width, channels], to: workspace)
      try write("first.npy", [channels, height, width], to: workspace)
      try write("flat.npy", [height * width * channels], to: workspace)
      try write("padded.npy", [1, height, width, 1, channels], to: workspace)
      try NPY.write((0..<Self.count).map { Int64($0 % 3) }, to: workspace.path("labels.npy"))
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: last.npy, labels: labels.npy}}
        model: {channels: last, layers: [{convolution: {channels: 2, kernel: 3}}, relu, flatten]}
        training: {steps: 2}
        """)
      return workspace
    }

    private func predict(_ model: String, _ features: String) -> [String] {
      ["predict", "\(model)/model.safetensors", "--features", features, "--logits", "z.npy"]
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Another order of axes is refused, and flat examples or axes of extent 1 are not`(_ ranks: Ranks) throws {
      let workspace = try prepare()
      try Program.run(["train", "run.yaml", "--run-directory", "run"], in: workspace).expectSuccess()
      let said = ["first.npy", "3 × 4 × 5", "4 × 5 × 3", "transpose"]
      try Program.run(ranks, predict("run", "first.npy"), in: workspace).expectError(65, mentioning: said)
      try Program.run(
        ranks, ["evaluate", "run/model.safetensors", "--features", "first.npy", "--labels", "labels.npy"], in: workspace
      ).expectError(65, mentioning: said)
      try Program.run(
        ranks,
        ["train", "run.yaml", "--run-directory", "other"]
          + ["--set", "data.test.features=first.npy", "--set", "data.test.labels=labels.npy"], in: workspace
      ).expectError(65, mentioning: said)
      try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", "run", "--resume", "--set", "data.train.features=first.npy"],
        in: workspace
      ).expectError(65, mentioning: ["data.train.features", "3 × 4 × 5"])
      var logits: [[UInt8]] = []
      for features in ["last.npy", "flat.npy", "padded.npy"] {
        try Program.run(ranks, predict("run", features), in: workspace).expectSuccess()
        logits.append(try workspace.bytes("z.npy"))
      }
      #expect(Set(logits).count == 1)
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `A run that goes on with flat examples keeps the axes that it has`(_ ranks: Ranks) throws {
      let workspace = try prepare()
      let train = ["train", "run.yaml", "--run-directory", "run"]
      try Program.run(train, in: workspace).expectSuccess()
      func resume(_ steps: Int, _ features: String, _ more: [String] = []) throws -> Outcome {
        let settings = ["training.steps=\(steps)", "data.train.features=\(features)"] + more
        return try Program.run(ranks, train + ["--resume"] + settings.flatMap { ["--set", $0] }, in: workspace)
      }
      try resume(3, "flat.npy").expectSuccess()
      try Program.run(ranks, predict("run", "first.npy"), in: workspace).expectError(65, mentioning: ["4 × 5 × 3"])
      let test = ["data.test.features=first.npy", "data.test.labels=labels.npy"]
      try resume(4, "flat.npy", test).expectError(65, mentioning: ["first.npy", "3 × 4 × 5", "4 × 5 × 3"])
      try resume(4, "padded.npy", test).expectError(65, mentioning: ["first.npy", "3 × 4 × 5"])
      try resume(4, "first.npy").expectError(65, mentioning: ["data.train.features", "3 × 4 × 5"])
      try resume(4, "last.npy").expectSuccess()
    }

    @Test func `A run that goes on with examples that have axes takes them where it had none`() throws {
      let workspace = try prepare()
      let settings = ["--set", "model={layers: [], channels: first}"]
      let train = ["train", "run.yaml", "--run-directory", "run"] + settings
      try Program.run(train + ["--set", "data.train.features=flat.npy"], in: workspace).expectSuccess()
      try Program.run(predict("run", "first.npy"), in: workspace).expectSuccess()
      try Program.run(train + ["--resume", "--set", "training.steps=3"], in: workspace).expectSuccess()
      try Program.run(predict("run", "last.npy"), in: workspace).expectSuccess()
      try Program.run(predict("run", "first.npy"), in: workspace).expectError(65, mentioning: ["4 × 5 × 3"])
    }

    @Test func `The axes of input_shape are those of files that have axes`() throws {
      let workspace = try prepare()
      func train(_ run: String, _ features: String, _ shape: String, _ channels: String) throws -> Outcome {
        try Program.run(
          ["train", "run.yaml", "--run-directory", run, "--set", "data.train.features=\(features)"]
            + ["--set", "model.input_shape=\(shape)", "--set", "model.channels=\(channels)"], in: workspace)
      }
      try train("reshaped", "last.npy", "[3, 4, 5]", "first")
        .expectError(64, mentioning: ["model.input_shape", "4 × 5 × 3", "model.channels"])
      try train("flat", "flat.npy", "[4, 5, 3]", "last").expectSuccess()
      try Program.run(predict("flat", "flat.npy"), in: workspace).expectSuccess()
      try Program.run(predict("flat", "last.npy"), in: workspace).expectSuccess()
      try Program.run(predict("flat", "first.npy"), in: workspace).expectError(65, mentioning: ["3 × 4 × 5"])
    }

    @Test func `Axes that no transposition brings into agreement are told the shape`() throws {
      let workspace = try prepare()
      try Program.run(["train", "run.yaml", "--run-directory", "run"], in: workspace).expectSuccess()
      try write("other.npy", [Self.height * Self.channels, Self.width], to: workspace)
      let outcome = try Program.run(predict("run", "other.npy"), in: workspace)
      outcome.expectError(65, mentioning: ["12 × 5", "4 × 5 × 3", "the shape (n, 4, 5, 3)", "flatten"])
      #expect(!outcome.errorOutput.contains("transpose"))
    }

    @Test func `Axes that look like those of the other order of channels are said aloud`() throws {
      let workspace = try prepare()
      try write("last.npy", [8, 6, 3], to: workspace)
      try write("first.npy", [3, 6, 8], to: workspace)
      func notes(_ features: String, _ settings: [String]) throws -> Bool {
        let run = try Program.run(
          ["train", "run.yaml", "--run-directory", "run-\(workspace.names(".").count)"]
            + (["data.train.features=\(features)"] + settings).flatMap { ["--set", $0] }, in: workspace)
        run.expectSuccess()
        if run.output.contains("8 channels of 8 × 6") || run.output.contains("8 channels of 6 × 3") {
          #expect(run.output.contains("set model.channels to "))
        }
        return run.output.contains("model.channels")
      }
      #expect(try notes("last.npy", ["model.channels=first"]))
      #expect(try notes("first.npy", ["model.channels=last"]))
      #expect(try !notes("last.npy", ["model.channels=last"]))
      #expect(try !notes("first.npy", ["model.channels=first"]))
      #expect(try !notes("last.npy", ["model.channels=first", "model.layers=[{linear: 4}]"]))
    }

    @Test func `Labels that look like the values of a feature are said aloud`() throws {
      let workspace = Workspace()
      let lines = (0..<200).map { "\($0 % 3),\(Double($0 * 37 % 100) / 64),\(Double($0 * 17 % 100) / 64)" }
      try workspace.write("t.csv", "label,a,b\n" + lines.joined(separator: "\n") + "\n")
      try workspace.write("run.yaml", "{data: {train: {features: t.csv}}, training: {epochs: 1}}")
      let last = try Program.run(["train", "run.yaml", "--run-directory", "last"], in: workspace)
      last.expectSuccess()
      #expect(last.output.contains("label 'b'") && last.output.contains("data.train.label_column"))
      let first = try Program.run(
        ["train", "run.yaml", "--run-directory", "first", "--set", "data.train.label_column=first"], in: workspace)
      first.expectSuccess()
      #expect(first.output.contains("label 'label'") && !first.output.contains("different numbers"))
    }
  }
}
