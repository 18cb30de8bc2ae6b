import Foundation
import LinearAlgebra
import Testing

extension RunTests {
  @Suite("A reproducible run")
  struct ReproducibleRunTests {
    struct Variant: Sendable, CustomTestStringConvertible {
      let layers, optimizer: String
      var precision = "float32"
      var batch = 101

      var testDescription: String { "\(layers.isEmpty ? "head" : layers), \(optimizer), \(precision), batch \(batch)" }

      static let perceptron = "{linear: 40}, tanh, {linear: 33}, gelu"
      static let convolutions = """
        {convolution: {channels: 8, kernel: 3, padding: 1}}, tanh, {max_pool: 2}, \
        {residual: [{convolution: {channels: 8, kernel: 3, padding: 1}}, gelu]}, {average_pool: 2}, flatten, \
        {linear: 150}, layer_norm, silu
        """

      static let all = [
        // A rule chooses the solver in this case.
        Variant(layers: "", optimizer: "method: fgn"),
        Variant(layers: "", optimizer: "method: fgn, solver: {kind: cg}, step_length: ggn", precision: "float64"),
        Variant(layers: perceptron, optimizer: "method: fgn, damping: {interval: 2}, metric: {interval: 3}"),
        Variant(
          layers: perceptron,
          optimizer:
            "method: fgn, solver: {kind: cg}, metric: {kind: inputs, interval: 3}, nesterov: true, weight_decay: 1e-3",
          precision: "float64"),
        Variant(
          layers: perceptron,
          optimizer:
            "method: fgn, solver: {kind: gram}, damping: {policy: sweep, interval: 2}, step_length: line-search"),
        Variant(layers: perceptron, optimizer: "method: sgd, nesterov: true, weight_decay: 1e-3"),
        Variant(layers: convolutions, optimizer: "method: fgn, solver: {kind: gram-cg}, metric: {kind: kronecker}"),
        Variant(layers: convolutions, optimizer: "method: ggn, weight_decay: 1e-3", precision: "float64"),
        Variant(layers: convolutions, optimizer: "method: adam"),
        // A batch has fewer rows than there are shards.
        Variant(layers: perceptron, optimizer: "method: fgn", batch: 7),
      ]

      func write(to workspace: Workspace) throws {
        try workspace.write(
          "run.yaml",
          """
          data: {normalize: standardize}
          model: {layers: [\(layers)]}
          optimizer: {\(optimizer), batch_size: \(batch)}
          training: {steps: 20, precision: \(precision), reproducible: true}
          checkpoint: {every: 3, keep: 20}
          """)
      }
    }

    private static let places: [(ranks: Ranks, threads: Int)] =
      [(.plain, 2), (.mpirun(2), 1), (.mpirun(3), 2), (.mpirun(4), 1), (.mpirun(1), 2), (.plain, 1)]
      + [(.mpirun(2), 2), (.mpirun(3), 1), (.mpirun(4), 2), (.mpirun(1), 1)]

    private func train(
      _ place: (ranks: Ranks, threads: Int), _ name: String, in workspace: Workspace, _ more: [String] = []
    ) throws {
      try Program.run(
        place.ranks, ["train", "run.yaml", "--run-directory", name] + more, in: workspace,
        environment: ["OPENBLAS_NUM_THREADS": "\(place.threads)"]
      ).expectSuccess()
    }

    @Test(arguments: Variant.all)
    func `Has the same bytes on any number of ranks and threads, also resumed on others`(variant: Variant) throws {
      let workspace = Workspace()
      try variant.write(to: workspace)
      try train((.plain, 1), "reference", in: workspace)
      let model = try workspace.bytes("reference/model.safetensors")
      let losses = try workspace.steps("reference").map(\.loss)
      // The losses change, so the comparison is not of constants.
      #expect(Set(losses).count == 20)
      // Each variant runs in at least two places, and the next variant in two others.
      let first = Variant.all.firstIndex { $0.testDescription == variant.testDescription }!
      for number in Thoroughness.isFull ? Array(Self.places.indices) : [2 * first, 2 * first + 1] {
        let (place, name) = (Self.places[number % Self.places.count], "run-\(number)")
        try train(place, name, in: workspace)
        #expect(try workspace.bytes("\(name)/model.safetensors") == model, "\(place)")
        #expect(try workspace.steps(name).map(\.loss) == losses, "\(place)")
        // A run resumes from a checkpoint in another place.
        let next = Self.places[(number + 3) % Self.places.count]
        try train(next, name, in: workspace, ["--resume", "\(name)/checkpoints/step-00000009.safetensors"])
        #expect(try workspace.bytes("\(name)/model.safetensors") == model, "from \(place) to \(next)")
      }
    }

