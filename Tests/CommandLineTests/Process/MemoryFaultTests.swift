import Foundation
import Testing

extension ProcessTests {
  /// Requests that exceed the memory of a host are refused before any allocation.
  @Suite("Too large for the memory")
  struct MemoryFaultTests {
    private static let ranks = [Ranks.plain, .mpirun(2)]

    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      try Examples(2000, features: 50, classes: 5).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      return workspace
    }

    /// Trains with this many bytes of memory on a host.
    private func train(
      _ settings: [String], _ memory: Int, _ ranks: Ranks = .plain, in workspace: Workspace
    ) throws -> Outcome {
      try? FileManager.default.removeItem(atPath: workspace.path("run"))
      return try Program.run(
        ranks, Fault.train + settings.flatMap { ["--set", $0] }, in: workspace,
        environment: ["FGN_MEMORY_LIMIT": "\(memory)"])
    }

    @Test(arguments: [
      (
        ["optimizer.batch_size=full", "optimizer.solver.kind=gram"], 20_000_000, "optimizer.batch_size",
        "a batch of 2000"
      ),
      (
        ["model.layers=[{linear: 30000}]", "optimizer.method=sgd"], 15_000_000, "model.layers", "rows in evaluations"
      ),
      (["data.classes=100000", "optimizer.solver.kind=cg"], 100_000_000, "data.classes", "8 vectors of 5100000"),
      (
        ["model.layers=[{linear: 2000}]", "optimizer.metric.kind=kronecker", "optimizer.solver.kind=cg"], 30_000_000,
        "optimizer.metric.kind", "moments"
      ),
      (
        ["optimizer.batch_size=2000", "data.classes=2000", "optimizer.solver.kind=cg"], 20_000_000,
        "data.classes", "rows in evaluations"
      ),
    ])
    func `A run is refused with its largest part and the key that makes it smaller`(
      settings: [String], memory: Int, key: String, part: String
    ) throws {
      let workspace = try prepare()
      try train(settings, memory, in: workspace).expectError(64, mentioning: [key, part, "GB"])
      #expect(!workspace.exists("run"))
    }

    @Test func `All ranks refuse what one has no room for`() throws {
      let workspace = try prepare()
      let settings = ["data.classes=100000", "optimizer.solver.kind=cg"]
      for tooLarge in [settings + ["model.head.shard=none"], settings + ["data.classes=400000"]] {
        let outcome = try train(tooLarge, 300_000_000, .mpirun(2), in: workspace)
        outcome.expectError(
          64, mentioning: ["data.classes", "a rank", "for the 2 ranks of a host", "start fewer ranks"])
        let names = outcome.errors.first?.contains("or set model.head.shard to auto") == true
        #expect(names == tooLarge.contains("model.head.shard=none"))
      }
      // There is room for the classes of a rank.
      let shared = try train(settings, 300_000_000, .mpirun(2), in: workspace)
      shared.expectSuccess()
      #expect(shared.output.contains("classes are shared out over the ranks (whole, it does not fit into memory)"))
      // A model that fits is trained.
      try train(["data.classes=10000", "optimizer.solver.kind=cg"], 300_000_000, .mpirun(2), in: workspace)
        .expectSuccess()
    }

    @Test(arguments: ranks)
    func `A huge index is named with its line`(ranks: Ranks) throws {
      let workspace = try prepare()
      try workspace.write("train.svm", "0 1:1\n1 2:1\n0 2000000000:1\n1 3:1\n")
      try workspace.write("run.yaml", "data: {train: {features: train.svm}}\n")
      try train([], 1_000_000_000, ranks, in: workspace)
        .expectError(65, mentioning: ["train.svm: line 3", "the index 2000000000", "correct the index"])
      try train(["data.storage=dense", "data.normalize=none"], 1_000_000_000, ranks, in: workspace)
        .expectError(65, mentioning: ["train.svm", "2000000000", "more memory"])
      // With an index that fits, the features are as usable as any.
      try workspace.write("train.svm", "0 1:1\n1 2:1\n0 200000:1\n1 3:1\n")
      try train([], 1_000_000_000, ranks, in: workspace).expectSuccess()
      try workspace.write("test.svm", "0 2000000000:1\n")
      try Program.run(
        ranks, ["predict", "run/model.safetensors", "--features", "test.svm", "--classes", "c.csv"], in: workspace
      ).expectError(65, mentioning: ["test.svm: line 1", "beyond the 200000 columns"])
    }

    @Test func `A text that unpacks to more is refused`() throws {
      let workspace = try prepare()
      try workspace.write("t.csv", (0..<20000).map { "\($0),2.5,\($0 % 3)\n" }.joined())
      try workspace.write(
        "run.yaml", "data: {train: {features: t.csv}}\noptimizer: {batch_size: 8}\ntraining: {steps: 2}\n")
      try train([], 100_000, in: workspace).expectError(65, mentioning: ["t.csv", "memory"])
      try train([], 100_000_000, in: workspace).expectSuccess()
    }

    @Test func `A benchmark that does not fit is refused`() throws {
      let workspace = Workspace()
      try Program.run(["bench", "--rows", "1000000000", "--features", "1000000"], in: workspace)
        .expectError(64, mentioning: ["--rows", "GB"])
    }

    @Test(arguments: ranks)
    func `A benchmark of too few rows is refused`(ranks: Ranks) throws {
      try Program.run(
        ranks, ["bench", "--rows", "4", "--features", "3", "--repetitions", "1"], in: Workspace()
      ).expectError(64, mentioning: ["4 rows", "raise --rows"])
    }
  }
}
