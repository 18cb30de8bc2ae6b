import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A run with averaged weights")
  struct AverageRunTests {
    /// Noisy steps, every one of which is kept.
    static let configuration = """
      optimizer: {method: adam, batch_size: 37, learning_rate: 0.2}
      training: {steps: 40, average: {kind: tail, from: 0.3}, evaluate_every_steps: 7}
      checkpoint: {every: 1, keep: 99}
      logging: {tensorboard: false}

      """
    static let validation = configuration + "data: {validation: {fraction: 0.2}}\n"
    static let ema = "training.average={kind: ema, decay: 0.9}"

    private func prepare(_ configuration: String = Self.configuration) throws -> Workspace {
      let workspace = Workspace()
      try workspace.write("run.yaml", configuration)
      return workspace
    }

    @discardableResult
    private func train(
      _ workspace: Workspace, _ run: String, _ settings: [String] = [], ranks: Ranks = .plain, threads: Int = 1,
      resume: [String] = []
    ) throws -> Outcome {
      let outcome = try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", run] + resume + settings.flatMap { ["--set", $0] },
        in: workspace, environment: ["OPENBLAS_NUM_THREADS": "\(threads)"])
      outcome.expectSuccess()
      return outcome
    }

    private func file(_ workspace: Workspace, _ path: String) throws -> TensorFile {
      try Safetensors.load(path: workspace.path(path), requireChecksum: true)
    }

    private func checkpoint(_ run: String, _ step: Int) -> String {
      "\(run)/checkpoints/step-000000\(step < 10 ? "0" : "")\(step).safetensors"
    }

    /// The numbers of the tensors with this prefix, in their order.
    private func numbers(_ file: TensorFile, _ prefix: String) throws -> [Double] {
      try file.tensors.filter { $0.name.hasPrefix(prefix) }
        .flatMap { try file.vector(named: $0.name, as: Double.self).array }
    }

    private func evaluations(_ workspace: Workspace, _ run: String) throws -> [MetricsLine] {
      try workspace.metrics(run).filter { $0.event == "evaluation" }
    }

    @Test(arguments: [[], [Self.ema]], ["float32", "float64"])
    func `Has the average of the models of the same run without one`(settings: [String], precision: String) throws {
      let workspace = try prepare()
      let more = ["training.precision=\(precision)"]
      let outcome = try train(workspace, "run", settings + more)
      try train(workspace, "plain", ["training.average=none", "optimizer.schedule=constant"] + more)
      let first = settings.isEmpty ? 13 : 1
      let (keep, unit) = (settings.isEmpty ? 1 : 0.9, precision == "float32" ? 0x1p-23 : 0x1p-51)
      var (sums, total): ([Double], Double) = ([], 0)
      for step in 1...40 {
        let (own, plain) = (
          try file(workspace, checkpoint("run", step)), try file(workspace, checkpoint("plain", step))
        )
        let parameters = try numbers(plain, "model.")
        guard step >= first else {
          #expect(try numbers(own, "model.") == parameters && !own.contains("average"))
          continue
        }
        // The steps do not know of the average.
        #expect(
          try numbers(own, "run.model.") == parameters && numbers(own, "optimizer.") == numbers(plain, "optimizer."))
        total = keep * total + 1
        sums = zip(sums.isEmpty ? parameters.map { _ in 0 } : sums, parameters).map { keep * $0 + $1 }
        let average = try numbers(own, "average")
        for (mean, value) in zip(sums.map({ $0 / total }), average) {
          #expect(abs(mean - value) <= 1e-13 * max(1, abs(mean)))
        }
        for (mean, value) in zip(average, try numbers(own, "model.")) { #expect(abs(mean - value) <= unit * abs(mean)) }
      }
      // The model at the end, and what is said of it.
      let model = try file(workspace, "run/model.safetensors")
      #expect(try numbers(model, "model.") == numbers(try file(workspace, checkpoint("run", 40)), "model."))
      let text = (settings.isEmpty ? "average" : "exponential average") + " of steps \(first) to 40"
      #expect(outcome.output.contains("\nmodel:     \(text)"), "\(outcome.output)")
      for (path, words) in [
        ("run/model.safetensors", "the model is the \(text)"),
        (checkpoint("run", 20), "of steps \(first) to 20"),
        (checkpoint("run", 20), "whose own parameters are run.model."),
      ] {
        let inspected = try Program.run(["inspect", path], in: workspace)
        #expect(inspected.output.contains(words), "\(inspected.output)")
      }
    }

    @Test func `Evaluations are of the average once there is one, and so is a checkpoint as a model`() throws {
      let workspace = try prepare()
      try train(workspace, "run")
      let all = try evaluations(workspace, "run")
      #expect(all.map(\.step) == [7, 14, 21, 28, 35, 39, 40, 40])
      #expect(all.map(\.averagedSteps) == [nil, 2, 9, 16, 23, 27, 28, 28])
      for step in [7, 28] {
        let outcome = try Program.run(["evaluate", checkpoint("run", step), "--json"], in: workspace)
        outcome.expectSuccess()
        struct Scores: Decodable { let loss: Double }
        let scores = try JSONDecoder().decode(Scores.self, from: Data(outcome.output.utf8))
        // Its blocks of rows are others than those within the run.
        let loss = try #require(all.first { $0.step == step }?.loss)
        #expect(abs(loss / scores.loss - 1) < 1e-6)
      }
      let exported = try Program.run(
        ["export", checkpoint("run", 28), "--out", "x.safetensors"], in: workspace)
      exported.expectSuccess()
      let (model, out) = (try file(workspace, checkpoint("run", 28)), try file(workspace, "x.safetensors"))
      #expect(try numbers(out, "0.") == numbers(model, "model.") && out.tensors.count == 2)
    }

    @Test(arguments: [[], [Self.ema]])
    func `Is the same on any number of ranks`(settings: [String]) throws {
      let workspace = try prepare(Self.validation)
      let precision = ["training.precision=float64"]
      try train(workspace, "plain", settings + precision)
      let one = try evaluations(workspace, "plain")
      let reference = try numbers(file(workspace, "plain/model.safetensors"), "model.")
      let size = reference.map { abs($0) }.max()!
      for count in 1...4 {
        try train(workspace, "\(count)", settings + precision, ranks: .mpirun(count))
        let other = try evaluations(workspace, "\(count)")
        #expect(lossDifference(other, one) < 1e-9 && other.map(\.averagedSteps) == one.map(\.averagedSteps))
        let model = try numbers(file(workspace, "\(count)/model.safetensors"), "model.")
        let difference = zip(model, reference).map { abs($0 - $1) }.max()! / size
        #expect(difference < 1e-9, "\(count) ranks")
        Figures.note("rank invariance of averaged weights", difference)
      }
    }

    @Test(arguments: [[], [Self.ema]], [Ranks.plain, .mpirun(2)])
    func `Goes on from any checkpoint to the same bytes`(settings: [String], ranks: Ranks) throws {
      let workspace = try prepare(Self.validation)
      try train(workspace, "run", settings, ranks: ranks)
      let model = try workspace.bytes("run/model.safetensors")
      let end = try workspace.bytes(checkpoint("run", 40))
      for step in [5, 12, 13, 28, 39, 40] {
        let outcome = try train(
          workspace, "run", settings, ranks: ranks, resume: ["--resume", checkpoint("run", step)])
        #expect(try workspace.bytes("run/model.safetensors") == model, "from step \(step)")
        #expect(try workspace.bytes(checkpoint("run", 40)) == end, "from step \(step)")
        #expect(!outcome.output.contains("begins anew"))
      }
    }

    /// SIGKILL falls back to the last checkpoint, and SIGUSR1 saves one in between. What is reproducible goes on on other
    /// ranks.
    @Test(arguments: [(Ranks.mpirun(2), SIGKILL, nil), (.plain, SIGUSR1, nil), (.mpirun(2), SIGKILL, Ranks.mpirun(3))])
    func `Goes on after a signal to the same bytes`(ranks: Ranks, signal: Int32, next: Ranks?) throws {
      let workspace = try prepare(Self.validation + "model: {layers: [{linear: 40}, tanh]}\n")
      let settings = ["training.steps=300", "checkpoint.every=7", "training.reproducible=\(next != nil)"]
      try train(workspace, "whole", settings, ranks: ranks)
      try workspace.stopTraining("run", settings, ranks: ranks, signal: signal)
      try train(workspace, "run", settings, ranks: next ?? ranks, resume: ["--resume"])
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test(arguments: [[], [Self.ema]])
    func `Has the same bytes on any number of ranks and threads where it is reproducible`(settings: [String]) throws {
      let workspace = try prepare(Self.validation + "model: {layers: [{linear: 40}, tanh]}\n")
      let settings = settings + ["training.reproducible=true"]
      try train(workspace, "plain", settings)
      let model = try workspace.bytes("plain/model.safetensors")
      for (ranks, threads, next) in [(Ranks.mpirun(2), 2, Ranks.mpirun(3)), (.mpirun(3), 1, .plain)] {
        let name = "\(ranks)"
        try train(workspace, name, settings, ranks: ranks, threads: threads)
        #expect(try workspace.bytes("\(name)/model.safetensors") == model)
        for step in [9, 28] {
          try train(
            workspace, name, settings, ranks: next, threads: threads, resume: ["--resume", checkpoint(name, step)])
          #expect(try workspace.bytes("\(name)/model.safetensors") == model, "from step \(step) on \(next)")
        }
      }
    }

    @Test func `The best model may be an average, or be from before it`() throws {
      let workspace = try prepare(Self.validation)
      // A short average of noisy steps, so that the best one is not the last.
      let settings = ["training.average={kind: ema, decay: 0.5}", "training.steps=60", "optimizer.learning_rate=0.5"]
      let outcome = try train(workspace, "run", settings)
      let validation = try evaluations(workspace, "run").filter { $0.split == "validation" }
      let best = try #require(validation.min { ($0.loss!, $0.step) < ($1.loss!, $1.step) })
      try #require((1..<60).contains(best.step))
      #expect(best.averagedSteps == best.step)
      #expect(outcome.output.contains("best:      step \(best.step), ") && outcome.output.contains(", decay 0.5\n"))
      #expect(outcome.output.contains("model:     exponential average of steps 1 to \(best.step), decay 0.5\n"))
      let (model, own) = (
        try file(workspace, "run/model.safetensors"), try file(workspace, checkpoint("run", best.step))
      )
      #expect(try numbers(model, "model.") == numbers(own, "model."))
      let end = try evaluations(workspace, "run").suffix(2)
      #expect(end.allSatisfy { $0.modelStep == best.step && $0.averagedSteps == best.step })

      // Here no step improves on the start, which is no average.
      let start = ["model.initialization=run/model.safetensors", "optimizer.learning_rate=9"]
      let kept = try train(workspace, "kept", start)
      #expect(kept.output.contains("best:      step 0, ") && !kept.output.contains("model:     average"))
      #expect(
        try numbers(file(workspace, "kept/model.safetensors"), "model.") == numbers(model, "model."))
      #expect(try evaluations(workspace, "kept").suffix(2).allSatisfy { $0.averagedSteps == nil })
    }

    @Test func `More steps go on with the same average, and another kind begins one`() throws {
      let workspace = try prepare()
      try train(workspace, "run")
      let more = try train(workspace, "run", ["training.steps=50"], resume: ["--resume"])
      #expect(more.output.contains("model:     average of steps 13 to 50\n"))
      let other = try train(workspace, "run", [Self.ema, "training.steps=55"], resume: ["--resume"])
      let reason = "note: the average begins anew with step 51, for training.average.kind is ema and was tail"
      #expect(other.output.contains(reason))
      #expect(other.output.contains("model:     exponential average of steps 51 to 55, decay 0.9\n"))
      let none = try train(
        workspace, "run", ["training.average=none", "training.steps=60", "optimizer.schedule=constant"],
        resume: ["--resume"])
      #expect(none.output.contains("note: goes on without the exponential average of steps 51 to 55"))
      let (model, last) = (try file(workspace, "run/model.safetensors"), try file(workspace, checkpoint("run", 60)))
      #expect(try numbers(model, "model.") == numbers(last, "model.") && !last.contains("average"))
      // The steps of all that are those of a run without averages.
      try train(
        workspace, "plain", ["training.average=none", "training.steps=60", "optimizer.schedule=constant"])
      #expect(try numbers(file(workspace, "plain/model.safetensors"), "model.") == numbers(model, "model."))
    }

    @Test func `A setting that the kind does not read is named`() throws {
      let workspace = try prepare()
      let outcome = try train(workspace, "run", ["training.average={kind: ema, from: 0.1}", "training.steps=3"])
      #expect(outcome.output.contains("an average of kind ema does not read training.average.from\n"))
      let tail = try train(workspace, "tail", ["training.average.decay=0.5", "training.steps=3"])
      #expect(tail.output.contains("an average of kind tail does not read training.average.decay\n"))
    }
  }
}
