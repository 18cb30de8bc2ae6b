import Foundation
import Testing
import Training

extension DataTests {
  @Suite("Tables")
  struct TableTests {
    private static let model = "run/model.safetensors"
    private static let d = 5

    /// Columns of a set as a table, with the labels last.
    private func table(
      _ examples: Examples, _ rows: Range<Int>, _ names: [String]?, order: [Int] = Array(0...d)
    ) -> String {
      let lines = rows.map { row in examples.features[row].map { "\($0)" } + ["\(examples.labels[row])"] }
      return ((names.map { [$0] } ?? []) + lines).map { line in order.map { line[$0] }.joined(separator: ",") + "\n" }
        .joined()
    }

    private let examples = Examples(400, features: d, classes: 3)
    private let pandas = (0..<d).map { "\($0)" } + ["label"]
    private let words = ["a", "b b", "\"c, c\"", "d", "e", "kind"]

    private func train(_ workspace: Workspace, _ more: [String] = [], ranks: Ranks = .plain, name: String = "run")
      throws
      -> Outcome
    {
      try workspace.write("run.yaml", "{optimizer: {solver: {kind: gram}}, training: {epochs: 3, evaluate_every: 0}}")
      return try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", name] + more.flatMap { ["--set", "data.\($0)"] }, in: workspace)
    }

    private func lines(_ workspace: Workspace, _ name: String) throws -> String {
      String(decoding: try workspace.bytes(name), as: UTF8.self)
    }

    @Test
    func `Whose names are numbers train the model that they train without names`() throws {
      let workspace = Workspace()
      try workspace.write("named.csv", table(examples, 0..<300, pandas))
      try workspace.write("bare.csv", table(examples, 0..<300, nil))
      let named = try train(workspace, ["train.features=named.csv"], ranks: .mpirun(2), name: "named")
      named.expectSuccess()
      #expect(named.output.contains("300 examples of 5 features, 3 classes, header: names, "), "\(named.output)")
      for header in ["auto", "no"] {
        let bare = try train(
          workspace, ["train.features=bare.csv", "header=\(header)"], ranks: .mpirun(2), name: header)
        bare.expectSuccess()
        #expect(bare.output.contains("300 examples of 5 features, 3 classes, no header, "))
        #expect(try workspace.steps(header).map(\.loss) == workspace.steps("named").map(\.loss))
      }
      try train(workspace, ["train.features=bare.csv", "header=yes"], name: "lost").expectSuccess()
      try train(workspace, ["train.features=named.csv", "header=no"], name: "extra").expectSuccess()
      #expect(
        try Program.run(["inspect", "named/model.safetensors"], in: workspace).output
          .contains("columns: 0, 1, 2, 3, 4; labels: label\n"))
    }

