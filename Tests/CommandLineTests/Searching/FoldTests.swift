import Datasets
import Foundation
import Testing

extension RecoveryTests {
  @Suite("A search by cross-validation")
  struct FoldTests {
    private static let over = ["--over", "optimizer.weight_decay=0,0.01,0.1"]

    private func prepare(_ extra: String = "", count: Int = 600) throws -> Workspace {
      let workspace = Workspace()
      try Examples(count, features: 12, classes: 5).write(to: workspace)
      try workspace.write("run.yaml", Self.configuration("train", extra))
      return workspace
    }

    private static func configuration(_ name: String, _ extra: String = "") -> String {
      """
      data:
        train: {features: \(name)-features.npy, labels: \(name)-labels.npy}
        normalize: standardize
      \(extra)
      training: {steps: 30, precision: float64, evaluate_every_steps: 5}
      optimizer: {batch_size: 100, damping: {initial: 1}, solver: {kind: gram}}
      checkpoint: {every: 5}
      logging: {tensorboard: false, progress: none}
      """
    }

    private func tune(_ ranks: Ranks, _ folder: String, _ more: [String], in workspace: Workspace) throws -> Outcome {
      try Program.run(ranks, ["tune", "run.yaml", "--run-directory", folder] + more, in: workspace)
    }

    @Test func `Scores are those of all rows, and the model is trained on all of them`() throws {
      let workspace = try prepare()
      let outcome = try tune(.plain, "run", ["--folds", "4"] + Self.over, in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("4 folds of 600 examples"))
      let rows = try workspace.table("run")
      #expect(rows.map { $0["setting"]! } == ["1", "2", "3"])
      let chosen = try #require(rows.first { $0["status"] == "chosen" })
      let losses = rows.map { Double($0["loss"]!)! }
      #expect(Double(chosen["loss"]!)! == losses.min())
      for (row, loss) in zip(rows, losses) {
        // The folds have 150 rows each.
        let parts = try (1...4).map { fold in
          let name = "run/trials/0\(row["setting"]!)-1-\(fold)"
          #expect(workspace.names("\(name)/checkpoints").isEmpty)
          return try #require(try workspace.metrics(name).filter { $0.split == "validation" }.compactMap(\.loss).min())
        }
        #expect(abs(parts.reduce(0, +) / 4 - loss) < 1e-12)
      }
      let steps = try workspace.metrics("run").filter { $0.event == "step" }.count
      #expect(outcome.output.contains("refit: \(steps) steps on all 600 rows\n"))
      // A fold has 450 rows for training: 5 batches instead of 6.
      #expect(abs(Double(steps) - Double(chosen["steps_in_all"]!)! * 6 / 5) < 1.2)
    }

    @Test func `Few examples without a validation set are searched by five folds`() throws {
      let workspace = try prepare()
      let over = ["--set", "training.steps=3", "--over", "optimizer.weight_decay=0,0.1"]
      for ranks in [Ranks.plain, .mpirun(2)] {
        let outcome = try tune(ranks, "few-\(ranks)", over, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("5 folds of 600 examples"), "\(outcome.output)")
      }
      let named = try tune(.plain, "named", ["--folds", "5"] + over, in: workspace)
      named.expectSuccess()
      #expect(try workspace.bytes("named/tune.csv") == workspace.bytes("few-\(Ranks.plain)/tune.csv"))
      // A validation set is what it is, and the model of a trial needs one.
      for more in [["--set", "data.validation.fraction=0.1"], ["--no-refit"]] {
        let outcome = try tune(.plain, "one\(more.count)", more + over, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("540 training examples, 60 validation examples"), "\(outcome.output)")
      }
    }

    @Test func `Networks on few examples take enough steps, and a note says where the last one is the best`() throws {
      let workspace = try prepare()
      let epochs = ["--set", "training.steps=null", "--folds", "2", "--over", "optimizer.weight_decay=0,0.1"]
      for (layers, steps) in [("[]", "30"), ("[{linear: 3}, tanh]", "201")] {
        let outcome = try tune(.plain, steps, epochs + ["--set", "model.layers=\(layers)"], in: workspace)
        outcome.expectSuccess()
        let rows = try workspace.table(steps)
        #expect(rows.map { $0["steps"]! } == [steps, steps], "\(outcome.output)")
        let isLast = rows.contains { $0["status"] == "chosen" && $0["best_step"] == steps }
        #expect(outcome.output.contains("note: its model is that of its last step") == isLast)
      }
    }

