import Foundation
import Testing

extension DataTests {
  @Suite("Watching a run")
  struct WatchingTests {
    /// The events of one kind in `metrics.jsonl`, with all their keys.
    private func events(_ run: String, _ kind: String, in workspace: Workspace) throws -> [[String: Any]] {
      try workspace.bytes("\(run)/metrics.jsonl").split(separator: UInt8(ascii: "\n"))
        .map { try #require(try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]) }
        .filter { $0["event"] as? String == kind }
    }

    private func eventFiles(_ run: String, in workspace: Workspace) -> [String] {
      workspace.names(run).filter { $0.hasPrefix("events.out.tfevents.") }
    }

    private func prepare(_ more: String = "") throws -> Workspace {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 101}
        training: {steps: 30}
        checkpoint: {every: 10}
        logging: {histograms_every: 6, ranks_every: 8}
        \(more)
        """)
      return workspace
    }

    @Test(arguments: [Ranks.plain, .mpirun(2), .mpirun(3)])
    func `Every rank's times are in the metrics`(ranks: Ranks) throws {
      let workspace = try prepare()
      let outcome = try Program.run(ranks, ["train", "run.yaml", "--run-directory", "run"], in: workspace)
      outcome.expectSuccess()
      let events = try events("run", "ranks", in: workspace)
      #expect(events.map { $0["step"] as? Int } == [8, 16, 24, 30])
      #expect(events.map { $0["steps"] as? Int } == [8, 8, 8, 6])
      var count = 1
      if case .mpirun(let number) = ranks { count = number }
      for event in events {
        let list = try #require(event["ranks"] as? [[String: Any]])
        #expect(list.map { $0["rank"] as? Int } == Array(0..<count))
        let seconds = try list.map { try #require($0["seconds"] as? [String: Double]) }
        #expect(seconds.allSatisfy { $0["forward"]! > 0 && $0.count == 9 })
        let work = seconds.map { $0.values.reduce(0, +) - $0["communication"]! }
        let imbalance = work.max()! / (work.reduce(0, +) / Double(count))
        #expect(abs(try #require(event["imbalance"] as? Double) - imbalance) < 0.01)
      }
      #expect(outcome.output.contains("waiting for slower ones; rank ") == (count > 1))
    }

    @Test func `More ranks than CP us are a warning`() throws {
      let workspace = try prepare()
      let count = ProcessInfo.processInfo.activeProcessorCount + 1
      let outcome = try Program.run(.mpirun(count), ["train", "run.yaml", "--run-directory", "run"], in: workspace)
      outcome.expectSuccess()
      let warning = try #require(try events("run", "warning", in: workspace).first)
      #expect(warning["kind"] as? String == "processors" && warning["step"] as? Int == 0)
      let text = try #require(warning["text"] as? String)
      #expect(text.contains("\(count) threads of \(count) ranks") && outcome.output.contains("warning: \(text)\n"))
    }

    @Test func `More threads than CP us in one process are a warning`() throws {
      let workspace = try prepare()
      let count = ProcessInfo.processInfo.activeProcessorCount + 1
      let outcome = try Program.run(
        ["train", "run.yaml", "--run-directory", "run"], in: workspace,
        environment: ["OPENBLAS_NUM_THREADS": "\(count)"])
      outcome.expectSuccess()
      let warning = try #require(try events("run", "warning", in: workspace).first)
      #expect(warning["kind"] as? String == "processors")
      #expect((warning["text"] as? String)?.contains("\(count) threads of one process on the ") == true)
    }

    @Test(.enabled("there is but one CPU") { ProcessInfo.processInfo.activeProcessorCount > 1 })
    func `A rank that mpirun has bound to one of several CPUs is noted`() throws {
      let workspace = try prepare()
      // Only Open MPI reports this.
      guard ProcessInfo.processInfo.environment["FGN_MPIRUN"] == nil else { return }
      func notes(_ environment: [String: String], _ run: String) throws -> Int {
        let outcome = try Program.run(
          .mpirun(1), ["train", "run.yaml", "--run-directory", run], in: workspace, environment: environment)
        outcome.expectSuccess()
        return outcome.output.split(separator: "\n").count { $0.hasPrefix("note:") && $0.contains("--bind-to none") }
      }
      let bound = ["OMPI_MCA_hwloc_base_binding_policy": "core", "OPENBLAS_NUM_THREADS": ""]
      #expect(try notes(bound, "bound") == 1)
      #expect(try notes(bound.merging(["OPENBLAS_NUM_THREADS": "1"]) { $1 }, "chosen") == 0)
      #expect(try notes(bound.merging(["OMPI_MCA_hwloc_base_binding_policy": "none"]) { $1 }, "free") == 0)
    }

    @Test func `Solves at their limit are a warning`() throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 101, solver: {kind: cg, max_iterations: 1, tolerance: 1e-4}}
        training: {steps: 90, evaluate_every: 0, epochs: 9}
        """)
      let outcome = try Program.run(["train", "run.yaml", "--run-directory", "run"], in: workspace)
      outcome.expectSuccess()
      let warnings = try events("run", "warning", in: workspace)
      // An epoch has 15 steps.
      #expect(warnings.map { $0["step"] as? Int } == [50, 61, 76])
      #expect(warnings.allSatisfy { ($0["text"] as? String)?.contains("optimizer.solver.max_iterations (1)") == true })
    }

