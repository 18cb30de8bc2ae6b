import Datasets
import Foundation
import LinearAlgebra
import Testing

extension DataTests {
  /// Labels without a class, and classes without a label.
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

    @Test func `What is ignored is as if it were not there`() throws {
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

    @Test func `Arrays of numbers are matched with classes by their names, and words are no numbers`() throws {
      let workspace = Workspace()
      let examples = Examples(90, features: 4, classes: 3)
      func table(_ name: String, _ names: [String]) throws {
        let lines = zip(examples.features, examples.labels).map { row, label in
          (row.map { "\($0)" } + [names[Int(label)]]).joined(separator: ",")
        }
        try workspace.write(name, lines.joined(separator: "\n") + "\n")
      }
      // Taken as positions, labels 1 and 2 would mean the classes named 20 and 3.
      try table("numbers.csv", ["1", "20", "3"])
      try table("words.csv", ["one", "two", "three"])
      var named = examples
      named.labels = examples.labels.map { [1, 20, 3][Int($0)] }
      try write("named", named, to: workspace)
      try write("counted", examples, to: workspace)
      try workspace.write("run.yaml", "{optimizer: {solver: {kind: gram}}, training: {epochs: 4, evaluate_every: 0}}")
      func evaluate(_ model: String, _ files: [String]) throws -> Outcome {
        try Program.run(["evaluate", "\(model)/model.safetensors", "--json", "--features"] + files, in: workspace)
      }
      for model in ["numbers", "words"] {
        try Program.run(
          ["train", "run.yaml", "--run-directory", model, "--set", "data.train.features=\(model).csv"], in: workspace
        ).expectSuccess()
      }
      let byTable = try evaluate("numbers", ["numbers.csv"])
      let byArray = try evaluate("numbers", ["named-features.npy", "--labels", "named-labels.npy"])
      byTable.expectSuccess()
      #expect(byArray.output == byTable.output)
      let unknown = ["counted-labels.npy", "example", "the label '", "none of the 3 classes", "1, 3, 20"]
      try evaluate("numbers", ["counted-features.npy", "--labels", "counted-labels.npy"])
        .expectError(65, mentioning: unknown)
      let words = ["has numbers for labels", "save the names"]
      try evaluate("words", ["counted-features.npy", "--labels", "counted-labels.npy"]).expectError(
        65, mentioning: words)
    }

    @Test func `What evaluate reads is not what it writes`() throws {
      let workspace = Workspace()
      try workspace.write("t.csv", "1,2,a\n2,1,b\n")
      try workspace.write("run.yaml", "{data: {train: {features: t.csv}}, training: {epochs: 1}}")
      try Program.run(["train", "run.yaml", "--run-directory", "run"], in: workspace).expectSuccess()
      for outputs in [["--classes", "t.csv"], ["--classes", "a.csv", "--confusion", "a.csv"]] {
        let run = try Program.run(
          ["evaluate", "run/model.safetensors", "--features", "t.csv"] + outputs, in: workspace)
        #expect(run.code == 64 && run.errorOutput.contains("is named twice"), "\(run.errorOutput)")
      }
      #expect(try workspace.bytes("t.csv") == Array("1,2,a\n2,1,b\n".utf8))
    }

    @Test func `Labels that only look alike are two`() throws {
      let workspace = Workspace()
      let lines = (0..<40).map { "\($0 % 2),\(Double($0) / 40),caf\($0 % 2 == 0 ? "\u{e9}" : "e\u{301}")" }
      try workspace.write("t.csv", lines.joined(separator: "\n") + "\n")
      try workspace.write("run.yaml", "{data: {train: {features: t.csv}}, training: {epochs: 30}}")
      let run = try Program.run(["train", "run.yaml", "--run-directory", "run"], in: workspace)
      run.expectSuccess()
      #expect(run.output.contains("2 classes"))
      try Program.run(
        ["predict", "run/model.safetensors", "--features", "t.csv", "--classes", "c.csv"], in: workspace
      ).expectSuccess()
      let classes = try String(decoding: workspace.bytes("c.csv"), as: UTF8.self).split(separator: "\n").suffix(40)
      #expect(
        zip(classes, lines).allSatisfy { $0.unicodeScalars.count == $1.split(separator: ",")[2].unicodeScalars.count })
    }

    @Test func `Classes that no label has are said aloud`() throws {
      let workspace = Workspace()
      var examples = Examples(100, features: 4, classes: 3)
      examples.labels = examples.labels.map { $0 + 1 }
      try write("one", examples, to: workspace)
      #expect(try train("one", in: workspace).contains("labels 1 to 3: class 0 has no examples"))
      examples.labels[3] = 255
      try write("far", examples, to: workspace)
      #expect(try train("far", in: workspace).contains("255 only in 1 rows"))
    }

    @Test func `A negative label names the remedy`() throws {
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
