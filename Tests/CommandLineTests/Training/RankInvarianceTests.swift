import Foundation
import Testing

extension RunTests {
  @Suite("A run on any number of ranks")
  struct RankInvarianceTests {
    struct Variant: Sendable, CustomTestStringConvertible {
      let stepLength, policy: String
      let weightDecay: Double

      var testDescription: String { "\(stepLength), \(policy), weight decay \(weightDecay)" }

      static let all = ["unit", "ggn", "line-search"].flatMap { stepLength in
        ["constant", "levenberg-marquardt"].flatMap { policy in
          [0, 1e-3].map { Variant(stepLength: stepLength, policy: policy, weightDecay: $0) }
        }
      }
    }

    // 101 rows are not divisible by 2, 3 or 4, and an epoch of 1437 rows ends with a batch of 23. The damping stays at
    // 0.01 or above: below it, iterations that stop early double their rounding errors as they lose orthogonality.
    @Test(arguments: Variant.all)
    func `Has the same losses, with at most four collectives a step beyond the solver's`(variant: Variant) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer:
          batch_size: 101
          solver: {kind: cg}
          step_length: \(variant.stepLength)
          weight_decay: \(variant.weightDecay)
          damping: {policy: \(variant.policy), minimum: 0.01, interval: 1}
        training: {steps: 20, precision: float64}
        """)
      func run(_ ranks: Ranks, _ name: String) throws -> [MetricsLine] {
        try Program.run(ranks, ["train", "run.yaml", "--run-directory", name], in: workspace).expectSuccess()
        let steps = try workspace.steps(name)
        for step in steps {
          let (allreduces, iterations) = (try #require(step.allreduces), try #require(step.solverIterations))
          #expect(allreduces <= iterations + 4, "\(ranks), step \(step.step)")
          #expect(iterations > 0)
        }
        let needsTrial = variant.policy != "constant" || variant.stepLength == "line-search"
        #expect(steps.contains { $0.reductionRatio != nil } == needsTrial)
        return steps
      }

      let plain = try run(.plain, "plain")
      try workspace.expectEveryStepOnce("plain", 20)
      let number = Variant.all.firstIndex { $0.testDescription == variant.testDescription }!
      if Thoroughness.isFull || number % 4 == 0 {
        #expect(try run(.mpirun(1), "ranks-1").map(\.loss) == plain.map(\.loss))
        #expect(try workspace.bytes("ranks-1/model.safetensors") == workspace.bytes("plain/model.safetensors"))
      }
      for count in Thoroughness.isFull ? Array(2...4) : [2 + number % 3] {
        let steps = try run(.mpirun(count), "ranks-\(count)")
        let difference = lossDifference(steps, plain)
        #expect(difference < 1e-9, "\(count) ranks")
        Figures.note("rank invariance", difference)
        #expect(steps.allSatisfy { $0.allreduces! > 0 })
      }
    }

    @Test(arguments: [
      "method: ggn, damping: {policy: levenberg-marquardt}", "method: sgd, nesterov: true, weight_decay: 1e-3",
      "method: adam", "method: fgn, solver: {kind: gram}, damping: {policy: levenberg-marquardt, minimum: 0.01}",
      "method: fgn, solver: {kind: gram-cg, tolerance: 1e-6}, damping: {initial: 0.3, minimum: 0.3}, weight_decay: 1e-3",
      "method: fgn, solver: {kind: gram}, metric: {kind: kronecker, interval: 3}, nesterov: true, momentum: 0.5",
      "method: fgn, solver: {kind: gram}, damping: {policy: sweep, interval: 1}, momentum: 0.5, weight_decay: 1e-3",
    ])
    func `Has the same losses with every other method`(settings: String) throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml", "optimizer: {batch_size: 101, \(settings)}\ntraining: {steps: 20, precision: float64}\n")
      for (ranks, name) in [(Ranks.plain, "plain"), (.mpirun(1), "one"), (.mpirun(3), "three")] {
        try Program.run(ranks, ["train", "run.yaml", "--run-directory", name], in: workspace).expectSuccess()
      }
      let (plain, three) = (try workspace.steps("plain"), try workspace.steps("three"))
      #expect(try workspace.bytes("one/model.safetensors") == workspace.bytes("plain/model.safetensors"))
      let difference = lossDifference(three, plain)
      #expect(difference < 1e-9)
      Figures.note("rank invariance, \(settings)", difference)
      #expect(try #require(plain.last?.loss) < 0.999 * #require(plain.first?.loss))
      for step in plain + three {
        if settings.contains("sweep") {
          // At most seventeen λ in the first sweep, with a product each.
          #expect(try #require(step.allreduces) <= 20)
        } else if settings.contains("gn") {
          #expect(try #require(step.allreduces) <= #require(step.solverIterations) + 4)
        } else {
          // A gradient method has no solver and no damping, and reports so.
          #expect(step.allreduces == 1 && step.solverIterations == nil && step.reductionRatio == nil)
        }
      }
      let text = String(decoding: try workspace.bytes("plain/metrics.jsonl"), as: UTF8.self)
      for key in ["damping", "solver", "solver_iterations", "residual", "termination"] {
        #expect(text.contains("\"\(key)\":null") == !settings.contains("gn"), "\(key)")
      }
    }

    @Test(
      arguments: ["fgn, solver: {kind: cg}", "fgn, solver: {kind: gram}, metric: {kind: kronecker}", "ggn", "adam"],
      ["single", "bucketed"])
    func `Has the same losses with a convolutional network, however its sums travel`(method: String, allreduce: String)
      throws
    {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        model:
          layers:
            - convolution: {channels: 8, kernel: 3, padding: 1}
            - tanh
            - max_pool: 2
            - residual: [{convolution: {channels: 8, kernel: 3, padding: 1}}, gelu]
            - flatten
            - linear: 150
            - layer_norm
            - silu
            - linear: 120
            - relu
        optimizer: {method: \(method), batch_size: 101, allreduce: \(allreduce), damping: {initial: 1}}
        training: {steps: 12, precision: float64}
        """)
      func run(_ ranks: Ranks, _ name: String, _ more: [String] = []) throws -> [MetricsLine] {
        try Program.run(ranks, ["train", "run.yaml", "--run-directory", name] + more, in: workspace).expectSuccess()
        return try workspace.steps(name)
      }
      let plain = try run(.plain, "plain")
      #expect(try #require(plain.last?.loss) < 0.9 * #require(plain.first?.loss))
      for count in Thoroughness.isFull ? Array(1...4) : [2, 3] {
        let difference = lossDifference(try run(.mpirun(count), "ranks-\(count)"), plain)
        #expect(difference < 1e-9, "\(count) ranks")
        Figures.note("rank invariance, convolutions, \(method), \(allreduce)", difference)
      }
      // Buckets count one by one: this network has three.
      let collectives = try #require(try workspace.steps("ranks-2").first?.allreduces)
      #expect(collectives == (allreduce == "single" ? plain[0].allreduces! : collectives) && collectives > 0)
      if method == "adam" { #expect(collectives == (allreduce == "single" ? 1 : 3)) }

      guard Thoroughness.isFull || allreduce == "bucketed" else { return }
      _ = try run(.mpirun(3), "parts", ["--set", "training.steps=7", "--set", "optimizer.schedule.kind=constant"])
      _ = try run(.mpirun(3), "whole", ["--set", "optimizer.schedule.kind=constant"])
      _ = try run(.mpirun(3), "parts", ["--set", "optimizer.schedule.kind=constant", "--resume"])
      #expect(try workspace.bytes("parts/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Has the same losses at small damping if the solver converges`() throws {
      let workspace = Workspace()
      try workspace.write(
        "run.yaml",
        """
        optimizer:
          batch_size: 101
          damping: {policy: levenberg-marquardt, minimum: 1e-3, interval: 1}
          solver: {kind: cg, tolerance: 1e-11, max_iterations: 1000}
        training: {steps: 20, precision: float64}
        """)
      for (ranks, name) in [(Ranks.plain, "one"), (.mpirun(3), "three")] {
        try Program.run(ranks, ["train", "run.yaml", "--run-directory", name], in: workspace).expectSuccess()
      }
      let difference = lossDifference(try workspace.steps("three"), try workspace.steps("one"))
      #expect(difference < 1e-9)
      Figures.note("small damping, converged solves", difference)
      // The true residual replaces the recurrence at intervals, which must not cost more collectives.
      #expect(try workspace.steps("three").contains { $0.solverIterations! > 50 })
      #expect(try workspace.steps("three").allSatisfy { $0.allreduces! <= $0.solverIterations! + 4 })
    }

    @Test func `May have ranks without rows`() throws {
      let workspace = Workspace()
      try Examples(3, features: 5, classes: 3).write(to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train-features.npy, labels: train-labels.npy}, normalize: standardize}
        optimizer: {batch_size: full, solver: {kind: cg}}
        training: {steps: 12, precision: float64}
        """)
      for (ranks, name) in [(Ranks.plain, "one"), (.mpirun(4), "four")] {
        try Program.run(ranks, ["train", "run.yaml", "--run-directory", name], in: workspace).expectSuccess()
      }
      let difference = lossDifference(try workspace.steps("four"), try workspace.steps("one"))
      #expect(difference < 1e-9)
      Figures.note("more ranks than rows", difference)
    }
  }
}

/// Figures of interest to a person, printed when FGN_TEST_FIGURES is set.
enum Figures {
  static func note(_ name: String, _ value: some Sendable) {
    if ProcessInfo.processInfo.environment["FGN_TEST_FIGURES"] != nil { print("figure: \(name): \(value)") }
  }
}
