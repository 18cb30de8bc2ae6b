import Datasets
import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A run with a validation set")
  struct ValidationRunTests {
    /// Noisy steps at a constant rate, so that the best model is not the last.
    static let configuration = """
      data: {validation: {fraction: 0.2}}
      optimizer: {method: adam, batch_size: 37, learning_rate: 0.2, schedule: {kind: constant}}
      training: {steps: 60, evaluate_every_steps: 3}
      checkpoint: {every: 5, keep: 20}
      logging: {tensorboard: false}

      """

    private func prepare(_ configuration: String = Self.configuration) throws -> Workspace {
      let workspace = Workspace()
      try workspace.write("run.yaml", configuration)
      return workspace
    }

    private func train(
      _ workspace: Workspace, _ run: String, _ settings: String..., ranks: Ranks = .plain, resume: [String] = []
    ) throws -> Outcome {
      let outcome = try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", run] + resume + settings.flatMap { ["--set", $0] },
        in: workspace)
      outcome.expectSuccess()
      return outcome
    }

    private func evaluations(_ workspace: Workspace, _ run: String, _ split: String) throws -> [MetricsLine] {
      try workspace.metrics(run).filter { $0.event == "evaluation" && $0.split == split }
    }

    private func parameters(_ workspace: Workspace, _ path: String) throws -> [[UInt8]] {
      try Safetensors.load(path: workspace.path(path), requireChecksum: true).tensors
        .filter { $0.name.hasPrefix("model.") }.map { Array($0.tensor.bytes) }
    }

    @Test func `Ends with the model of the best evaluation, as a run that stops there does`() throws {
      let workspace = try prepare()
      let outcome = try train(workspace, "run")
      let all = try evaluations(workspace, "run", "validation")
      // Before the first step, every three steps, at the end of the only whole epoch, and at the end of the run.
      #expect(all.map(\.step) == Set([0, 32, 60] + stride(from: 3, to: 60, by: 3)).sorted())
      let best = try #require(all.min { ($0.loss!, $0.step) < ($1.loss!, $1.step) })
      try #require((1..<60).contains(best.step))
      #expect(outcome.output.contains("287 validation examples"))
      let line = "step \(best.step), validation loss \(best.loss!.short); the run went on to step 60"
      #expect(outcome.output.contains("best:      \(line)"), "\(outcome.output)")
      let inspected = try Program.run(["inspect", "run/model.safetensors"], in: workspace)
      #expect(inspected.output.contains("best: \(line)"))

      // The last figures are of that model.
      let end = try #require(try evaluations(workspace, "run", "test").last)
      #expect(end.step == 60 && end.modelStep == best.step)
      let same = try evaluations(workspace, "run", "test").first { $0.step == best.step }
      #expect(end.loss == same?.loss && end.accuracy == same?.accuracy)
      let fit = try evaluations(workspace, "run", "train")
      #expect(fit.map(\.modelStep) == [best.step])

      _ = try train(workspace, "stopped", "training.steps=\(best.step)", "training.keep=last")
      #expect(
        try parameters(workspace, "run/model.safetensors") == parameters(workspace, "stopped/model.safetensors"))
      let last = try train(workspace, "last", "training.keep=last")
      #expect(last.output.contains("for training.keep is last"))
      #expect(
        try parameters(workspace, "last/model.safetensors")
          == parameters(workspace, "run/checkpoints/step-00000060.safetensors"))
    }

    @Test(arguments: [Ranks.plain, .mpirun(2)])
    func `Goes on from any checkpoint to the same choice, patience and bytes`(ranks: Ranks) throws {
      let workspace = try prepare()
      let settings = ["training.patience=4", "training.steps=400"]
      let whole = try train(workspace, "run", settings[0], settings[1], ranks: ranks)
      let end = try #require(try workspace.metrics("run").last)
      #expect(end.reason == "patience" && end.step < 400 && whole.output.contains("the run ends at step \(end.step)"))
      let (model, lines) = (try workspace.bytes("run/model.safetensors"), try summary(workspace, "run"))
      let checkpoints = workspace.checkpoints("run")
      #expect(checkpoints.last == "step-000000\(end.step).safetensors")
      for checkpoint in [checkpoints.first!, checkpoints[checkpoints.count / 2], checkpoints[checkpoints.count - 2]] {
        _ = try train(
          workspace, "run", settings[0], settings[1], ranks: ranks,
          resume: ["--resume", "run/checkpoints/" + checkpoint])
        #expect(try workspace.bytes("run/model.safetensors") == model, "\(checkpoint)")
        #expect(try summary(workspace, "run") == lines, "\(checkpoint)")
      }
      // No step is left to take, and more patience takes some.
      let done = try train(workspace, "run", settings[0], settings[1], ranks: ranks, resume: ["--resume"])
      #expect(done.output.contains("ended by training.patience after step \(end.step)"))
      #expect(try workspace.bytes("run/model.safetensors") == model)
      #expect(try workspace.steps("run").count == end.step)
      _ = try train(workspace, "run", "training.patience=5", settings[1], ranks: ranks, resume: ["--resume"])
      #expect(try workspace.steps("run").count > end.step)
    }

    /// The evaluations of a run, without times; one that a signal cut off is there once, though it was repeated.
    private func summary(_ workspace: Workspace, _ run: String) throws -> [String] {
      try workspace.metrics(run).filter { $0.event == "evaluation" }
        .map { "\($0.step) \($0.split!) \($0.loss!) \($0.accuracy!) \($0.balancedAccuracy!) \($0.modelStep ?? -1)" }
        .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// With a signal that saves a checkpoint, an evaluation is due at its step, whichever that is.
    @Test(arguments: [(Ranks.mpirun(2), SIGKILL, 3), (.plain, SIGUSR1, 1)])
    func `Goes on after a signal to the same bytes`(ranks: Ranks, signal: Int32, every: Int) throws {
      let workspace = try prepare(Self.configuration + "model: {layers: [{linear: 40}, tanh]}\n")
      let settings = ["training.steps=300", "training.patience=290", "training.evaluate_every_steps=\(every)"]
      _ = try train(workspace, "whole", settings[0], settings[1], settings[2], ranks: ranks)
      try workspace.stopTraining("run", settings, ranks: ranks, signal: signal)
      _ = try train(workspace, "run", settings[0], settings[1], settings[2], ranks: ranks, resume: ["--resume"])
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
      #expect(try summary(workspace, "run") == summary(workspace, "whole"))
    }

    @Test func `Chooses alike on any number of ranks`() throws {
      let workspace = try prepare()
      var steps: [Int?] = []
      for ranks in [Ranks.plain, .mpirun(2), .mpirun(3)] {
        _ = try train(workspace, "\(ranks)", "training.precision=float64", ranks: ranks)
        let (one, all) = (
          try evaluations(workspace, "\(Ranks.plain)", "validation"),
          try evaluations(workspace, "\(ranks)", "validation")
        )
        #expect(all.map(\.step) == one.map(\.step))
        #expect(lossDifference(all, one) < 1e-9, "\(ranks)")
        steps.append(try workspace.metrics("\(ranks)").last { $0.split == "train" }?.modelStep)
      }
      #expect(Set(steps).count == 1 && steps[0] != nil)
    }

    @Test func `Chooses to the bit on any number of ranks and threads where it is reproducible`() throws {
      let workspace = try prepare(Self.configuration + "model: {layers: [{linear: 40}, tanh]}\n")
      var models: [[UInt8]] = []
      var losses: [[Double?]] = []
      for (ranks, threads) in [(Ranks.plain, 1), (.mpirun(2), 2), (.mpirun(3), 1)] {
        try Program.run(
          ranks, ["train", "run.yaml", "--run-directory", "\(ranks)", "--set", "training.reproducible=true"],
          in: workspace, environment: ["OPENBLAS_NUM_THREADS": "\(threads)"]
        ).expectSuccess()
        models.append(try workspace.bytes("\(ranks)/model.safetensors"))
        losses.append(try evaluations(workspace, "\(ranks)", "validation").map(\.loss))
      }
      #expect(Set(losses).count == 1 && Set(models).count == 1)
    }

    @Test func `Files of sparse rows are held out like dense ones, on ranks that share them`() throws {
      let workspace = try prepare(
        Self.configuration.replacing(
          "data: {", with: "data: {train: {features: x.svm}, ignore_label: 2, normalize: unit-variance, "))
      let examples = Examples(200, features: 30, classes: 4)
      let lines = zip(examples.labels, examples.features).map { label, row in
        "\(label) " + row.indices.filter { row[$0] > 2 }.map { "\($0 + 1):\(row[$0])" }.joined(separator: " ") + "\n"
      }
      try workspace.write("x.svm", lines.joined())
      for storage in ["dense", "sparse"] {
        let outcome = try train(
          workspace, storage, "data.storage=\(storage)", "training.precision=float64", ranks: .mpirun(2))
        let ignored = examples.labels.count { $0 == 2 }
        #expect(outcome.output.contains("ignored:   \(ignored) examples with label 2\n"))
      }
      let (dense, sparse) = (
        try evaluations(workspace, "dense", "validation"), try evaluations(workspace, "sparse", "validation")
      )
      #expect(lossDifference(dense, sparse) < 1e-9 && dense.count > 15)
    }

    @Test func `A model that training does not improve is kept as it was given`() throws {
      let workspace = try prepare()
      _ = try train(workspace, "first")
      let settings = ["model.initialization=first/model.safetensors", "optimizer.learning_rate=9"]
      let outcome = try train(workspace, "second", settings[0], settings[1])
      #expect(outcome.output.contains("best:      step 0, validation loss"))
      #expect(
        try parameters(workspace, "second/model.safetensors") == parameters(workspace, "first/model.safetensors"))
    }

    @Test func `Rows that are held out do not reach the model, by statistics, weights or classes`() throws {
      let workspace = try prepare(
        """
        data:
          train: {features: train-features.npy, labels: train-labels.npy, weights: weights.npy}
          validation: {fraction: 0.3}
          normalize: standardize
          class_weights: balanced
        optimizer: {batch_size: 16}
        training: {steps: 20, keep: last}
        """)
      var examples = Examples(90, features: 5, classes: 3)
      try examples.write(to: workspace)
      var weights = (0..<90).map { 1 + Double($0 % 7) }
      try NPY.write(Matrix(Vector(weights), 90, 1), to: workspace.path("weights.npy"))
      _ = try train(workspace, "one")
      let rows = HeldOutRows(0.3, of: examples.labels.map { Int32($0) }, classCount: 3, seed: 0)
      #expect(rows.validation.count == 27)
      for row in rows.validation {
        examples.features[row] = examples.features[row].map { 1000 * $0 }
        weights[row] *= 1000
      }
      try examples.write(to: workspace)
      try NPY.write(Matrix(Vector(weights), 90, 1), to: workspace.path("weights.npy"))
      _ = try train(workspace, "two")
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("two/model.safetensors"))
      let losses = try ["one", "two"].map { try evaluations(workspace, $0, "validation").map(\.loss) }
      #expect(losses[0] != losses[1], "their scores are others")
    }

    @Test func `Files of their own are scored like those of a test set`() throws {
      let workspace = try prepare(
        """
        data:
          train: {features: train-features.npy, labels: train-labels.npy}
          validation: {features: other-features.npy, labels: other-labels.npy}
          test: {features: other-features.npy, labels: other-labels.npy}
        optimizer: {batch_size: 16}
        training: {epochs: 3, best_by: balanced_accuracy}
        checkpoint: {every: 4, keep: 9}
        """)
      try Examples(90, features: 5, classes: 3).write(to: workspace)
      try Examples(50, features: 5, classes: 3, seed: 4).write("other", to: workspace)
      _ = try train(workspace, "run")
      let (one, other) = (try evaluations(workspace, "run", "validation"), try evaluations(workspace, "run", "test"))
      #expect(one.map(\.step) == [0, 6, 12, 18] && other.map(\.step) == [6, 12, 18])
      #expect(one[1...2].map(\.loss) == other[0...1].map(\.loss))

      let checkpoint = ["--resume", "run/checkpoints/step-00000008.safetensors"]
      let changed = try train(workspace, "run", "training.best_by=accuracy", resume: checkpoint)
      #expect(changed.output.contains("sought anew from step 8 on, for training.best_by is accuracy"))
      #expect(try evaluations(workspace, "run", "validation").map(\.step) == [0, 6, 8, 12, 18])

      try Examples(50, features: 4, classes: 3).write("other", to: workspace)
      let refused = try Program.run(["train", "run.yaml", "--run-directory", "new"], in: workspace)
      refused.expectError(65, mentioning: ["other-features.npy", "4 features", "train-features.npy has 5"])
    }
  }
}
