import Foundation
import Testing

extension RecoveryTests {
  @Suite("A search by groups of ranks")
  struct GroupTests {
    private static let over = ["--rungs", "1", "--over", "optimizer.weight_decay=0,0.001,0.01,0.1"]

    private func prepare(_ training: String = "epochs: 8") throws -> Workspace {
      let workspace = Workspace()
      try Examples(1200, features: 24, classes: 8).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}, normalize: standardize}
        training: {precision: float64, \(training)}
        optimizer: {batch_size: 100, solver: {kind: gram}}
        checkpoint: {every: 5}
        logging: {tensorboard: false, progress: plain}
        """)
      return workspace
    }

    private func tune(
      _ ranks: Ranks, _ folder: String, _ more: [String], in workspace: Workspace, environment: [String: String] = [:]
    ) throws -> Outcome {
      try Program.run(
        ranks, ["tune", "run.yaml", "--run-directory", folder] + more, in: workspace, environment: environment)
    }

    private func expectSameFiles(
      _ one: String, _ other: String, _ files: [String] = ["tune.csv", "model.safetensors"], in workspace: Workspace,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      for file in files {
        #expect(
          try workspace.bytes("\(one)/\(file)") == workspace.bytes("\(other)/\(file)"), "\(file)",
          sourceLocation: sourceLocation)
      }
    }

    @Test(arguments: [[], ["--folds", "3"]])
    func `With one rank each gives the bytes of a single process`(folds: [String]) throws {
      let workspace = try prepare()
      let more = Self.over + (folds.isEmpty ? ["--no-refit"] : folds)
      try tune(.plain, "one", more, in: workspace).expectSuccess()
      for (ranks, groups) in [(2, nil), (4, "4")] as [(Int, String?)] {
        let outcome = try tune(
          .mpirun(ranks), "by\(ranks)", more + (groups.map { ["--groups", $0] } ?? []), in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("groups: up to \(ranks) settings at the same time, each by 1 rank or more\n"))
        // Each trial has one line, and none of its progress.
        #expect(outcome.output.split(separator: "\n").filter { $0.hasPrefix("1/4  ") }.count == (folds.isEmpty ? 1 : 4))
        #expect(!outcome.output.contains("steps/s") || !folds.isEmpty)
        try expectSameFiles(
          "by\(ranks)", "one", folds.isEmpty ? ["tune.csv", "model.safetensors"] : ["tune.csv"], in: workspace)
      }
    }

    @Test(arguments: [(3, 3), (4, 2), (2, 1)])
    func `Any ranks and groups make the same choice, with the losses of a single process`(
      ranks: Int, groups: Int
    ) throws {
      let workspace = try prepare()
      let over = ["--over", "optimizer.method=fgn,adam", "--over", "optimizer.damping.initial=0.1,1,10"]
      try tune(.plain, "one", over, in: workspace).expectSuccess()
      let outcome = try tune(.mpirun(ranks), "many", over + ["--groups", "\(groups)"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("all 2 ranks train one setting after the other") == (groups == 1))
      let (one, many) = (try workspace.table("one"), try workspace.table("many"))
      try #require(one.count == many.count)
      for (left, right) in zip(one, many) {
        for key in ["setting", "rung", "steps", "best_step", "status"] { #expect(left[key] == right[key]) }
        #expect(abs(Double(left["loss"]!)! - Double(right["loss"]!)!) < 1e-9)
      }
    }

    @Test func `Goes on after kills and signals of any rank to the same table and model`() throws {
      let workspace = try prepare()
      let more = Self.over + ["--folds", "2"]
      try tune(.mpirun(2), "whole", more, in: workspace).expectSuccess()
      let (stops, outcome) = try workspace.tuneWithStops("run", more, every: 120, ranks: .mpirun(2))
      outcome.expectSuccess()
      #expect(stops >= 3, "the search ended too soon to be stopped")
      try expectSameFiles("run", "whole", in: workspace)
    }

    @Test func `A signal to one rank stops all groups, each with a checkpoint`() throws {
      let workspace = try prepare("steps: 2500")
      let more = ["--no-refit", "--rungs", "1", "--over", "optimizer.weight_decay=0,0.01"]
      try tune(.mpirun(2), "whole", more, in: workspace).expectSuccess()
      for rank in 0..<2 {
        let command = Program.command(
          .mpirun(2), ["tune", "run.yaml", "--run-directory", "run"] + more + (rank == 0 ? [] : ["--resume"]))
        let child = try Child(command, in: workspace)
        let counts = [1, 2].map { workspace.metricsCount("run/trials/0\($0)-1") }
        try #require(
          poll(for: Child.limit) {
            child.hasEnded || [1, 2].allSatisfy { workspace.metricsCount("run/trials/0\($0)-1") > counts[$0 - 1] + 60 }
          })
        let programs = child.programs.sorted()
        try #require(programs.count == 2)
        kill(programs[rank], SIGUSR1)
        let outcome = try child.wait(limit: .seconds(15))
        #expect(outcome.code == 75, "\(outcome.errorOutput)")
        #expect(outcome.errorOutput.contains("stopped by a signal; go on with --resume --run-directory run"))
        for trial in ["01-1", "02-1"] {
          #expect(try workspace.metrics("run/trials/\(trial)").last?.reason == "interrupted")
          #expect(!workspace.checkpoints("run/trials/\(trial)").isEmpty)
        }
      }
      try tune(.mpirun(2), "run", more + ["--resume"], in: workspace).expectSuccess()
      try expectSameFiles("run", "whole", in: workspace)
      try workspace.expectEveryStepOnce("run/trials/02-1", 2500)
    }

    @Test func `A setting that diverges in one group is out, and the others go on`() throws {
      let workspace = try prepare()
      let outcome = try tune(
        .mpirun(2), "run",
        ["--set", "optimizer.method=sgd", "--rungs", "1", "--over", "optimizer.learning_rate=1e308,0.01,0.001"],
        in: workspace)
      outcome.expectSuccess()
      #expect(try workspace.table("run").map { $0["status"]! } == ["diverged", "chosen", "completed"])
      let all = try tune(
        .mpirun(2), "all", ["--set", "optimizer.method=sgd", "--over", "optimizer.learning_rate=1e308,1.7e308"],
        in: workspace)
      all.expectError(70, mentioning: ["all settings diverged"])
    }

    @Test func `An error in one group ends the job with its line, and keeps what the others have`() throws {
      let workspace = try prepare("steps: 1000")
      let more = ["--no-refit", "--rungs", "1", "--over", "optimizer.weight_decay=0,0.01"]
      try tune(.mpirun(2), "whole", more, in: workspace).expectSuccess()
      // The second group cannot make the folder of its run.
      try workspace.write("run/trials/02-1", "")
      try workspace.write("run/tune.json", try workspace.bytes("whole/tune.json"))
      let record = String(decoding: try workspace.bytes("whole/tune.json"), as: UTF8.self)
      try workspace.write(
        "run/tune.json", record.replacing(/"results" : \[.*\]/.dotMatchesNewlines(), with: "\"results\" : [ ]"))
      let outcome = try tune(.mpirun(2), "run", more + ["--resume"], in: workspace)
      outcome.expectError(74, mentioning: ["run/trials/02-1"])
      // The first one was told to stop.
      #expect(!workspace.checkpoints("run/trials/01-1").isEmpty)
      try FileManager.default.removeItem(atPath: workspace.path("run/trials/02-1"))
      try tune(.mpirun(2), "run", more + ["--resume"], in: workspace).expectSuccess()
      try expectSameFiles("run", "whole", in: workspace)
    }

    @Test func `A group waits for a longer one, and for a rank that is stopped no longer than a run does`() throws {
      let workspace = try prepare("stall_timeout: 3, peer_timeout: 3")
      let more = ["--no-refit", "--rungs", "1", "--over"]
      let begin = ContinuousClock.now
      try tune(.mpirun(2), "long", more + ["training.steps=2,20000"], in: workspace).expectSuccess()
      #expect(ContinuousClock.now - begin > .seconds(5), "the longer run is too short")
      for rank in 0..<2 {
        let child = try Child(
          Program.command(
            .mpirun(2), ["tune", "run.yaml", "--run-directory", "run\(rank)"] + more + ["training.steps=90000,90001"]),
          in: workspace)
        let trials = [1, 2].map { "run\(rank)/trials/0\($0)-1" }
        try #require(
          poll(for: Child.limit) { child.hasEnded || trials.allSatisfy { workspace.metricsCount($0) > 60 } })
        let programs = child.programs.sorted()
        try #require(programs.count == 2)
        kill(programs[rank], SIGSTOP)
        let outcome = try child.wait(limit: .seconds(20))
        outcome.expectError(76, mentioning: ["rank \(rank) on ", "no sign of life"])
        #expect(poll(for: .seconds(5)) { programs.allSatisfy { !isAlive($0) } })
      }
    }

    @Test func `There is one group where a rank has no memory for a run`() throws {
      let workspace = try prepare("steps: 2")
      let more = ["--over", "optimizer.batch_size=1000", "--no-refit"]
      let limit = ["FGN_MEMORY_LIMIT": "62000000"]
      let outcome = try tune(.mpirun(2), "run", more, in: workspace, environment: limit)
      outcome.expectSuccess()
      #expect(
        outcome.output.contains(
          "groups: all 2 ranks train one setting after the other, since there is no memory for more\n"))
      try tune(.mpirun(2), "two", more + ["--groups", "2"], in: workspace, environment: limit)
        .expectError(64, mentioning: ["--groups 2: ", "there are 0.062 GB for the 2 ranks of a host", "fewer groups"])
      #expect(!workspace.exists("two"))
    }

    @Test func `A rank that does not see the folder is named`() throws {
      let workspace = try prepare()
      for folder in ["a", "b"] {
        for file in ["run.yaml", "train-features.npy", "train-labels.npy"] {
          try workspace.write("\(folder)/\(file)", try workspace.bytes(file))
        }
      }
      func part(_ folder: String) -> [String] {
        ["-np", "1", "-wdir", workspace.path(folder), Program.path, "tune", "run.yaml", "--run-directory", "run"]
          + Self.over
      }
      try Child(Program.launcher + part("a") + [":"] + part("b"), in: workspace).wait()
        .expectError(64, mentioning: ["rank 1 on ", "run: is not there on this host", "--groups 1"])
      #expect(!workspace.exists("a/run/tune.json") && !workspace.exists("b/run"))
    }

    @Test func `Mistakes are one line`() throws {
      let workspace = try prepare()
      for (ranks, more, said) in [
        (.plain, ["--groups", "0"], "--groups takes 1 or more"),
        (.mpirun(2), ["--groups", "2", "--path"], "--groups 2 does not go with --path"),
        (.plain, ["--groups", "2"], "--groups 2: needs as many ranks; start them with mpirun -np 2"),
        (.mpirun(2), ["--groups", "3"], "--groups 3: does not divide the 2 ranks; give one of 1, 2, or"),
      ] as [(Ranks, [String], String)] {
        let outcome = try tune(ranks, "run", more + ["--over", "optimizer.weight_decay=0,0.01"], in: workspace)
        #expect(outcome.code == 64)
        #expect(outcome.errors.count == 1 && outcome.errors[0].contains(said), "\(outcome.errorOutput)")
        #expect(!workspace.exists("run"))
      }
    }
  }
}
