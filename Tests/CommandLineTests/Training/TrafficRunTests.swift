import Foundation
import Testing

extension RunTests {
  @Suite("The exchanges of a step")
  struct TrafficRunTests {
    /// The exchanges of each step: kinds, bytes, and seconds before and in them.
    private func exchanges(_ run: String, in workspace: Workspace) throws -> [[[Any]]?] {
      try workspace.bytes("\(run)/metrics.jsonl").split(separator: UInt8(ascii: "\n")).compactMap { line in
        let event = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        guard event["event"] as? String == "step" else { return nil }
        return event["exchanges"] as? [[Any]]
      }
    }

    @Test(
      arguments: [
        "solver: {kind: cg}", "solver: {kind: gram}", "method: adam", "solver: {kind: gram-cg}, momentum: 0",
      ], ["none", "classes", "{classes: 2}"])
    func `Are those that are counted, in their order`(optimizer: String, shard: String) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        model: {head: {shard: \(shard)}}
        optimizer: {\(optimizer)}
        training: {steps: 5}
        logging: {traffic: true, every: 2}
        """)
      let ranks = shard == "{classes: 2}" ? 4 : 2
      try Program.run(.mpirun(ranks), ["train", "run.yaml", "--run-directory", "run"], in: workspace).expectSuccess()
      let (steps, lists) = (try workspace.steps("run"), try exchanges("run", in: workspace))
      #expect(steps.map(\.step) == [2, 4, 5] && lists.count == 3)
      for (step, list) in zip(steps, lists) {
        let list = try #require(list)
        func count(_ kinds: String...) -> Int { list.count { kinds.contains($0[0] as? String ?? "") } }
        #expect(count("allreduce", "reduce-scatter", "started-sum") == step.allreduces)
        #expect(count("started-sum") == 0 || count("wait") > 0)
        #expect(count("reduce-scatter") == (shard != "none" && optimizer.contains("gram") ? 1 : 0))
        let seconds = list.map { ($0[2] as? Double ?? -1, $0[3] as? Double ?? -1) }
        #expect(seconds.allSatisfy { $0 >= 0 && $1 >= 0 } && !seconds.isEmpty)
      }
    }

    @Test func `Are left out unless they are asked for, and empty on one rank`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 2}\n")
      try Program.run(["train", "run.yaml", "--run-directory", "without"], in: workspace).expectSuccess()
      #expect(try exchanges("without", in: workspace).allSatisfy { $0 == nil })
      try Program.run(
        ["train", "run.yaml", "--run-directory", "with", "--set", "logging.traffic=true"], in: workspace
      ).expectSuccess()
      #expect(try exchanges("with", in: workspace).allSatisfy { $0?.isEmpty == true })
    }
  }
}
