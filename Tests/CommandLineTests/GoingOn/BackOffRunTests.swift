import Foundation
import Testing

extension RecoveryTests {
  @Suite("A run that backs off once its numbers are not finite")
  struct BackOffRunTests {
    /// Decay at this rate multiplies the parameters by −63 in each step, and below a rate of 2 it brings them down.
    private static let backOff = [
      "optimizer.method=sgd", "optimizer.momentum=0", "optimizer.weight_decay=1", "optimizer.learning_rate=64",
      "optimizer.schedule.kind=constant", "training.precision=float64", "checkpoint.every=5",
      "training.on_divergence=back-off",
    ]

    private func workspace() throws -> Workspace {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      return workspace
    }

    private func arguments(_ run: String, _ settings: [String]) -> [String] {
      ["train", "run.yaml", "--run-directory", run] + settings.flatMap { ["--set", $0] }
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Ends with 70 where it is to stop, and otherwise with a finite loss`(ranks: Ranks) throws {
      let workspace = try workspace()
      let settings = [
        "optimizer.method=sgd", "optimizer.learning_rate=1e39", "training.steps=40", "model.head.shard=classes",
      ]
      try Program.run(ranks, arguments("run", settings), in: workspace).expectError(70, mentioning: ["diverged"])
      let backOff = settings + ["training.on_divergence=back-off", "training.on_divergence.limit=200"]
      try Program.run(ranks, arguments("other", backOff), in: workspace).expectSuccess()
      try workspace.expectEveryStepOnce("other", 40)
      #expect(try workspace.steps("other").allSatisfy { $0.loss! < 110 })
    }

    @Test func `Ends with the same loss on any number of ranks`() throws {
      let workspace = try workspace()
      var losses: [[MetricsLine]] = []
      for (index, ranks) in [Ranks.plain, .mpirun(2), .mpirun(3), .mpirun(4)].enumerated() {
        let arguments = arguments("run\(index)", Self.backOff + ["training.steps=200"])
        let outcome = try Program.run(ranks, arguments, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("(1 of at most 10): it goes back to step 0, and on at 1/2 of"))
        try workspace.expectEveryStepOnce("run\(index)", 200)
        losses.append(try workspace.steps("run\(index)"))
      }
      #expect(losses[0].last!.loss! < 2)
      for other in losses.dropFirst() { #expect(lossDifference(other, losses[0]) < 1e-9) }
    }

    @Test func `Goes back behind checkpoints on the way to where its numbers burst`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "optimizer: {batch_size: 256, damping: {policy: constant, initial: 1e-8}}")
      let settings = ["checkpoint.every=1", "training.epochs=10", "training.on_divergence=back-off"]
      let outcome = try Program.run(arguments("run", settings), in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains(/goes back to step [1-9]/))
      #expect(try workspace.steps("run").last!.loss! < 2)
    }

    @Test func `Ends with 70 once its back-offs are spent, and goes on with a higher limit`() throws {
      let workspace = try workspace()
      let settings = Self.backOff + ["training.steps=50"]
      let spent = try Program.run(arguments("run", settings + ["training.on_divergence.limit=2"]), in: workspace)
      spent.expectError(70, mentioning: ["all back-offs that training.on_divergence.limit allows (2) are spent"])
      let resumed = try Program.run(arguments("run", settings) + ["--resume"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("goes on at 1/4 of optimizer.learning_rate, for the run has backed off 2 times"))
      try Program.run(arguments("whole", settings), in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Has another rate on resuming where one is given, and no back-offs`() throws {
      let workspace = try workspace()
      try Program.run(arguments("run", Self.backOff + ["training.steps=20"]), in: workspace).expectSuccess()
      let other = Self.backOff + ["training.steps=30", "optimizer.learning_rate=0.5"]
      let resumed = try Program.run(arguments("run", other) + ["--resume"], in: workspace)
      resumed.expectSuccess()
      #expect(resumed.output.contains("to 0.5, for"))
      #expect(resumed.output.contains("the number of back-offs is 0 and was"))
    }

    @Test func `Cannot back off from the parameters that it begins with`() throws {
      let workspace = try workspace()
      var wild = Examples(40, features: 6, classes: 3)
      wild.features = wild.features.map { $0.map { 3e37 * $0 } }
      try wild.write(to: workspace)
      let settings = [
        "data.normalize=none", "training.on_divergence=back-off", "optimizer.method=sgd",
        "model.layers=[{linear: 64}, relu, {linear: 64}, relu, {linear: 64}, relu]",
      ]
      try Program.run(arguments("run", settings), in: workspace)
        .expectError(
          70, mentioning: ["step 1", "not finite", "cannot back off from the parameters that it begins with"])
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)], [[], ["model.head.shard=classes"], ["training.reproducible=true"]])
    func `Is killed behind a back-off, and goes on to the same bytes`(ranks: Ranks, settings: [String]) throws {
      let workspace = try workspace()
      let settings = Self.backOff + settings + ["training.steps=600"]
      try Program.run(ranks, arguments("whole", settings), in: workspace).expectSuccess()
      for signal in [SIGKILL, SIGTERM] {
        let run = "run\(signal)"
        try workspace.stopTraining(run, settings, ranks: ranks, signal: signal)
        try Program.run(ranks, arguments(run, settings) + ["--resume"], in: workspace).expectSuccess()
        #expect(try workspace.bytes("\(run)/model.safetensors") == workspace.bytes("whole/model.safetensors"))
        try workspace.expectEveryStepOnce(run, 600)
      }
    }
  }
}
