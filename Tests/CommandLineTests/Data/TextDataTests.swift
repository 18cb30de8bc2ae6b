import Foundation
import LinearAlgebra
import Testing

extension DataTests {
  @Suite("Examples in text files")
  struct TextDataTests {
    private static let names = ["-1", "+3", "7.0"]
    private static let words = ["red", "blue green", "\"grey, light\""]
    private static let model = "run/model.safetensors"

    /// Writes one set of examples as arrays, as tables with and without names, and in LIBSVM's format.
    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      let all = Examples(400, features: 6, classes: 3)
      for (name, rows) in [("train", 0..<300), ("test", 300..<400)] {
        var part = all
        (part.features, part.labels) = (Array(all.features[rows]), Array(all.labels[rows]))
        try part.write(name, to: workspace)
        var (table, numbers, sparse, bare) = ("a,b,kind,c,d,e,f\n", "", "", "a,b,c,d,e,f\n")
        for (row, label) in zip(part.features, part.labels) {
          let texts = row.map { "\($0)" }
          table += (texts[..<2] + [Self.words[label]] + texts[2...]).joined(separator: ",") + "\n"
          numbers += (texts + [Self.names[label]]).joined(separator: "\t") + "\r\n"
          sparse +=
            "\(Self.names[label]) "
            + row.enumerated().map { "\($0 + 1):\($1)" }.joined(separator: " ") + " # \(label)\n"
          bare += texts.joined(separator: ",") + "\n"
        }
        try workspace.write("\(name).csv", table)
        try workspace.write("\(name).tsv", numbers)
        try workspace.write("\(name).svm", sparse)
        try workspace.write("\(name)-features.csv", bare)
      }
      try workspace.write(
        "run.yaml",
        """
        data: {normalize: standardize}
        model: {layers: [{linear: 5}, tanh]}
        optimizer: {batch_size: 64, solver: {kind: gram}}
        training: {epochs: 4, evaluate_every: 0}
        """)
      return workspace
    }

    private func train(
      _ format: String, _ more: [String] = [], ranks: Ranks = .plain, name: String = "run", in workspace: Workspace
    ) throws -> Outcome {
      let files =
        format == "npy"
        ? ["train.features=train-features.npy", "train.labels=train-labels.npy"]
          + ["test.features=test-features.npy", "test.labels=test-labels.npy"]
        : ["train.features=train.\(format)", "test.features=test.\(format)"]
      let options = (files.map { "data.\($0)" } + more).flatMap { ["--set", $0] }
      return try Program.run(ranks, ["train", "run.yaml", "--run-directory", name] + options, in: workspace)
    }

    @Test(arguments: ["csv", "tsv", "svm"])
    func `Train the model that the same numbers in arrays train`(format: String) throws {
      let workspace = try prepare()
      try train("npy", name: "arrays", in: workspace).expectSuccess()
      let more = format == "csv" ? ["data.train.label_column=kind", "data.test.label_column=3"] : []
      for ranks in [Ranks.plain, .mpirun(3)] {
        let name = "\(ranks)"
        let outcome = try train(format, more, ranks: ranks, name: name, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("300 examples of 6 features, 3 classes"))
        // Classes are in the order of their numbers or letters, which differs from the arrays' order.
        let difference = lossDifference(try workspace.steps(name), try workspace.steps("arrays"))
        #expect(format == "csv" || difference < 1e-4, "\(ranks)")
        #expect(try workspace.steps(name).last!.loss! < 0.9 * workspace.steps(name)[0].loss!)
      }
    }

    @Test(arguments: ["csv", "svm"])
    func `May have names that do not tell their format`(format: String) throws {
      let workspace = try prepare()
      let kind = format == "svm" ? "svmlight" : format
      for name in ["train", "test"] {
        try workspace.write("\(name).txt", workspace.bytes("\(name).\(format)"))
      }
      let column = format == "csv" ? ["data.train.label_column=kind", "data.test.label_column=kind"] : []
      try train("txt", column + ["train", "test"].map { "data.\($0).format=\(kind)" }, in: workspace).expectSuccess()
      func outputs(_ file: String, _ more: [String]) throws -> (String, [UInt8]) {
        let options = [Self.model, "--features", file] + more
        let evaluation = try Program.run(.plain, ["evaluate"] + options, in: workspace)
        let prediction = try Program.run(.plain, ["predict", "--logits", "l.npy"] + options, in: workspace)
        for outcome in [evaluation, prediction] { outcome.expectSuccess() }
        return (evaluation.output, try workspace.bytes("l.npy"))
      }
      let (named, told) = (try outputs("test.\(format)", []), try outputs("test.txt", ["--format", kind]))
      #expect(named.0 == told.0 && named.1 == told.1)
      for command in [["evaluate"], ["predict", "--logits", "l.npy"]] {
        try Program.run(
          .plain,
          command + [Self.model, "--features", "test.txt", "--format", "npy"]
            + (command[0] == "evaluate" ? ["--labels", "test-labels.npy"] : []), in: workspace
        )
        .expectError(65, mentioning: ["test.txt"])
      }
      try Program.run(.plain, ["evaluate", Self.model, "--format", kind], in: workspace)
        .expectError(64, mentioning: ["--features"])
    }

