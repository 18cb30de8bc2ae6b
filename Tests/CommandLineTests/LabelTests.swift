import Datasets
import Foundation
import LinearAlgebra
import Testing

extension CommandLineTests {
  /// Labels that are no classes, or classes that no label has.
  @Suite("Labels")
  struct LabelTests {
    private func write(_ name: String, _ examples: Examples, to workspace: Workspace) throws {
      try examples.write(name, to: workspace)
    }

    private func train(_ name: String, _ settings: [String] = [], _ ranks: Ranks = .plain, in workspace: Workspace)
      throws -> String
    {
      try workspace.write(
        "run.yaml",
        """
        data:
          train: {features: \(name)-features.npy, labels: \(name)-labels.npy}
          test: {features: \(name)-features.npy, labels: \(name)-labels.npy}
        optimizer: {batch_size: 32, allreduce: single, solver: {kind: gram}}
        training: {epochs: 2, precision: float64}
        """)
      let run = try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", name] + settings.flatMap { ["--set", $0] }, in: workspace)
      run.expectSuccess()
      return run.output + run.errorOutput
    }

    @Test func whatIsIgnoredIsAsIfItWereNotThere() throws {
      let workspace = Workspace()
      let clean = Examples(200, features: 6, classes: 4)
      var marked = clean
      for place in [199, 150, 80, 7, 0] {
        marked.features.insert([1e6, 2, 3, 4, 5, 6], at: place)
        marked.labels.insert(255, at: place)
      }
      try write("clean", clean, to: workspace)
      try write("marked", marked, to: workspace)
      _ = try train("clean", in: workspace)
      let output = try train("marked", ["data.ignore_label=255"], in: workspace)
      #expect(output.contains("200 examples") && output.contains("5 examples with label 255, and 5 of the test set"))
      func logits(_ model: String) throws -> [UInt8] {
        try Program.run(
          .plain, ["predict", "\(model)/model.safetensors", "--features", "clean-features.npy", "--logits", "z.npy"],
          in: workspace
        ).expectSuccess()
        return try workspace.bytes("z.npy")
      }
      #expect(try logits("clean") == logits("marked"))
      func evaluation(_ model: String, _ features: String) throws -> String {
        let run = try Program.run(
          .plain,
          ["evaluate", "\(model)/model.safetensors", "--features", "\(features)-features.npy"]
            + ["--labels", "\(features)-labels.npy", "--json"], in: workspace)
        run.expectSuccess()
        return run.output
      }
      #expect(try evaluation("marked", "marked").contains("\"examples\":200"))
      try write("two", marked, to: workspace)
      #expect(try train("two", ["data.ignore_label=255"], .mpirun(2), in: workspace).contains("200 examples"))
    }

    @Test func classesThatNoLabelHasAreSaidAloud() throws {
      let workspace = Workspace()
      var examples = Examples(100, features: 4, classes: 3)
      examples.labels = examples.labels.map { $0 + 1 }
      try write("one", examples, to: workspace)
      #expect(try train("one", in: workspace).contains("labels 1 to 3: class 0 has no examples"))
      examples.labels[3] = 255
      try write("far", examples, to: workspace)
      #expect(try train("far", in: workspace).contains("255 only in 1 rows"))
    }

    @Test func aNegativeLabelNamesTheRemedy() throws {
      let workspace = Workspace()
      var examples = Examples(100, features: 4, classes: 3)
      examples.labels[5] = -100
      try write("x", examples, to: workspace)
      try workspace.write("run.yaml", "data: {train: {features: x-features.npy, labels: x-labels.npy}}\n")
      let run = try Program.run(Fault.train, in: workspace)
      #expect(run.code == 65 && run.errorOutput.contains("data.ignore_label: -100"))
    }
  }
}
