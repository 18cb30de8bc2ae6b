import Foundation
import Synchronization
import Testing

extension RunTests {
  @Suite("The same command")
  struct DeterministicRunTests {
    /// Threads that compute and rest in turn, on the CPUs of the runs.
    private final class Neighbours: Sendable {
      private let ends = Atomic(false)

      init(_ count: Int) {
        for _ in 0..<count {
          Thread.detachNewThread { [self] in
            while !ends.load(ordering: .relaxed) {
              let end = ContinuousClock.now + .milliseconds(Int.random(in: 5..<200))
              while ContinuousClock.now < end && !ends.load(ordering: .relaxed) {}
              usleep(.random(in: 5000..<200_000))
            }
          }
        }
      }

      func end() { ends.store(true, ordering: .relaxed) }
    }

    /// On the digits all solvers take about the same time, and with hidden layers so do both kinds of sums.
    @Test(arguments: ["", "{linear: 256}, tanh, {linear: 128}, gelu"], [Ranks.plain, .mpirun(2)])
    func `Gives the same bytes whatever else the machine does`(layers: String, ranks: Ranks) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        model: {layers: [\(layers)]}
        optimizer: {batch_size: 256}
        training: {steps: 6}
        """)
      let neighbours = Neighbours(2)
      defer { neighbours.end() }
      var models: Set<[UInt8]> = []
      for number in 0..<3 {
        let run = try Program.run(
          ranks, ["train", "run.yaml", "--run-directory", "run\(number)"], in: workspace,
          environment: ["OPENBLAS_NUM_THREADS": "2"])
        run.expectSuccess()
        #expect(run.output.contains("(model: "))
        if case .mpirun = ranks, !layers.isEmpty { #expect(run.output.contains("(by rule)")) }
        models.insert(try workspace.bytes("run\(number)/model.safetensors"))
      }
      #expect(models.count == 1)
    }
  }
}
