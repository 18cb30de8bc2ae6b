import Foundation
import Testing

extension RecoveryTests {
  @Suite("A search for the best setting")
  struct TuneTests {
    private static let over = ["--over", "optimizer.method=fgn,adam", "--over", "optimizer.damping.initial=0.1,1,10"]

    private func prepare(_ extra: String = "  validation: {fraction: 0.1}") throws -> Workspace {
      let workspace = Workspace()
      try Examples(2000, features: 32, classes: 10).write(to: workspace)
      try Examples(500, features: 32, classes: 10, seed: 1).write("test", to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data:
          train: {features: train-features.npy, labels: train-labels.npy}
          test: {features: test-features.npy, labels: test-labels.npy}
        \(extra)
        training: {epochs: 12, precision: float64}
        optimizer: {batch_size: 100, solver: {kind: gram}}
        checkpoint: {every: 5}
        logging: {tensorboard: false, progress: none}
        """)
      return workspace
    }

    private func tune(
      _ ranks: Ranks, _ folder: String, _ more: [String] = over, in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(ranks, ["tune", "run.yaml", "--run-directory", folder] + more, in: workspace)
    }

    @Test func `Chooses the trial of the least validation loss, and trains it on all rows`() throws {
      let workspace = try prepare()
      let outcome = try tune(.plain, "run", in: workspace)
      outcome.expectSuccess()
      let rows = try workspace.table("run")
      // Adam reads no damping: four settings, of which two go on to the second rung.
      #expect(rows.map { "\($0["setting"]!)-\($0["rung"]!)" }.filter { $0.hasSuffix("-1") }.count == 4)
      #expect(rows.count == 6)
      let losses = rows.map { Double($0["loss"]!)! }
      let chosen = try #require(rows.firstIndex { $0["status"] == "chosen" })
      #expect(losses[chosen] == losses.min())
      #expect(rows.count { $0["status"] == "chosen" } == 1)
      // The scores are those of the trial's own validation events.
      let name = "run/trials/0\(rows[chosen]["setting"]!)-\(rows[chosen]["rung"]!)"
      let best = try workspace.metrics(name).filter { $0.split == "validation" }.compactMap(\.loss).min()
      #expect(best == losses[chosen])
      #expect(!(try workspace.metrics(name).contains { $0.split == "test" }), "a trial looks at the test set")
      #expect(!(try workspace.metrics(name).contains { $0.split == "train" }), "a trial is scored on the training set")
      #expect(try workspace.metrics("run").contains { $0.split == "train" })
      // 2000 rows are 20 batches, 1800 are 18.
      let steps = Int(rows[chosen]["steps_in_all"]!)!
      let refit = Int((Double(steps) * 20 / 18).rounded())
      #expect(outcome.output.contains("refit: \(refit) steps on all 2000 rows\n"))
      #expect(try workspace.metrics("run").filter { $0.event == "step" }.count == refit)
      #expect(outcome.output.contains("fgn: loss ") && outcome.output.contains("adam: loss "))
      #expect(workspace.names("run/trials/01-1/checkpoints").isEmpty)
      try Program.run(
        .plain, ["evaluate", "run/model.safetensors"], in: workspace
      ).expectSuccess()

      let svg = try workspace.bytes("run/tune.svg")
      #expect(String(decoding: svg, as: UTF8.self).contains(">optimizer.damping.initial</text>"))
      // Once, whether the search is named or its trials.
      try Program.run(
        .plain, ["report", "run", "run/trials/01-1", "run/trials/02-1", "--out", "report.html"], in: workspace
      ).expectSuccess()
      let page = String(decoding: try workspace.bytes("report.html"), as: UTF8.self)
      #expect(page.components(separatedBy: Data(svg).base64EncodedString()).count == 2)
    }

    @Test func `Goes on after kills and signals to the same table and model`() throws {
      let workspace = try prepare()
      try tune(.plain, "whole", in: workspace).expectSuccess()
      let (stops, outcome) = try workspace.tuneWithStops("run", Self.over, every: 60)
      outcome.expectSuccess()
      #expect(stops >= 3, "the search ended too soon to be stopped")
      #expect(try workspace.bytes("run/tune.csv") == workspace.bytes("whole/tune.csv"))
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Makes the same choice on two ranks`() throws {
      let workspace = try prepare()
      try tune(.plain, "one", in: workspace).expectSuccess()
      try tune(.mpirun(2), "two", in: workspace).expectSuccess()
      let (one, two) = (try workspace.table("one"), try workspace.table("two"))
      try #require(one.count == two.count)
      for (left, right) in zip(one, two) {
        for key in ["setting", "rung", "steps", "best_step", "status"] { #expect(left[key] == right[key]) }
        #expect(abs(Double(left["loss"]!)! - Double(right["loss"]!)!) < 1e-9)
      }
    }

    @Test func `Takes the model of the trial with a validation set of its own, and follows a path`() throws {
      let workspace = try prepare("  validation: {features: test-features.npy, labels: test-labels.npy}")
      let outcome = try tune(
        .plain, "run", ["--path", "--one-standard-error", "--over", "optimizer.weight_decay=1e-4:1:5"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("test  loss "))
      // The model knows its test set.
      try Program.run(.plain, ["evaluate", "run/model.safetensors"], in: workspace).expectSuccess()
      let rows = try workspace.table("run")
      #expect(rows.map { $0["steps"]! } == ["35", "35", "35", "35", "240"])
      let chosen = try #require(rows.first { $0["status"] == "chosen" })
      let best = try #require(rows.min { Double($0["loss"]!)! < Double($1["loss"]!)! })
      let bound = Double(best["loss"]!)! + Double(best["loss_error"]!)!
      let near = rows.filter { Double($0["loss"]!)! <= bound }
      #expect(chosen["setting"] == near.last?["setting"])
      #expect(
        try workspace.bytes("run/model.safetensors")
          == workspace.bytes("run/trials/0\(chosen["setting"]!)-1/model.safetensors"))

      try Examples(400, features: 32, classes: 10, seed: 1).write("test", to: workspace)
      let changed = try tune(
        .plain, "run", ["--resume", "--path", "--over", "optimizer.weight_decay=1e-4:1:5"], in: workspace)
      #expect(changed.code == 64 && changed.errorOutput.contains("another value of the data"), "\(changed.errorOutput)")
    }

    @Test func `A setting that diverges is out, and where all do nothing is chosen`() throws {
      let workspace = try prepare()
      let sgd = ["--set", "optimizer.method=sgd"]
      // It would heal, if trials backed off.
      let backOff = [
        "--set", "training.on_divergence={kind: back-off, limit: 1000}", "--set", "training.precision=float32",
      ]
      let some = try tune(
        .plain, "some", sgd + backOff + ["--over", "optimizer.learning_rate=0.01,1e300"], in: workspace)
      some.expectSuccess()
      #expect(try workspace.table("some").map { $0["status"]! } == ["chosen", "diverged"])
      let all = try tune(.plain, "all", sgd + ["--over", "optimizer.learning_rate=1e308,1.7e308"], in: workspace)
      #expect(all.code == 70)
      #expect(all.errors.count == 1 && all.errors[0].contains("all settings diverged"), "\(all.errorOutput)")
    }

    @Test func `Trains a deleted model anew where another begins with it or the search ends with it`() throws {
      let workspace = try prepare("  validation: {features: test-features.npy, labels: test-labels.npy}")
      let path = ["--path", "--over", "optimizer.weight_decay=1e-3,1e-1,1"]
      try tune(.plain, "whole", path, in: workspace).expectSuccess()
      let table = try workspace.bytes("whole/tune.csv")
      let model = try workspace.bytes("whole/model.safetensors")
      let chosen = try #require(try workspace.table("whole").first { $0["status"] == "chosen" })
      let own = "whole/trials/0\(chosen["setting"]!)-1/model.safetensors"
      // The models of a path rest on each other: 3, 2, 1.
      for names in [["03-1"], ["03-1", "02-1", "01-1"]] {
        for name in names { try? FileManager.default.removeItem(atPath: workspace.path("whole/trials/\(name)")) }
        let again = try tune(.plain, "whole", path + ["--resume"], in: workspace)
        again.expectSuccess()
        #expect(again.output.contains("note: \(own) is missing") == names.contains("0\(chosen["setting"]!)-1"))
        #expect(try workspace.bytes("whole/tune.csv") == table)
        #expect(try workspace.bytes("whole/model.safetensors") == model)
      }
      #expect(try workspace.bytes(own) == model)

      // Without its record nobody knows what the trials are of.
      try FileManager.default.removeItem(atPath: workspace.path("whole/tune.json"))
      let lost = try tune(.mpirun(2), "whole", path + ["--resume"], in: workspace)
      lost.expectError(64, mentioning: ["whole", "its record tune.json is missing", "another --run-directory"])
      for file in ["model.safetensors", "metrics.jsonl", "config.yaml", "tune.csv"]
      where workspace.exists("whole/\(file)") {
        try FileManager.default.removeItem(atPath: workspace.path("whole/\(file)"))
      }
      try tune(.plain, "whole", path, in: workspace).expectError(64, mentioning: ["whole", "already holds a run"])
    }

    @Test func `A setting is trained once where two rungs give it as many steps`() throws {
      let workspace = try prepare()
      let outcome = try tune(
        .plain, "run",
        ["--rungs", "3", "--set", "training.steps=3", "--over", "optimizer.weight_decay=0,1e-3,1e-2,0.1"],
        in: workspace)
      outcome.expectSuccess()
      // One step, the same one step, and three.
      let rows = try workspace.table("run")
      #expect(rows.filter { $0["rung"] == "1" }.count == 4 && rows.filter { $0["rung"] == "3" }.count == 2)
      #expect(rows.count == 6 && workspace.names("run/trials").count == 6)
      #expect(rows.filter { $0["rung"] == "3" }.allSatisfy { $0["steps"] == "3" })
    }

    @Test func `Trains the best setting longer as long as that pays, and no longer`() throws {
      let workspace = try prepare()
      // The rate of the second one is too small to come far in two steps, or to gain anything in six.
      let over = ["--over", "optimizer.learning_rate=0.5,1e-9", "--set", "training.steps=2"]
      try tune(.plain, "run", over + ["--longer", "2"], in: workspace).expectSuccess()
      var rows = try workspace.table("run")
      #expect(
        rows.map { "\($0["setting"]!)-\($0["rung"]!) \($0["steps"]!)" } == [
          "1-1 2", "1-2 6", "1-3 18", "2-1 2", "2-2 6", "2-3 18",
        ])
      let losses = rows.map { Double($0["loss"]!)! }
      #expect(losses[1] < 0.99 * losses[0])
      #expect(rows.firstIndex { $0["status"] == "chosen" } == losses.firstIndex(of: losses.min()!))

      let slow = ["--over", "optimizer.learning_rate=1e-8,1e-9", "--set", "training.steps=2"]
      try tune(.plain, "slow", slow + ["--longer", "2"], in: workspace).expectSuccess()
      rows = try workspace.table("slow")
      #expect(rows.map { $0["rung"] } == ["1", "2", "1", "2"])
      let changed = try tune(.plain, "slow", slow + ["--longer", "3", "--resume"], in: workspace)
      #expect(changed.code == 64 && changed.errors[0].contains("another value of --longer"))
    }

    @Test func `A kill within a longer rung does not change what else is in it`() throws {
      let workspace = try prepare()
      let options = [
        "--set", "optimizer.method=sgd", "--set", "training.steps=20", "--set", "checkpoint.every=0", "--no-refit",
        "--longer", "1", "--over", "optimizer.learning_rate=0.02,0.05",
      ]
      try tune(.plain, "whole", options, in: workspace).expectSuccess()
      let rows = try workspace.table("whole").filter { $0["rung"] == "2" }
      try #require(rows.count == 2)
      // As if it had been killed behind the first trial of that rung.
      try tune(.plain, "run", options, in: workspace).expectSuccess()
      var record = try JSONSerialization.jsonObject(with: Data(workspace.bytes("run/tune.json"))) as! [String: Any]
      var results = record["results"] as! [[String: Any]]
      results.removeLast()
      record["results"] = results
      try workspace.write("run/tune.json", Array(JSONSerialization.data(withJSONObject: record)))
      try FileManager.default.removeItem(atPath: workspace.path("run/trials/02-2"))
      try tune(.plain, "run", options + ["--resume"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/tune.csv") == workspace.bytes("whole/tune.csv"))
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `A longer trial of a head ends where its loss goes on rising, unless patience is given`() throws {
      let workspace = try prepare()
      let more = [
        "--no-refit", "--longer", "1", "--set", "training.epochs=4", "--over", "optimizer.learning_rate=0.1",
      ]
      try tune(.plain, "short", more, in: workspace).expectSuccess()
      try tune(.plain, "long", more + ["--set", "training.patience=60"], in: workspace).expectSuccess()
      let (short, long) = (try workspace.table("short"), try workspace.table("long"))
      #expect(short.count == 2 && short.map { $0["best_step"] } == long.map { $0["best_step"] })
      #expect(short.map { $0["loss"] } == long.map { $0["loss"] })
      // 18 steps an epoch, and three evaluations.
      let ends = try ["short", "long"].map { try #require(try workspace.metrics("\($0)/trials/01-2").last) }
      #expect(ends.map(\.reason) == ["patience", "completed"])
      #expect(ends[0].step == Int(short[1]["best_step"]!)! + 3 * 18)
      #expect(ends[1].step == 12 * 18)
      #expect(!String(decoding: try workspace.bytes("short/config.yaml"), as: UTF8.self).contains("patience: 3"))
    }

    @Test func `An option that changes the choice leaves nothing of the run on all rows before`() throws {
      let workspace = try prepare()
      let more = ["--rungs", "1", "--over", "optimizer.weight_decay=1e-6:1e-4:5"]
      let (first, other) = (more, more + ["--one-standard-error"])
      try tune(.plain, "first", first, in: workspace).expectSuccess()
      try tune(.plain, "other", other, in: workspace).expectSuccess()
      let model = try workspace.bytes("first/model.safetensors")
      try #require(try model != workspace.bytes("other/model.safetensors"))
      try tune(.plain, "first", other + ["--resume"], in: workspace).expectSuccess()
      for file in ["model.safetensors", "config.yaml"] {
        #expect(try workspace.bytes("first/\(file)") == workspace.bytes("other/\(file)"))
      }
      try tune(.plain, "first", first + ["--resume"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("first/model.safetensors") == model)
    }

    @Test func `What joins in late is trained where all rungs have one step`() throws {
      let workspace = try prepare()
      let network = ["training.steps=1", "model.layers=[{linear: 4}, tanh]", "optimizer.method=adam"]
      try tune(.plain, "run", ["--rungs", "2"] + network.flatMap { ["--set", $0] }, in: workspace).expectSuccess()
      let late = try workspace.table("run").filter { $0["optimizer.weight_decay"] == "0" }
      #expect(late.map { $0["rung"] } == ["2"])
    }

    @Test func `Mistakes are one line on any number of ranks`() throws {
      let workspace = try prepare()
      for (more, code, said) in [
        (["--over", "optimizer.momentum"], 64, "is not KEY=VALUES"),
        (["--over", "optimizer.momentun=0,0.9"], 64, "did you mean optimizer.momentum?"),
        (["--over", "optimizer.momentum=0.9,2"], 64, "optimizer.momentum: 2.0 is impossible"),
        (["--over", "data.normalize=none,scale"], 64, "data.normalize: is common to all settings"),
        (["--path", "--over", "optimizer.momentum=0,0.9"], 64, "--path"),
        (["--set", "optimizer.method=sgd"], 64, "leaves nothing of the settings"),
        (["--rungs", "0"], 64, "--rungs takes 1 to 5"), (["--longer", "9"], 64, "--longer takes 0 to 4"),
        (["--path", "--longer", "1"], 64, "--longer 1 does not go with --path"),
      ] as [([String], Int32, String)] {
        for ranks in [Ranks.plain, .mpirun(2)] {
          let outcome = try tune(ranks, "run", more, in: workspace)
          #expect(outcome.code == code)
          #expect(outcome.errors.count == 1 && outcome.errors[0].contains(said), "\(more): \(outcome.errorOutput)")
          #expect(!workspace.exists("run"))
        }
      }
      try tune(.plain, "run", ["--no-refit", "--over", "optimizer.momentum=0,0.9"], in: workspace).expectSuccess()
      for (command, said) in [
        (["tune", "--over", "optimizer.momentum=0,0.9"], "already holds a run"),
        (["tune", "--resume", "--no-refit", "--over", "optimizer.momentum=0,0.5"], "another value of --over"),
        (["tune", "--resume", "--over", "optimizer.momentum=0,0.9"], "another value of --no-refit"),
        (["train", "--resume"], "holds a search"),
      ] {
        let outcome = try Program.run(
          .plain, [command[0], "run.yaml", "--run-directory", "run"] + command.dropFirst(), in: workspace)
        #expect(outcome.code == 64)
        #expect(outcome.errors.count == 1 && outcome.errors[0].contains(said), "\(outcome.errorOutput)")
      }
    }
  }
}