    @Test func `Probabilities out of the fold are those of models trained without the row`() throws {
      // A fifth of the rows is left out as a class that is ignored.
      let workspace = try prepare("  ignore_label: 4")
      let out = ["--folds", "3", "--out-of-fold", "out.npy"]
      let over = ["--over", "optimizer.weight_decay=0.01,0.02"]
      try tune(.plain, "run", out + over, in: workspace).expectSuccess()
      let examples = Examples(600, features: 12, classes: 5)
      let table = try workspace.matrix("out.npy")
      #expect(table.count == 600 && table.allSatisfy { $0.count == 4 })
      let kept = examples.labels.indices.filter { examples.labels[$0] != 4 }
      #expect(table.indices.allSatisfy { row in table[row].allSatisfy(\.isNaN) == (examples.labels[row] == 4) })

      let chosen = try #require(try workspace.table("run").first { $0["status"] == "chosen" })
      let decay = chosen["optimizer.weight_decay"]!
      var seen: [Int] = []
      for number in 1...3 {
        // The rows of the fold, as the trial's own configuration holds them out.
        let labels = kept.map { Int32(examples.labels[$0]) }
        let fold = HeldOutRows(Fold(number, of: 3)!, of: labels, classCount: 4, seed: 0)
        for (name, rows) in [("rest", fold.training), ("fold", fold.validation)] {
          var part = examples
          part.features = rows.map { examples.features[kept[$0]] }
          part.labels = rows.map { examples.labels[kept[$0]] }
          try part.write("\(name)\(number)", to: workspace)
        }
        try workspace.write(
          "own\(number).yaml",
          Self.configuration(
            "rest\(number)",
            "  validation: {features: fold\(number)-features.npy, labels: fold\(number)-labels.npy}"))
        try Program.run(
          [
            "train", "own\(number).yaml", "--run-directory", "own\(number)", "--set", "optimizer.weight_decay=\(decay)",
          ],
          in: workspace
        ).expectSuccess()
        try Program.run(
          [
            "predict", "own\(number)/model.safetensors", "--features", "fold\(number)-features.npy", "--probabilities",
            "own\(number).csv",
          ], in: workspace
        ).expectSuccess()
        let lines = String(decoding: try workspace.bytes("own\(number).csv"), as: UTF8.self).split(separator: "\n")
        for (line, row) in zip(lines.dropFirst(), fold.validation) {
          let expected = line.split(separator: ",").map { Double($0)! }
          #expect(zip(table[kept[row]], expected).allSatisfy { abs($0 - $1) < 1e-6 })
        }
        seen += fold.validation.map { kept[$0] }
        // The trial's own files say which rows it held out.
        try Program.run(
          ["calibrate", "run/trials/0\(chosen["setting"]!)-1-\(number)/model.safetensors", "--out", "c\(number)"],
          in: workspace
        ).expectSuccess()
      }
      #expect(seen.sorted() == kept)

      // The scores of the search are those of the probabilities.
      let classes = (0..<4).map { label in kept.filter { examples.labels[$0] == label } }
      func isRight(_ row: Int) -> Bool { table[row].firstIndex(of: table[row].max()!) == examples.labels[row] }
      let losses = kept.map { -log(table[$0][examples.labels[$0]]) }
      let shares = classes.map { rows in Double(rows.count(where: isRight)) / Double(rows.count) }
      let mean = losses.reduce(0, +) / Double(kept.count)
      let variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(kept.count)
      for (key, expected) in [
        ("loss", mean), ("loss_error", (variance / Double(kept.count - 1)).squareRoot()),
        ("accuracy", Double(kept.count(where: isRight)) / Double(kept.count)),
        ("balanced_accuracy", shares.reduce(0, +) / 4),
      ] {
        #expect(abs(Double(chosen[key]!)! - expected) < 1e-6, "\(key)")
      }

      // Later, and on other ranks, from the models that are there, but for one that is not.
      let lost = "run/trials/0\(chosen["setting"]!)-1-2/model.safetensors"
      try FileManager.default.removeItem(atPath: workspace.path(lost))
      let again = try tune(
        .mpirun(2), "run", ["--resume", "--folds", "3", "--out-of-fold", "again.npy"] + over, in: workspace)
      again.expectSuccess()
      #expect(again.output.contains("note: \(lost) is missing, and is trained anew\n"))
      for (one, other) in zip(table.joined(), try workspace.matrix("again.npy").joined()) {
        #expect(one.isNaN ? other.isNaN : abs(one - other) < 1e-6)
      }
    }

