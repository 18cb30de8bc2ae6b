import Testing

extension DataTests {
  @Suite("An exported model")
  struct ExportTests {
    private static let model = "run/model.safetensors"

    private func train() throws -> Workspace {
      let workspace = Workspace()
      try Examples(60, features: 6, classes: 3).write(to: workspace)
      try workspace.write(
        "run.yaml", Fault.configuration + "model: {layers: [{linear: 5}, tanh]}\ncheckpoint: {every: 2}\n")
      try Program.run(Fault.train + ["--set", "data.normalize=standardize"], in: workspace).expectSuccess()
      return workspace
    }

    private func logits(_ model: String, in workspace: Workspace) throws -> [Float] {
      try Program.run(["predict", model, "--features", "train-features.npy", "--logits", "z.npy"], in: workspace)
        .expectSuccess()
      return try NPYArray<Float>(workspace.bytes("z.npy")).values
    }

    @Test func `Says as the model does folded or not`() throws {
      let workspace = try train()
      let checkpoint = "run/checkpoints/step-00000002.safetensors"
      for (index, source) in [Self.model, checkpoint].enumerated() {
        let expected = try logits(source, in: workspace)
        #expect(expected.contains { abs($0) > 0.1 })
        for fold in [false, true] {
          let name = "out-\(index)-\(fold)"
          let outcome = try Program.run(
            ["export", source, "--out", name] + (fold ? ["--fold-normalization"] : []), in: workspace)
          outcome.expectSuccess()
          #expect(outcome.output.split(separator: "\n").count == 1)
          #expect(outcome.output.contains("4 tensors, 53 parameters, float32; inputs: "))
          #expect(outcome.output.contains(fold ? "folded into the first layer" : "(x - offset) * scale"))
          let found = try logits(name, in: workspace)
          #expect(found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
          #expect(try !Program.run(["inspect", name], in: workspace).output.contains("optimizer"))
        }
      }
    }

    @Test func `Is the same written by many ranks`() throws {
      let workspace = try train()
      for (ranks, name) in [(Ranks.plain, "a"), (.mpirun(3), "b")] {
        let outcome = try Program.run(ranks, ["export", Self.model, "--out", name], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.split(separator: "\n").count == 1)
        try Program.run(ranks, ["export", Self.model, "--out", "\(name)-arrays", "--format", "npy"], in: workspace)
          .expectSuccess()
      }
      #expect(try workspace.bytes("a") == workspace.bytes("b"))
      #expect(workspace.names("a-arrays") == workspace.names("b-arrays") && workspace.names("a-arrays").count == 5)
    }

    @Test func `Is replaced only when asked`() throws {
      let workspace = try train()
      func export(_ arguments: String...) throws -> Outcome {
        try Program.run(["export", Self.model, "--out"] + arguments, in: workspace)
      }
      try workspace.write("out", "precious")
      try export("out").expectError(64, mentioning: ["out", "--force"])
      #expect(try workspace.bytes("out") == Array("precious".utf8))
      try export("out", "--force").expectSuccess()
      #expect(try workspace.bytes("out").count > 100)

      try export("arrays", "--format", "npy").expectSuccess()
      try export("arrays", "--format", "npy").expectError(64, mentioning: ["arrays", "--force"])
      try export("arrays", "--format", "npy", "--force", "--prefix", "p.").expectSuccess()
      #expect(workspace.names("arrays").contains("p.0.weight.npy"))
      // Nothing else is replaced: not the other kind of export, other folders, or the model.
      try export("arrays", "--force").expectError(64, mentioning: ["arrays", "folder"])
      for name in ["out", "run", ".", "none/.."] {
        try export(name, "--force", "--format", "npy").expectError(64, mentioning: ["no folder of an earlier export"])
      }
      // As of a script's variable that is not set.
      for arguments in [["", "--force"], ["", "--force", "--format", "npy"]] {
        try Program.run(["export", Self.model, "--out"] + arguments, in: workspace)
          .expectError(64, mentioning: ["an argument is empty, behind --out"])
      }
      try Program.run(["export", Self.model, "--out=", "--force"], in: workspace)
        .expectError(64, mentioning: ["an argument is empty, behind --out"])
      try export("plain", "--prefix", "").expectSuccess()
      let model = try workspace.bytes(Self.model)
      try export("run/../\(Self.model)", "--force").expectError(64, mentioning: ["the model itself"])
      #expect(try workspace.bytes(Self.model) == model)
      #expect(workspace.names(".").allSatisfy { !$0.contains(".tmp-") && !$0.contains(".old-") })
    }

    @Test func `Mistakes are named`() throws {
      let workspace = try train()
      for ranks in [Ranks.plain, .mpirun(2)] {
        func export(_ arguments: String...) throws -> Outcome {
          try Program.run(ranks, ["export"] + arguments, in: workspace)
        }
        try export(Self.model, "--out", "x", "--format", "onnx").expectError(
          64, mentioning: ["ONNX", "torch.onnx.export"])
        try export(Self.model, "--out", "x", "--format", "xml").expectError(
          64, mentioning: ["xml", "safetensors, npy"])
        try export(Self.model, "--out", "x", "--precision", "float16").expectError(64, mentioning: ["float16"])
        try export(Self.model, "--out", "x", "--format", "npy", "--prefix", "a/b").expectError(64, mentioning: ["a/b"])
        try export("none", "--out", "x").expectError(66, mentioning: ["none"])
        try export("train-features.npy", "--out", "x").expectError(65, mentioning: ["train-features.npy"])
        try export(Self.model, "--out", "none/x").expectError(74, mentioning: ["none/x"])
      }
      #expect(!workspace.exists("x"))
    }
  }
}