    @Test func `The start tells what runs where`() throws {
      let workspace = try prepare()
      let outcome = try Program.run(.mpirun(2), ["train", "run.yaml", "--run-directory", "run"], in: workspace)
      outcome.expectSuccess()
      let lines = outcome.output.split(separator: "\n").map(String.init)
      for label in ["ranks", "threads", "data", "model", "optimizer", "memory", "run", "solver"] {
        let line = try #require(lines.first { $0.hasPrefix("\(label): ") }, "\(label)")
        #expect(line.count > 11 && line.dropFirst(11).first != " " && line.prefix(11).last == " ", "\(line)")
      }
      #expect(lines.contains { $0.hasPrefix("ranks:     2 on ") })
      #expect(lines.contains { $0.hasPrefix("threads:   1 a rank, ") && $0.contains("MPI") })
    }

    @Test func `No event file where none is wanted`() throws {
      let workspace = try prepare()
      let arguments = ["train", "run.yaml", "--run-directory", "run", "--set", "logging.tensorboard=false"]
      try Program.run(arguments, in: workspace).expectSuccess()
      #expect(eventFiles("run", in: workspace).isEmpty)
      try workspace.expectEveryStepOnce("run", 30)
    }

    @Test func `A resumed run has another event file`() throws {
      let workspace = try prepare()
      let arguments = ["train", "run.yaml", "--run-directory", "run"]
      try Program.run(.mpirun(2), arguments, in: workspace).expectSuccess()
      let first = eventFiles("run", in: workspace)
      #expect(first.count == 1)
      try Program.run(
        .mpirun(2), arguments + ["--resume", "run/checkpoints/step-00000010.safetensors"], in: workspace
      ).expectSuccess()
      let all = eventFiles("run", in: workspace)
      #expect(all.count == 2 && all.first == first.first)
      try workspace.expectEveryStepOnce("run", 30)
    }

    /// Histograms at each step soon reach the limit on file sizes, 8 MB. No other file does, and MPI's shared memory,
    /// to which the limit applies, is smaller.
    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `An event file that cannot be written ends all ranks`(ranks: Ranks) throws {
      let workspace = try prepare()
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 16, method: sgd}
        training: {steps: 1000000, evaluate_every: 0}
        checkpoint: {every: 0}
        logging: {every: 1000000, histograms_every: 1, ranks_every: 0}
        """)
      var command = ["bash", "-c", "trap '' XFSZ; ulimit -f 8000; exec \"$0\" \"$@\""]
      command += [Program.path, "train", "run.yaml", "--run-directory", "run"]
      if case .mpirun(let count) = ranks { command = Program.launcher + ["-np", "\(count)"] + command }
      let outcome = try Child(command, in: workspace).wait()
      outcome.expectError(74, mentioning: ["run/events.out.tfevents.", "write", "raise the limit on file sizes"])
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `A report of runs is one page`(ranks: Ranks) throws {
      let workspace = try prepare()
      for (run, method) in [("one", "fgn"), ("two", "adam")] {
        try Program.run(
          ranks, ["train", "run.yaml", "--run-directory", run, "--set", "optimizer.method=\(method)"], in: workspace
        ).expectSuccess()
      }
      try workspace.change("two/metrics.jsonl") { $0.removeLast(20) }
      let outcome = try Program.run(ranks, ["report", "one", "two", "--out", "page.html"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.hasPrefix("page.html: 2 runs, "))
      let page = String(decoding: try workspace.bytes("page.html"), as: UTF8.self)
      #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<th class=\"key\">optimizer.method</th>"))
      #expect(page.contains("completed") && page.contains("not ended"))
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `What is no run is refused by the report`(ranks: Ranks) throws {
      let workspace = try prepare()
      try workspace.write("foreign/metrics.jsonl", "{}\n")
      try workspace.write("foreign/config.yaml", "{}\n")
      try Program.run(ranks, ["report", "none"], in: workspace).expectError(66, mentioning: ["none"])
      try Program.run(ranks, ["report", "foreign"], in: workspace)
        .expectError(65, mentioning: ["foreign/metrics.jsonl", "line 1"])
      #expect(!workspace.exists("report.html"))
    }
  }
}