    @Test func `Makes the same choice on one to three ranks`() throws {
      let workspace = try prepare()
      let more = ["--folds", "3", "--path"] + Self.over
      try tune(.plain, "run1", more, in: workspace).expectSuccess()
      let one = try workspace.table("run1")
      for ranks in [2, 3] {
        try tune(.mpirun(ranks), "run\(ranks)", more, in: workspace).expectSuccess()
        let other = try workspace.table("run\(ranks)")
        try #require(one.count == other.count)
        for (left, right) in zip(one, other) {
          for key in ["setting", "rung", "steps", "best_step", "steps_in_all", "status"] {
            #expect(left[key] == right[key])
          }
          #expect(abs(Double(left["loss"]!)! - Double(right["loss"]!)!) < 1e-9)
        }
      }
      // Each fold has a chain of its own: from the strongest weight decay, which trains to the end.
      #expect(one.map { $0["steps"]! } == ["5", "5", "30"])
    }

    @Test func `Goes on after kills and signals to the same table, model and probabilities`() throws {
      let workspace = try prepare()
      let more = ["--folds", "3", "--path", "--out-of-fold"]
      try tune(.plain, "whole", more + ["whole.npy"] + Self.over, in: workspace).expectSuccess()
      let (stops, outcome) = try workspace.tuneWithStops("run", more + ["run.npy"] + Self.over, every: 25)
      outcome.expectSuccess()
      #expect(stops >= 3, "the search ended too soon to be stopped")
      for file in ["tune.csv", "model.safetensors"] {
        #expect(try workspace.bytes("run/\(file)") == workspace.bytes("whole/\(file)"), "\(file)")
      }
      #expect(try workspace.bytes("run.npy") == workspace.bytes("whole.npy"))
    }

    @Test func `A setting that diverges on a fold is out, and rare classes are dealt out`() throws {
      let workspace = try prepare(count: 60)
      var examples = Examples(60, features: 12, classes: 5)
      // The last class has one row, and the one before two.
      examples.labels = examples.labels.indices.map { $0 == 4 ? 4 : $0 == 3 || $0 == 9 ? 3 : $0 % 3 }
      try examples.write(to: workspace)
      let sgd = ["--folds", "3", "--set", "optimizer.method=sgd", "--out-of-fold", "out.npy"]
      let outcome = try tune(.plain, "run", sgd + ["--over", "optimizer.learning_rate=0.01,1e308"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("note: 2 of the classes have fewer examples than there are folds"))
      #expect(try workspace.table("run").map { $0["status"]! } == ["chosen", "diverged"])
      #expect(!workspace.exists("run/trials/02-1-2"), "a fold of a setting that has diverged is trained")
      #expect(try workspace.matrix("out.npy").joined().allSatisfy { $0 >= 0 && $0 <= 1 })
    }

    @Test func `Mistakes are one line on any number of ranks`() throws {
      let workspace = try prepare(count: 12)
      for (more, code, said) in [
        (["--folds", "1"], 64, "--folds takes 2 to 20"), (["--folds", "21"], 64, "--folds takes 2 to 20"),
        (["--folds", "13"], 65, "12 examples, too few for 13 folds"),
        (["--folds", "3", "--no-refit"], 64, "--no-refit does not go with --folds"),
        (["--out-of-fold", "out.npy"], 64, "out.npy: goes with --folds"),
        (["--folds", "3", "--out-of-fold", "out.csv"], 64, "must end in .npy"),
        (["--folds", "3", "--out-of-fold", "train-labels.npy"], 64, "is a file that the search reads"),
        (["--folds", "3", "--out-of-fold", "nowhere/out.npy"], 74, "nowhere/out.npy"),
        (["--folds", "3", "--set", "data.validation.fraction=0.1"], 64, "does not go with data.validation"),
        (
          [
            "--folds", "3", "--set", "data.validation.features=train-features.npy", "--set",
            "data.validation.labels=train-labels.npy",
          ], 64, "does not go with data.validation"
        ),
      ] as [([String], Int32, String)] {
        for ranks in [Ranks.plain, .mpirun(2)] {
          let outcome = try tune(ranks, "run", more + Self.over, in: workspace)
          #expect(outcome.code == code, "\(more): \(outcome.errorOutput)")
          #expect(outcome.errors.count == 1 && outcome.errors[0].contains(said), "\(more): \(outcome.errorOutput)")
          #expect(!workspace.exists("run") && !workspace.exists("out.npy"))
        }
      }
      try tune(.plain, "run", ["--folds", "3", "--set", "training.patience=3"] + Self.over, in: workspace)
        .expectSuccess()
      let other = try tune(
        .plain, "run", ["--resume", "--folds", "2", "--set", "training.patience=3"] + Self.over, in: workspace)
      #expect(other.code == 64 && other.errorOutput.contains("another value of --folds"), "\(other.errorOutput)")
    }
  }
}
