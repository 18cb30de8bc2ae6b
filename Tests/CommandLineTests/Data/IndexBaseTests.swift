import Foundation
import Testing

extension DataTests {
  /// Files in LIBSVM's format do not state their index base.
  @Suite("Index base")
  struct IndexBaseTests {
    private static let model = "run/model.safetensors"

    /// 60 examples of four features, only one of which indicates the class; indices count from `base`.
    private func text(_ base: Int, hasLabels: Bool = true, without missing: Int? = nil) -> String {
      (0..<60).map { row in
        let column = missing.map { 1 + row % 3 + ($0 < 1 ? 0 : -1) } ?? row % 4
        return (hasLabels ? "\(column) " : "") + "\(base + column):\(1 + row % 3)\n"
      }.joined()
    }

    private func train(_ settings: [String] = [], in workspace: Workspace) throws -> Outcome {
      try workspace.write("run.yaml", "training: {steps: 20}\noptimizer: {batch_size: full}\n")
      try? FileManager.default.removeItem(atPath: workspace.path("run"))
      return try Program.run(
        ["train", "run.yaml", "--run-directory", "run", "--set", "data.train.features=train.svm"]
          + settings.flatMap { ["--set", $0] }, in: workspace)
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Is that of the training set, for tests, evaluate and predict`(ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write("train.svm", text(0))
      // The first column is empty, so guessing the base from this file alone would shift the columns.
      try workspace.write("test.svm", text(0, without: 0))
      try workspace.write("unlabelled.svm", text(0, hasLabels: false, without: 0))
      let outcome = try train(["data.test.features=test.svm"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("indices from 0"))
      #expect(outcome.output.contains("test  loss") && outcome.output.contains("accuracy 100.00 %  top-5"))
      #expect(
        String(decoding: try workspace.bytes("run/config.yaml"), as: UTF8.self).contains("index_base: zero"))
      for arguments in [[], ["--features", "test.svm"]] {
        let scores = try Program.run(ranks, ["evaluate", Self.model] + arguments, in: workspace)
        scores.expectSuccess()
        #expect(scores.output.contains("accuracy 100.00 %  top-5") && !scores.errorOutput.contains("note"))
      }
      for (name, options) in [("test", []), ("unlabelled", []), ("unlabelled", ["--index-base", "zero"])] {
        try Program.run(
          ranks, ["predict", Self.model, "--features", "\(name).svm", "--classes", "classes.csv"] + options,
          in: workspace
        ).expectSuccess()
        let classes = String(decoding: try workspace.bytes("classes.csv"), as: UTF8.self).split(separator: "\n")
        #expect(classes.dropFirst().map { Int($0)! } == (0..<60).map { 1 + $0 % 3 })
      }
      let shifted = try Program.run(
        ["evaluate", Self.model, "--features", "test.svm", "--index-base", "one"], in: workspace)
      #expect(shifted.code == 0 && shifted.output.contains("accuracy 0.00 %"))
    }

    @Test func `An index that the base has not is an error that names the line`() throws {
      let workspace = Workspace()
      try workspace.write("train.svm", text(1))
      try workspace.write("test.svm", "1 2:1\n0 0:1 3:1\n")
      try train(["data.test.features=test.svm"], in: workspace)
        .expectError(65, mentioning: ["test.svm: line 2", "'0:1' is 0", "--index-base) to zero"])
      try train(in: workspace).expectSuccess()
      for arguments in [["evaluate", Self.model], ["predict", Self.model, "--classes", "c.csv"]] {
        for ranks in [Ranks.plain, .mpirun(2)] {
          try Program.run(ranks, arguments + ["--features", "test.svm"], in: workspace)
            .expectError(65, mentioning: ["test.svm: line 2", "'0:1' is 0", "--index-base) to zero"])
        }
      }
      // The base that is set for training applies to all sets.
      try train(["data.index_base=zero", "data.test.features=test.svm"], in: workspace).expectSuccess()
      try train(["data.index_base=two"], in: workspace).expectError(64, mentioning: ["data.index_base", "zero"])
      try Program.run(["evaluate", Self.model, "--index-base", "one"], in: workspace)
        .expectError(64, mentioning: ["--index-base goes with --features"])
    }

    @Test func `Unlabelled examples are nothing to train or score on`() throws {
      let workspace = Workspace()
      try workspace.write("train.svm", text(1))
      try train(in: workspace).expectSuccess()
      try workspace.write("unlabelled.svm", text(1, hasLabels: false))
      try workspace.write("mixed.svm", "1:1\n2:1\n2 2:1\n")
      try Program.run(["evaluate", Self.model, "--features", "unlabelled.svm"], in: workspace)
        .expectError(65, mentioning: ["unlabelled.svm", "no labels"])
      try Program.run(["predict", Self.model, "--features", "mixed.svm", "--classes", "c.csv"], in: workspace)
        .expectError(65, mentioning: ["mixed.svm: line 3", "the lines before have no labels"])
      let converted = try Program.run(["convert", "unlabelled.svm", "--output", "x.npy"], in: workspace)
      converted.expectSuccess()
      #expect(workspace.exists("x.npy"))
      try Program.run(["convert", "unlabelled.svm", "--output", "x.npy", "--output-labels", "y.npy"], in: workspace)
        .expectError(65, mentioning: ["no labels"])
      try train(["data.train.features=unlabelled.svm"], in: workspace).expectError(65, mentioning: ["no labels"])
    }

    @Test func `A model that does not know the base has a guess told aloud`() throws {
      let workspace = Workspace()
      try workspace.write("train.svm", text(0))
      try Program.run(
        ["convert", "train.svm", "--output", "x.npy", "--output-labels", "y.npy"], in: workspace
      ).expectSuccess()
      try train(["data.train.features=x.npy", "data.train.labels=y.npy"], in: workspace).expectSuccess()
      try workspace.write("unlabelled.svm", text(0, hasLabels: false, without: 0))
      let arguments = ["predict", Self.model, "--features", "unlabelled.svm", "--classes", "c.csv"]
      let guessed = try Program.run(arguments, in: workspace)
      #expect(guessed.code == 0 && guessed.errorOutput.contains("indices are taken to count from 1, for none is 0"))
      let told = try Program.run(arguments + ["--index-base", "zero"], in: workspace)
      #expect(told.code == 0 && told.errorOutput.isEmpty)
    }
  }
}
