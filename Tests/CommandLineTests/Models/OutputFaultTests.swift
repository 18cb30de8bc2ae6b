import Testing

extension DataTests {
  /// Outputs that cannot be written, among others that can.
  @Suite("Faults of outputs")
  struct OutputFaultTests {
    private static let model = "run/model.safetensors"

    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      try Examples(60, features: 4, classes: 3).write("x", to: workspace)
      try workspace.write(
        "run.yaml",
        "{data: {train: {features: x-features.npy, labels: x-labels.npy}}, training: {epochs: 1}}")
      try Program.run(["train", "run.yaml", "--run-directory", "run"], in: workspace).expectSuccess()
      try workspace.write("folder.csv/inside", "")
      try workspace.write("folder.npy/inside", "")
      return workspace
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Are found before the work, and nothing is written`(_ ranks: Ranks) throws {
      let workspace = try prepare()
      let before = workspace.names(".").filter { !$0.hasSuffix(".out") && !$0.hasSuffix(".err") }
      let evaluate = ["evaluate", Self.model, "--features", "x-features.npy", "--labels", "x-labels.npy"]
      let predict = ["predict", Self.model, "--features", "x-features.npy"]
      for (command, words) in [
        (evaluate + ["--classes", "a.csv", "--confusion", "none/b.csv"], ["none/b.csv", "create the folder, or"]),
        (evaluate + ["--classes", "a.csv", "--suspects", "folder.csv"], ["folder.csv", "name a file"]),
        (predict + ["--logits", "a.npy", "--classes", "none/b.npy"], ["none/b.npy", "create the folder, or"]),
        (predict + ["--logits", "a.csv", "--classes", "none/b.csv"], ["none/b.csv", "create the folder, or"]),
        (predict + ["--logits", "a.npy", "--classes", "folder.npy"], ["folder.npy", "name a file"]),
        (predict + ["--logits", "a.npy", "--classes", "folder.csv"], ["folder.csv", "name a file"]),
        (["convert", "x-features.npy", "--output", "none/b.npy"], ["none/b.npy", "create the folder, or"]),
        (
          [
            "convert", "x-features.npy", "--labels", "x-labels.npy", "--output", "a.npy", "--output-labels",
            "none/y.npy",
          ],
          ["none/y.npy", "create the folder, or"]
        ),
      ] {
        try Program.run(ranks, command, in: workspace).expectError(74, mentioning: words)
        #expect(workspace.names(".").filter { !$0.hasSuffix(".out") && !$0.hasSuffix(".err") } == before)
      }
      // No features are read before.
      try Program.run(
        ranks, ["evaluate", Self.model, "--features", "gone.npy", "--labels", "gone.npy", "--classes", "none/a.csv"],
        in: workspace
      )
      .expectError(74, mentioning: ["none/a.csv"])
    }
  }
}
