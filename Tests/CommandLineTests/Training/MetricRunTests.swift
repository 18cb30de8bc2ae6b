import Foundation
import Testing

extension RunTests {
  @Suite("A run with a metric and weight decay")
  struct MetricRunTests {
    private func train(_ ranks: Ranks, _ settings: String..., in workspace: Workspace) throws -> String {
      let run = "\(ranks) \(settings.joined(separator: " "))"
      try workspace.write(
        "run.yaml",
        "{optimizer: {batch_size: 256, damping: {policy: constant}}, training: {precision: float64, epochs: 20}}")
      try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", run] + settings.flatMap { ["--set", "optimizer.\($0)"] },
        in: workspace
      ).expectSuccess()
      return run
    }

    private func trainingLoss(_ run: String, in workspace: Workspace) throws -> Double {
      try #require(workspace.metrics(run).first { $0.event == "evaluation" && $0.split == "train" }?.loss)
    }

    @Test(arguments: ["cg", "gram"])
    func `Is as good as one without, and the same on any number of ranks`(solver: String) throws {
      let workspace = Workspace()
      func train(_ ranks: Ranks, _ metric: String) throws -> String {
        try self.train(
          ranks, "metric.kind=\(metric)", "solver.kind=\(solver)", "weight_decay=0.01", "damping.initial=0.01",
          in: workspace)
      }
      let identity = try trainingLoss(train(.plain, "identity"), in: workspace)
      let kinds = solver == "gram" ? ["kronecker", "inputs"] : ["kronecker"]
      for kind in kinds {
        let plain = try train(.plain, kind)
        #expect(try trainingLoss(plain, in: workspace) < 1.01 * identity)
        for count in Thoroughness.isFull || solver == "gram" ? [2, 3] : [3] where kind == "kronecker" {
          let ranks = try train(.mpirun(count), kind)
          let (one, other) = (try workspace.steps(plain), try workspace.steps(ranks))
          #expect(lossDifference(other, one) < 1e-9)
          for (a, b) in zip(one, other) { #expect(abs(b.stepNorm! / a.stepNorm! - 1) < 1e-9, "step \(a.step)") }
        }
      }
    }

    @Test(arguments: [false, true])
    func `Does not diverge where decay is a tenth of the damping, at the whole step`(isNesterov: Bool) throws {
      let workspace = Workspace()
      let losses = try ["identity", "kronecker", "inputs"].map { kind in
        try trainingLoss(
          train(
            .plain, "metric.kind=\(kind)", "solver.kind=gram", "weight_decay=0.1", "damping.initial=1",
            "learning_rate=1",
            "nesterov=\(isNesterov)", in: workspace), in: workspace)
      }
      #expect(losses.max()! < 1.05 * losses[0], "\(losses)")
    }
  }
}
