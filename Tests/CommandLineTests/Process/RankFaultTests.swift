import Foundation
import Testing

extension ProcessTests {
  @Suite("What is wrong on one rank only ends the whole job")
  struct RankFaultTests {
    /// Runs two ranks in the folder `a` and one in the folder `b`, which initially hold the same run.
    private func run(change: (Workspace) throws -> Void) throws -> (outcome: Outcome, workspace: Workspace) {
      let workspace = Workspace()
      for folder in ["a", "b"] {
        try workspace.write("\(folder)/run.yaml", Fault.configuration)
        try Examples(40, features: 6, classes: 3).write("\(folder)/train", to: workspace)
      }
      try change(workspace)
      func part(_ count: Int, _ folder: String) -> [String] {
        ["-np", "\(count)", "-wdir", workspace.path(folder), Program.path, "train", "run.yaml", "--run-directory"]
          + [workspace.path("run")]
      }
      let child = try Child(Program.launcher + part(2, "a") + [":"] + part(1, "b"), in: workspace)
      return (try child.wait(), workspace)
    }

    @Test func `The same everywhere trains`() throws {
      let (outcome, workspace) = try run { _ in }
      outcome.expectSuccess()
      try workspace.expectEveryStepOnce("run", 4)
    }

    @Test func `A missing file is named with its rank and host`() throws {
      let (outcome, workspace) = try run {
        try FileManager.default.removeItem(atPath: $0.path("b/train-labels.npy"))
      }
      outcome.expectError(66, mentioning: ["rank 2 on ", "train-labels.npy"])
      #expect(outcome.errors.first?.firstMatch(of: #/rank 2 on [^ :]+: /#) != nil)
      #expect(!workspace.exists("run"))
    }

    @Test func `A missing configuration is named with its rank`() throws {
      let (outcome, workspace) = try run { try FileManager.default.removeItem(atPath: $0.path("b/run.yaml")) }
      outcome.expectError(66, mentioning: ["rank 2 on ", "run.yaml"])
      #expect(!workspace.exists("run"))
    }

    @Test func `Faults of several ranks are reported as the first`() throws {
      let (outcome, _) = try run {
        try FileManager.default.removeItem(atPath: $0.path("b/run.yaml"))
        try $0.write("a/run.yaml", "training: {step: 3}\n")
      }
      outcome.expectError(64, mentioning: ["rank 0 on ", "training.step"])
    }

    @Test func `Another configuration is refused`() throws {
      let (outcome, workspace) = try run {
        try $0.write("b/run.yaml", Fault.configuration.replacing("batch_size: 16", with: "batch_size: 17"))
      }
      outcome.expectError(64, mentioning: ["the configuration on rank 2 (", "not what rank 0 has"])
      #expect(!workspace.exists("run"))
    }

    enum Difference: CaseIterable, Sendable { case values, labels, rows, type }

    @Test(arguments: Difference.allCases)
    func `Other training data are refused`(difference: Difference) throws {
      let (outcome, workspace) = try run { workspace in
        var examples = Examples(difference == .rows ? 39 : 40, features: 6, classes: 3)
        switch difference {
        case .values: examples.features[20][3] += 1
        case .labels: examples.labels[20] = (examples.labels[20] + 1) % 3
        case .rows: break
        case .type:
          try examples.writeIDX("b/train", to: workspace)
          let (from, to) = (workspace.path("b/train-features.idx"), workspace.path("b/train-features.npy"))
          try FileManager.default.removeItem(atPath: to)
          try FileManager.default.moveItem(atPath: from, toPath: to)
          return
        }
        try examples.write("b/train", to: workspace)
      }
      outcome.expectError(65, mentioning: ["the training data on rank 2 (", "not what rank 0 has"])
      #expect(!workspace.exists("run"))
    }
  }
}