    @Test(arguments: ["csv", "svm"])
    func `Give their classes their names back`(format: String) throws {
      let workspace = try prepare()
      let more = format == "csv" ? ["data.train.label_column=kind", "data.test.label_column=kind"] : []
      try train(format, more, in: workspace).expectSuccess()
      let known = format == "csv" ? Self.words : Self.names
      func lines(_ name: String) throws -> [String] {
        String(decoding: try workspace.bytes(name), as: UTF8.self).split(separator: "\n").map { String($0) }
      }
      let truth = try NPYArray<Int64>(workspace.bytes("test-labels.npy")).values.map { known[Int($0)] }
      try Program.run(
        .mpirun(2), ["predict", Self.model, "--features", "test.\(format)", "--classes", "c.csv"], in: workspace
      ).expectSuccess()
      let taken = try lines("c.csv")
      #expect(taken.first == "class")
      let hits = zip(taken.dropFirst(), truth.map { $0 == "blue green" ? "\"\($0)\"" : $0 }).count { $0 == $1 }
      #expect(taken.count == 101 && hits > 60)
      if format == "csv" {
        // Predicting needs no labels.
        try Program.run(
          ["predict", Self.model, "--features", "test-features.csv", "--classes", "d.csv"], in: workspace
        ).expectSuccess()
        #expect(try workspace.bytes("d.csv") == workspace.bytes("c.csv"))
      }
      let scores = try Program.run(
        ["evaluate", Self.model, "--features", "test.\(format)", "--confusion", "k.csv"], in: workspace)
      scores.expectSuccess()
      #expect(scores.output.contains("accuracy \(String(format: "%.2f", Double(hits))) %"))
      let header = format == "csv" ? "class,\"blue green\",\"grey, light\",red" : "class,-1,+3,7.0"
      #expect(try lines("k.csv").first == header)
      #expect(try Program.run(["inspect", Self.model], in: workspace).output.contains("classes: "))
    }

    @Test(arguments: [
      (["data.test.features=other.csv"], 65, ["other.csv", "line 2", "'violet'", "training set"]),
      (["data.train.label_column=colour"], 65, ["train.csv", "'colour'", "'kind'"]),
      (["data.test.label_column=7"], 65, ["test.csv", "line 1", "column 3, 'kind'", "column 7, 'f'"]),
      (["data.train.labels=train-labels.npy"], 64, ["data.train.labels", "within it"]),
      (
        ["data.test.features=test-features.npy", "data.test.labels=test-labels.npy"], 64,
        ["data.test.features", "names"]
      ),
      (["data.classes=5"], 64, ["data.classes", "5", "3 classes"]),
    ])
    func `That do not fit end with one line`(settings: [String], code: Int, words: [String]) throws {
      let workspace = try prepare()
      try workspace.write("other.csv", "a,b,kind,c,d,e,f\n1,2,violet,3,4,5,6\n")
      let columns = ["data.train.label_column=kind", "data.test.label_column=kind"]
      for ranks in [Ranks.plain, .mpirun(2)] {
        let outcome = try train("csv", columns + settings, ranks: ranks, in: workspace)
        outcome.expectError(Int32(code), mentioning: words)
      }
    }

    @Test
    func `Are refused where xz has packed them, with the command that unpacks them`() throws {
      let workspace = try prepare()
      try train("csv", ["data.train.label_column=kind", "data.test.label_column=kind"], in: workspace).expectSuccess()
      for (name, labels) in [("a.csv.xz", false), ("b.npy", true), ("c.idx.xz", true)] {
        try workspace.write(name, [0xfd] + Array("7zXZ".utf8))
        let more = labels ? ["--labels", "test-labels.npy"] : []
        let training = ["data.train.features=\(name)"] + (labels ? ["data.train.labels=train-labels.npy"] : [])
        for command in [
          ["train", "run.yaml", "--run-directory", "packed"] + training.flatMap { ["--set", $0] },
          ["evaluate", Self.model, "--features", name] + more,
          ["predict", Self.model, "--features", name, "--classes", "p.npy"],
          ["convert", name, "--output", "o.csv"] + more,
        ] {
          try Program.run(command, in: workspace).expectError(
            65, mentioning: [name, "compressed with xz", "unxz -k \(name)"])
        }
      }
    }

    @Test func `Are of the same classes where a run goes on`() throws {
      let workspace = try prepare()
      try train("svm", ["training.steps=4", "checkpoint.every=2"], in: workspace).expectSuccess()
      let text = String(decoding: try workspace.bytes("train.svm"), as: UTF8.self)
      try workspace.write("train.svm", text.replacing("7.0 ", with: "8 "))
      try Program.run(
        ["train", "run.yaml", "--run-directory", "run", "--resume", "run/checkpoints/step-00000002.safetensors"]
          + ["--set", "data.train.features=train.svm"], in: workspace
      ).expectError(64, mentioning: ["data.train", "names for its classes"])
    }
  }
}