    @Test(arguments: [1, 2, 3])
    func `Goes on with the same bytes on another number of ranks after a kill`(ranks: Int) throws {
      let workspace = Workspace()
      try Examples(4000, features: 64, classes: 20).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}, normalize: standardize}
        model: {layers: [{linear: 50}, tanh]}
        optimizer: {batch_size: 701}
        training: {steps: 60, evaluate_every: 0, reproducible: true}
        checkpoint: {every: 7}
        """)
      try train((.plain, 2), "whole", in: workspace)
      let child = try Child(
        Program.command(.mpirun(ranks), ["train", "run.yaml", "--run-directory", "run"]), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > 20 })
      let programs = child.programs
      try #require(!programs.isEmpty, "the run has ended by itself")
      kill(programs.randomElement()!, SIGKILL)
      _ = try child.wait()
      #expect(!workspace.exists("run/model.safetensors"))
      try train((.mpirun(4 - ranks), 2), "run", in: workspace, ["--resume"])
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      try workspace.expectEveryStepOnce("run", 60)
    }

    @Test func `Chooses solvers and sums by rule`() throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml", "optimizer: {batch_size: 101}\ntraining: {steps: 2, reproducible: true}\n")
      let outcome = try Program.run(.mpirun(2), ["train", "run.yaml"], in: workspace)
      outcome.expectSuccess()
      #expect(outcome.output.contains("solver:    gram (the rule where a run is reproducible)"))
      #expect(!outcome.output.contains("measured"))
    }

    @Test func `Goes on only as the same run`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 4, reproducible: true}\ncheckpoint: {every: 2}\n")
      let arguments = ["train", "run.yaml", "--run-directory", "run"]
      try Program.run(arguments, in: workspace).expectSuccess()
      let resume = arguments + ["--resume", "run/checkpoints/step-00000002.safetensors"]
      for (setting, words) in [
        ("training.reproducible=false", ["training.reproducible", "saved with true"]),
        ("training.virtual_shards=8", ["training.virtual_shards", "8", "saved with 12"]),
        ("optimizer.allreduce=bucketed", ["optimizer.allreduce", "bucketed", "training.reproducible"]),
        ("optimizer.allreduce=measured", ["optimizer.allreduce", "measured", "training.reproducible"]),
        ("optimizer.solver.kind=measured", ["optimizer.solver.kind", "measured", "training.reproducible"]),
        ("training.virtual_shards=0", ["training.virtual_shards", "0"]),
      ] {
        let outcome = try Program.run(resume + ["--set", setting], in: workspace)
        #expect(outcome.code == 64, "\(setting)")
        #expect(outcome.errors.count == 1 && words.allSatisfy { outcome.errors[0].contains($0) }, "\(outcome.errors)")
      }
    }

    @Test func `Says where other kernels go on`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 4, reproducible: true}\ncheckpoint: {every: 2}\n")
      let arguments = ["train", "run.yaml", "--run-directory", "run"]
      // All x86-64 processors can compute with these kernels.
      let nehalem = ["OPENBLAS_CORETYPE": "Nehalem"]
      let first = try Program.run(arguments, in: workspace, environment: nehalem)
      first.expectSuccess()
      #if arch(x86_64)
        let resume = arguments + ["--resume", "run/checkpoints/step-00000002.safetensors"]
        let same = try Program.run(resume, in: workspace, environment: nehalem)
        same.expectSuccess()
        #expect(!same.output.contains("note: the checkpoint is from"))
        let other = try Program.run(resume, in: workspace, environment: ["OPENBLAS_CORETYPE": "Sandybridge"])
        other.expectSuccess()
        #expect(other.output.contains("note: the checkpoint is from Nehalem kernels, and these are Sandybridge"))
      #endif
    }
  }
}
