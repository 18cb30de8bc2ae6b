import Foundation
import Testing

extension RecoveryTests {
  @Suite("A search among optima")
  struct OptimumSearchTests {
    private func prepare(_ training: String = "") throws -> Workspace {
      let workspace = Workspace()
      var examples = Examples(400, features: 32, classes: 5)
      // Wrong labels, which a model must not learn.
      for row in stride(from: 0, to: 400, by: 5) { examples.labels[row] = (examples.labels[row] + 1) % 5 }
      try examples.write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}}
        training: {epochs: 12, precision: float64\(training)}
        optimizer: {batch_size: 40, decay_biases: false}
        checkpoint: {every: 5}
        logging: {tensorboard: false, progress: none}
        """)
      return workspace
    }

    private func tune(_ folder: String, _ more: [String], ranks: Ranks = .plain, in workspace: Workspace) throws
      -> Outcome
    {
      try Program.run(ranks, ["tune", "run.yaml", "--run-directory", folder] + more, in: workspace)
    }

    private static let oneSet = ["--set", "data.validation.fraction=0.1"]
    private static let decays = "optimizer.weight_decay=1e-5,1e-4,1e-3,1e-2,0.1,1"

    @Test func `Optima are trained once, from strong to weak, until they get worse, and the best one anew on all rows`()
      throws
    {
      let workspace = try prepare()
      let outcome = try tune(
        "run", Self.oneSet + ["--over", "training.until=steps,optimum", "--over", Self.decays], in: workspace)
      outcome.expectSuccess()
      let rows = try workspace.table("run")
      let optima = rows.filter { $0["training.until"] == "optimum" }
      #expect(optima.allSatisfy { $0["rung"] == "1" })
      #expect(rows.contains { $0["training.until"] == "steps" && $0["rung"] == "2" })
      // By strong to weak: only the last one is worse than the one before.
      let losses = optima.sorted { Double($0["optimizer.weight_decay"]!)! > Double($1["optimizer.weight_decay"]!)! }
        .map { Double($0["loss"]!)! }
      try #require(losses.count > 2 && losses.count < 6, "\(losses)")
      let falls = zip(losses, losses.dropFirst()).map { $0 > $1 }
      #expect(falls.dropLast().allSatisfy { $0 } && falls.last == false)
      #expect(rows.first { $0["status"] == "chosen" }?["loss"] == "\(losses.min()!)")
      #expect(outcome.output.contains("refit: to the optimum on all 400 rows\n"))
      #expect(outcome.output.contains("converged: objective"))

      // They are the optima that runs of their own reach.
      let best = try #require(optima.first { $0["loss"] == "\(losses.min()!)" })
      let own = [
        "train", "run.yaml", "--set", "training.until=optimum", "--set", "data.validation.fraction=0.1", "--set",
        "training.keep=last", "--set", "optimizer.weight_decay=\(best["optimizer.weight_decay"]!)",
      ]
      try Program.run(.plain, own + ["--run-directory", "own"], in: workspace).expectSuccess()
      let loss = try #require(try workspace.metrics("own").last { $0.split == "validation" }?.loss)
      #expect(abs(loss / losses.min()! - 1) < 1e-5)
    }

    @Test func `Goes on after signals to the same table and model`() throws {
      let workspace = try prepare(", until: optimum")
      try tune("whole", Self.oneSet, in: workspace).expectSuccess()
      // The weaker ones are left out, but for the first that is worse.
      let losses = try workspace.table("whole").map { Double($0["loss"]!)! }
      #expect(losses.count < 6 && losses.last! > losses.min()!)
      let (stops, outcome) = try workspace.tuneWithStops("run", Self.oneSet, every: 5)
      outcome.expectSuccess()
      #expect(stops >= 3, "the search ended too soon to be stopped")
      #expect(try workspace.bytes("run/tune.csv") == workspace.bytes("whole/tune.csv"))
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `With folds each of them has a chain of its own, and none is left out`() throws {
      let workspace = try prepare()
      let options = ["--folds", "3", "--set", "training.until=optimum", "--over", Self.decays]
      try tune("one", options, in: workspace).expectSuccess()
      try tune("two", options, ranks: .mpirun(2), in: workspace).expectSuccess()
      let (one, two) = (try workspace.table("one"), try workspace.table("two"))
      #expect(one.count == 6 && workspace.names("one/trials").count == 18)
      for (left, right) in zip(one, two) {
        #expect(left["status"] == right["status"])
        #expect(abs(Double(left["loss"]!)! - Double(right["loss"]!)!) < 1e-6)
      }
    }

    @Test func `Without axes optima are among the settings where runs may go on to them`() throws {
      let workspace = try prepare(", steps: 2")
      try tune("run", [], in: workspace).expectSuccess()
      let rows = try workspace.table("run")
      #expect(Set(rows.compactMap { $0["setting"] }.compactMap(Int.init)).isSubset(of: 1...12))
      #expect(rows.count { $0["training.until"] == "optimum" } >= 2)
      // What is given is not varied; the ceiling of the damping holds for all methods.
      let given = ["optimizer.weight_decay=0.01", "optimizer.damping.maximum=0.0001", "optimizer.metric.kind=outputs"]
      try tune("given", given.flatMap { ["--set", $0] }, in: workspace).expectSuccess()
      let kept = try workspace.table("given")
      #expect(kept[0]["optimizer.weight_decay"] == nil && kept[0]["optimizer.metric.kind"] == nil)
      #expect(kept.contains { $0["optimizer.method"] == "adam" } && kept.contains { $0["training.until"] == "optimum" })
      for setting in ["training.patience=3", "optimizer.decay_to=initial"] {
        let name = String(setting.split(separator: "=")[0])
        try tune(name, ["--set", setting], in: workspace).expectSuccess()
        #expect(try workspace.table(name)[0]["training.until"] == nil)
      }
    }
  }
}
