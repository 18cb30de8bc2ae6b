import Datasets
import Foundation
import LinearAlgebra
import TestSupport
import Testing
import Training

extension RunTests {
  @Suite("One step of the whole program")
  struct SingleStepTests {
    @Test(arguments: [0, 1e-2], [0.05, 1])
    func `Equals the dense solution`(weightDecay μ: Double, damping λ: Double) throws {
      let workspace = Workspace()
      let (rows, d, classes) = (41, 6, 4)
      let problem = ToyProblem(rows: rows, features: d, classes: classes, largestMargin: 4, seed: 11)
      let (oracle, θ) = (problem.oracle, problem.parameters)
      try #require(Set(oracle.labels).max() == classes - 1)
      try NPY.write(problem.inputs(0..<rows, as: Double.self), to: workspace.path("train-features.npy"))
      try NPY.write(oracle.labels.map { Int64($0) }, to: workspace.path("train-labels.npy"))
      var start = TensorFile()
      start.add("model.0.weight", Tensor(Array(θ[..<(classes * d)]), shape: [classes, d]))
      start.add("model.0.bias", Tensor(Array(θ[(classes * d)...])))
      try Safetensors.save(start, to: workspace.path("start.safetensors"))
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}, normalize: none}
        model: {initialization: start.safetensors}
        optimizer:
          batch_size: full
          learning_rate: 1
          schedule: {kind: constant}
          damping: {initial: \(λ), policy: constant}
          solver: {kind: cg, tolerance: 1e-13, max_iterations: 3000}
          step_length: unit
          momentum: 0.9
          weight_decay: \(μ)
        training: {steps: 1, precision: float64}
        """)

      let expected = oracle.step(θ, damping: λ, weightDecay: μ)
      for (ranks, name) in [(Ranks.plain, "one"), (.mpirun(3), "three")] {
        try Program.run(ranks, ["train", "run.yaml", "--run-directory", name], in: workspace).expectSuccess()
        let file = try Safetensors.load(path: workspace.path("\(name)/model.safetensors"))
        let weight: Vector<Double> = try file.vector(named: "model.0.weight", shape: [classes, d])
        let bias: Vector<Double> = try file.vector(named: "model.0.bias", shape: [classes])
        let change = zip(weight.array + bias.array, θ).map { $0 - $1 }
        let difference = relativeError(change, expected)
        #expect(difference < 1e-9, "\(ranks)")
        Figures.note("dense step", difference)

        let step = try #require(try workspace.steps(name).first)
        #expect(abs(try #require(step.loss) - oracle.loss(θ)) < 1e-12)
        let after = try #require(try workspace.metrics(name).first { $0.event == "evaluation" })
        #expect(abs(try #require(after.loss) - oracle.loss(weight.array + bias.array)) < 1e-12)
      }
    }
  }
}
