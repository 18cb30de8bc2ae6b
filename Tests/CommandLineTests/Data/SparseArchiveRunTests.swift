import Datasets
import Foundation
import TestSupport
import Testing

extension RunTests {
  /// Runs on sparse matrices of SciPy, against the same examples as text.
  @Suite("Sparse archives")
  struct SparseArchiveRunTests {
    /// 120 examples of 60 features, 4 of them in each, and 3 classes: as text, and as arrays.
    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      var (text, starts, indices, values, labels) = ("", [0], [Int](), [Double](), [Int64]())
      for row in 0..<120 {
        let label = row * 5 % 3
        let columns = Set([label, 3 + row % 7, 10 + row * row % 31, 45 + row % 11]).sorted()
        let numbers = columns.map { Double(($0 + row) % 5 + 1) / 4 }
        let entries = zip(columns, numbers).map { "\($0 + 1):\($1)" }
        text += "\(label) \(entries.joined(separator: " "))\n"
        indices += columns
        values += numbers
        starts.append(indices.count)
        labels.append(Int64(label))
      }
      try workspace.write("train.svm", text)
      try workspace.write(
        "X.npz", SparseArchiveFile.bytes(shape: [120, 60], starts: starts, indices: indices, values: values))
      try NPY.write(labels, to: workspace.path("y.npy"))
      let settings = "optimizer: {batch_size: 48}\ntraining: {epochs: 3, precision: float64}\n"
      try workspace.write("text.yaml", "data: {train: {features: train.svm, format: svmlight}}\n" + settings)
      try workspace.write("arrays.yaml", "data: {train: {features: X.npz, labels: y.npy}}\n" + settings)
      return workspace
    }

    @Test func `The model is that of the text`() throws {
      let workspace = try prepare()
      for (name, ranks) in [("text", Ranks.plain), ("arrays", .plain), ("arrays-2", .mpirun(2))] {
        let configuration = name == "text" ? "text.yaml" : "arrays.yaml"
        let outcome = try Program.run(ranks, ["train", configuration, "--run-directory", name], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("sparse, 4 values each"), "\(outcome.output)")
      }
      #expect(lossDifference(try workspace.steps("arrays"), try workspace.steps("text")) == 0)
      #expect(lossDifference(try workspace.steps("arrays-2"), try workspace.steps("text")) < 1e-9)
      for ranks in [Ranks.plain, .mpirun(2)] {
        for (name, features) in [("a", "X.npz"), ("b", "train.svm")] {
          try Program.run(
            ranks, ["predict", "arrays/model.safetensors", "--features", features, "--logits", "\(name).npy"],
            in: workspace
          ).expectSuccess()
        }
        #expect(try workspace.bytes("a.npy") == workspace.bytes("b.npy"))
        let scores = try Program.run(
          ranks, ["evaluate", "arrays/model.safetensors", "--features", "X.npz", "--labels", "y.npy"], in: workspace)
        scores.expectSuccess()
        #expect(scores.output.contains("(120 examples)"))
      }
      // Dense layers take the matrix with its zeros.
      try Program.run(
        [
          "train", "arrays.yaml", "--run-directory", "network", "--set", "model.layers=[layer_norm, {linear: 4}, tanh]",
        ],
        in: workspace
      ).expectSuccess()
      try Program.run(["convert", "X.npz", "--labels", "y.npy", "--output", "copy.svm"], in: workspace).expectSuccess()
      try Program.run(["convert", "train.svm", "--output", "text.svm"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("copy.svm") == workspace.bytes("text.svm"))
    }

    @Test func `Settings that do not fit are refused`() throws {
      let workspace = try prepare()
      try Examples(20, features: 3, classes: 2).write("dense", to: workspace)
      let refusals: [([String], Int32, String)] = [
        (
          ["data.train={features: dense-features.npy, labels: dense-labels.npy}", "data.storage=sparse"], 64, "save_npz"
        ),
        (["data.normalize=standardize"], 64, "unit-variance"),
        (["data.test={features: dense-features.npy, labels: dense-labels.npy}"], 65, "3 features"),
      ]
      for (settings, code, words) in refusals {
        let outcome = try Program.run(
          ["train", "arrays.yaml", "--run-directory", "run"] + settings.flatMap { ["--set", $0] }, in: workspace)
        #expect(outcome.code == code && outcome.errorOutput.contains(words), "\(outcome)")
        #expect(!workspace.exists("run"))
      }
    }
  }
}
