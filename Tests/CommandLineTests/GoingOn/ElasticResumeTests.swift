import Foundation
import Testing

extension RecoveryTests {
  @Suite("A run that goes on with another number of ranks")
  struct ElasticResumeTests {
    /// 101 rows are not divisible by any of these numbers of ranks.
    @Test(arguments: 1...4)
    func `Takes the same course, whatever the numbers`(before: Int) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer: {batch_size: 101, solver: {kind: cg}, damping: {interval: 3}, weight_decay: 1e-3}
        training: {steps: 24, precision: float64}
        checkpoint: {every: 9, keep: 9}
        """)
      let arguments = ["train", "run.yaml", "--run-directory"]
      try Program.run(.mpirun(before), arguments + ["whole"], in: workspace).expectSuccess()
      for after in 1...4 {
        let run = "run-\(after)"
        try FileManager.default.copyItem(atPath: workspace.path("whole"), toPath: workspace.path(run))
        let checkpoint = "\(run)/checkpoints/step-00000009.safetensors"
        try Program.run(.mpirun(after), arguments + [run, "--resume", checkpoint], in: workspace).expectSuccess()
        try workspace.expectEveryStepOnce(run, 24)
        #expect(lossDifference(try workspace.steps(run), try workspace.steps("whole")) < 1e-9, "\(before) to \(after)")
        if before == after {
          #expect(try workspace.bytes("\(run)/model.safetensors") == workspace.bytes("whole/model.safetensors"))
        }
      }
    }
  }
}