    @Test
    func `Are matched by the names that the model knows, in any order`() throws {
      let workspace = Workspace()
      let orders = ["same": [0, 1, 2, 3, 4, 5], "moved": [3, 5, 1, 0, 4, 2], "features": [4, 3, 2, 1, 0]]
      for (name, order) in orders {
        try workspace.write("\(name).csv", table(examples, 300..<400, words, order: order))
      }
      try workspace.write("train.csv", table(examples, 0..<300, words))
      try workspace.write("bare.csv", table(examples, 300..<400, nil))
      for (name, test) in [("run", "same"), ("other", "moved")] {
        try train(workspace, ["train.features=train.csv", "test.features=\(test).csv"], name: name).expectSuccess()
      }
      func last(_ run: String) throws -> String {
        String(
          try lines(workspace, "\(run)/metrics.jsonl").split(separator: "\n").last { $0.contains("evaluation") } ?? ""
        )
        .replacing(/"(elapsed|seconds|time)":[^,}]*/, with: "")
      }
      #expect(try last("run") == last("other") && last("run").contains("accuracy"))
      var outputs: [String: String] = [:]
      for (name, ranks) in [("same", Ranks.plain), ("moved", .plain), ("moved", .mpirun(2)), ("bare", .plain)] {
        let outcome = try Program.run(ranks, ["evaluate", Self.model, "--features", "\(name).csv"], in: workspace)
        outcome.expectSuccess()
        outputs["\(name) \(ranks)"] = outcome.output
        let said = name == "bare" ? "has no names for its columns" : "\(name).csv: header: names, columns by name"
        #expect(outcome.errorOutput.contains(said), "\(outcome.errorOutput)")
      }
      #expect(outputs["same plain"] == outputs["moved plain"] && outputs["bare plain"] == outputs["same plain"])
      for name in ["same", "moved", "features"] {
        let outcome = try Program.run(
          ["predict", Self.model, "--features", "\(name).csv", "--logits", "\(name).npy"], in: workspace)
        outcome.expectSuccess()
        #expect(try workspace.bytes("\(name).npy") == workspace.bytes("same.npy"), "\(name)")
      }
      // Missing labels do not matter in a prediction.
      try workspace.write("unlabelled.csv", lines(workspace, "same.csv").replacing(/,[012]\n/, with: ",\n"))
      try Program.run(
        ["predict", Self.model, "--features", "unlabelled.csv", "--logits", "unlabelled.npy"], in: workspace
      ).expectSuccess()
      #expect(try workspace.bytes("unlabelled.npy") == workspace.bytes("same.npy"))
    }

    @Test
    func `That do not fit end with one line, on any number of ranks`() throws {
      let workspace = Workspace()
      try workspace.write("train.csv", table(examples, 0..<300, words))
      try workspace.write("missing.csv", table(examples, 0..<9, words, order: [0, 2, 3, 4, 5]))
      try workspace.write("extra.csv", "a,b b,\"c, c\",d,e,w,kind\n1,2,3,4,5,6,0\n")
      let indexed = table(examples, 0..<20, nil).split(separator: "\n").enumerated().map { "\($0),\($1)\n" }.joined()
      try workspace.write("index.csv", "," + pandas.joined(separator: ",") + "\n" + indexed)
      try workspace.write("typo.csv", "1.O,2,3,0\n1,2,3,1\n")
      try workspace.write("nan.csv", "x,y,label\n1,2,0\n3,4,1\n5,6,nan\n")
      try workspace.write("comment.csv", "# x,y,label\n1,2,0\n3,4,1\n")
      try train(workspace, ["train.features=train.csv"]).expectSuccess()
      for (settings, code, words) in [
        (["train.features=train.csv", "test.features=missing.csv"], 65, ["missing.csv", "line 1", "no column 'b b'"]),
        (["train.features=train.csv", "test.features=extra.csv"], 65, ["extra.csv", "does not have: 'w'"]),
        (["train.features=index.csv"], 65, ["index.csv", "column 1 has no name", "index=False"]),
        (["train.features=typo.csv"], 65, ["typo.csv: line 1", "'1.O'", "data.header"]),
        (["train.features=nan.csv"], 65, ["nan.csv: line 4", "'nan'", "remove"]),
        (["train.features=comment.csv"], 65, ["comment.csv: line 1", "comment"]),
        (["train.features=train.csv", "header=maybe"], 64, ["data.header", "maybe", "auto, yes"]),
        (["train.features=x.npy", "train.labels=y.npy", "header=no"], 64, ["data.header", "tables"]),
      ] as [([String], Int, [String])] {
        for ranks in [Ranks.plain, .mpirun(2)] {
          try train(workspace, settings, ranks: ranks, name: "bad").expectError(Int32(code), mentioning: words)
        }
      }
      for command in [["evaluate", Self.model], ["predict", Self.model, "--logits", "l.npy"]] {
        for (name, words) in [("missing", ["no column 'b b'"]), ("extra", ["'w'"])] {
          try Program.run(command + ["--features", "\(name).csv"], in: workspace)
            .expectError(65, mentioning: ["\(name).csv: line 1"] + words)
        }
        try Program.run(command + ["--features", "train.csv", "--header", "no"], in: workspace)
          .expectError(65, mentioning: ["train.csv: line 1", "'a'"])
        try Program.run(
          command + ["--features", "x.npy", "--header", "no"]
            + (command[0] == "evaluate" ? ["--labels", "y.npy"] : []),
          in: workspace
        ).expectError(64, mentioning: ["--header"])
      }
      try Program.run(["convert", "typo.csv", "--output", "o.csv"], in: workspace)
        .expectError(65, mentioning: ["typo.csv: line 1", "--header"])
      for (header, said, count) in [("no", "no header", 20), ("auto", "header: names", 19)] {
        let bare = "0,1,2,3,4,label\n" + table(examples, 0..<19, nil)
        try workspace.write("t.csv", header == "no" ? table(examples, 0..<20, nil) : bare)
        let outcome = try Program.run(["convert", "t.csv", "--output", "o.tsv", "--header", header], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("table:     \(said)\nexamples:  \(count)\n"), "\(outcome.output)")
      }
    }

    @Test
    func `Whose columns are numbered go with a model that was trained on arrays`() throws {
      let workspace = Workspace()
      try examples.write("x", to: workspace)
      try train(workspace, ["train.features=x-features.npy", "train.labels=x-labels.npy"]).expectSuccess()
      let order = [3, 0, 4, 2, 1]
      try workspace.write("moved.csv", table(examples, 0..<400, pandas, order: order))
      try workspace.write("labelled.csv", table(examples, 0..<400, pandas, order: order + [5]))
      func run(_ command: String, _ arguments: [String], said: Bool = true) throws -> String {
        let outcome = try Program.run([command, Self.model] + arguments, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.errorOutput.contains("the numbers of the features for names") == said, "\(outcome.errorOutput)")
        return outcome.output
      }
      _ = try run("predict", ["--features", "x-features.npy", "--logits", "x.npy"], said: false)
      for name in ["moved", "labelled"] {
        _ = try run("predict", ["--features", "\(name).csv", "--logits", "z.npy"])
        #expect(try workspace.bytes("z.npy") == workspace.bytes("x.npy"), "\(name)")
      }
    }

    @Test
    func `Of other columns are no data to go on with`() throws {
      let workspace = Workspace()
      try workspace.write("train.csv", table(examples, 0..<300, words))
      try train(workspace, ["train.features=train.csv"]).expectSuccess()
      try workspace.write("train.csv", table(examples, 0..<300, words, order: [1, 0, 2, 3, 4, 5]))
      let name = try #require(workspace.checkpoints("run").sorted().first)
      try Program.run(
        ["train", "run.yaml", "--run-directory", "run", "--resume", "run/checkpoints/\(name)"]
          + ["--set", "data.train.features=train.csv"], in: workspace
      ).expectError(64, mentioning: ["data.train", "names for its columns"])
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Give their names to a run whose checkpoint has none`(_ ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write("train.csv", table(examples, 0..<300, words))
      try train(workspace, ["train.features=train.csv"]).expectSuccess()
      // Version 0.1 did not keep names, nor a checksum of the data.
      let path = try #require(workspace.checkpoints("run").last.map { "run/checkpoints/\($0)" })
      var checkpoint = try Safetensors.load(path: workspace.path(path))
      checkpoint.metadata["fgn.feature_names"] = nil
      checkpoint.metadata["fgn.label_name"] = nil
      checkpoint.metadata["fgn.progress"]?.replace(/"data":"[0-9a-f]*",/, with: "")
      try Safetensors.save(checkpoint, to: workspace.path(path))
      let resumed = try Program.run(
        ranks,
        ["train", "run.yaml", "--run-directory", "run", "--resume", "--set", "data.train.features=train.csv"]
          + ["--set", "training.epochs=4"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("note: \(path) knows no names of columns"), "\(resumed.output)")
      #expect(
        try Program.run(["inspect", Self.model], in: workspace).output
          .contains("columns: a, b b, c, c, d, e; labels: kind\n"))
    }
  }
}
