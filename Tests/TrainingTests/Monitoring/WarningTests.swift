import Datasets
import Testing

@testable import GaussNewton
@testable import Training

@Suite struct WarningTests {
  private var damping: Damping.Options {
    var options = Damping.Options()
    options.maximum = 100
    return options
  }

  private func summary(
    _ termination: SolverSummary.Termination, _ method: SolverSummary.Method = .cg
  ) -> SolverSummary {
    var summary = SolverSummary(iterations: 50, residual: 0.5, termination: termination)
    summary.method = method
    return summary
  }

  @Test func `Damping at its maximum for many steps`() {
    #expect(Warning.damping(atMaximumFor: 49, damping) == nil)
    let warning = Warning.damping(atMaximumFor: 50, damping)
    for word in ["optimizer.damping.maximum (100)", "50 steps", "optimizer.learning_rate"] {
      #expect(warning?.text.contains(word) == true)
    }
    var options = damping
    options.interval = 40
    #expect(Warning.damping(atMaximumFor: 119, options) == nil && Warning.damping(atMaximumFor: 120, options) != nil)
    options.policy = .constant
    #expect(Warning.damping(atMaximumFor: 1000, options) == nil)
    options = damping
    options.minimum = 100
    #expect(Warning.damping(atMaximumFor: 1000, options) == nil, "nothing else is allowed")
  }

  @Test func `Solves at their limit for most of the last steps`() {
    let options = SolverOptions()
    #expect(Warning.iterations(limited: 49, of: 49, options) == nil)
    #expect(Warning.iterations(limited: 50, of: 100, options) == nil)
    let warning = Warning.iterations(limited: 51, of: 100, options)
    for word in ["51 of the last 100", "optimizer.solver.max_iterations (50)", "raise the limit"] {
      #expect(warning?.text.contains(word) == true)
    }
  }

  @Test func `Ranks that wait for one`() {
    let warning = Warning.waiting(RankTimes.sample([(4, 8), (10, 2), (4, 8)], steps: 700))
    for word in ["rank 1 on node1", "50 %", "1.67 times", "700 steps"] {
      #expect(warning?.text.contains(word) == true, "\(warning?.text ?? "none")")
    }
    #expect(Warning.waiting(RankTimes.sample([(0.4, 0.8), (1, 0.2), (0.4, 0.8)])) == nil, "too short to tell")
    #expect(Warning.waiting(RankTimes.sample([(4, 8), (4.1, 7.9)])) == nil, "nobody is slower")
    #expect(Warning.waiting(RankTimes.sample([(10, 4), (14, 0)])) == nil, "little is lost")
    #expect(Warning.waiting(RankTimes.sample([(20, 30)])) == nil, "alone")
  }

  @Test func `Threads that share CP us`() {
    func warning(_ masks: [[Int]], _ threads: [Int]) -> String? {
      let quiet = RankPlacement.host("quiet", masks: [[0]], threads: [1])
      return Warning.processors([quiet, RankPlacement.host("n", masks: masks, threads: threads)])?.text
    }
    #expect(warning([[0, 1], [0, 1]], [1, 1]) == nil)
    #expect(warning([[0], [1]], [1, 1]) == nil)
    #expect(warning([[0, 1]], [2]) == nil)
    #expect(warning([[0, 1]], [8])?.contains("n runs 8 threads of one process on the 2 CPUs that it may use") == true)
    #expect(warning([[0], [1]], [8, 1])?.contains("set OPENBLAS_NUM_THREADS to 1 or less") == true)
    #expect(
      warning([[0, 1], [0, 1], [0, 1]], [1, 1, 1])?.contains("n runs 3 threads of 3 ranks on 2 CPUs") == true)
    #expect(warning([[0, 1], [0, 1]], [2, 2])?.contains("4 threads of 2 ranks on 2 CPUs") == true)
    // Two ranks are bound to one CPU although others are free.
    #expect(warning([[0], [0], [1, 2, 3]], [1, 1, 1])?.contains("2 threads of 2 ranks on 1 CPU,") == true)
    // The system does not give any masks.
    #expect(warning([[], []], [1, 1]) == nil)
  }

  @Test func `Steps that are not taken are told at the end, with advice that fits`() {
    func text(
      _ accepted: [Bool], λ: Double = 1, gradient: Double = 1, full: Bool = false, scales: FeatureScales? = nil,
      _ precision: Configuration.TrainingOptions.Precision = .float32
    ) -> String? {
      var watch = RunWatch(damping, SolverOptions(), hasFullBatches: full, scales: scales, precision: precision)
      for accepted in accepted {
        var report = StepReport(loss: 2, gradientNorm: gradient, damping: λ)
        report.stepNorm = 0.1
        report.accepted = accepted
        watch.count(report)
      }
      return watch.rejection?.text
    }
    func run(_ taken: Int, _ rejected: Int) -> [Bool] {
      [Bool](repeating: true, count: taken) + [Bool](repeating: false, count: rejected)
    }
    #expect(text(run(20, 0)) == nil && text([]) == nil && text(run(0, 20) + [true]) == nil)
    #expect(text(run(1, 3)) == nil && text(run(13, 4)) == nil)
    #expect(text(run(0, 1))?.hasPrefix("none of the 1 steps was taken") == true)
    #expect(text(run(0, 200))?.contains("none of the 200 steps") == true)
    #expect(text(run(12, 4))?.hasPrefix("the last 4 of 16 steps were not taken") == true)
    #expect(text(run(0, 9))?.contains("raise optimizer.batch_size") == true)
    let full = text(run(0, 9), full: true)
    #expect(full?.contains("batch_size") == false && full?.contains("optimizer.learning_rate") == true)
    #expect(text(run(0, 9), λ: 100, full: true)?.contains("optimizer.damping.maximum (100)") == true)
    #expect(text(run(9, 9), gradient: 1e-7)?.contains("training.precision to float64") == true)
    #expect(text(run(9, 9), gradient: 1e-7, .float64)?.contains("raise optimizer.batch_size") == true)
    #expect(text(run(9, 9), gradient: 1e-16, .float64)?.contains("where float64 goes") == true)
    let apart = text(run(0, 9), λ: 100, full: true, scales: .apart(column: 3, magnitude: 1e5, typical: 2))
    #expect(apart?.contains("feature 3 goes to 1e+05") == true && apart?.contains("data.normalize to auto") == true)
  }

  @Test func `Advice on damping at its maximum asks for no larger batch where all are full`() {
    #expect(Warning.damping(atMaximumFor: 50, damping)?.text.contains("raise optimizer.batch_size") == true)
    #expect(Warning.damping(atMaximumFor: 50, damping, hasFullBatches: true)?.text.contains("batch_size") == false)
  }

  @Test func `A warning comes once an epoch`() {
    var watch = RunWatch(damping, SolverOptions())
    var steps: [Int] = []
    for step in 1...300 {
      let warnings = watch.observe(damping: 100, summary(.converged), epoch: step / 100)
      #expect(warnings.allSatisfy { $0.kind == .damping })
      if !warnings.isEmpty { steps.append(step) }
    }
    #expect(steps == [50, 100, 200, 300])
  }

  @Test func `Damping that falls starts the count anew`() {
    var watch = RunWatch(damping, SolverOptions())
    for step in 1...200 {
      #expect(watch.observe(damping: step % 40 == 0 ? 50 : 100, nil, epoch: 0).isEmpty)
    }
  }

  @Test func `Only the last solves count and only those of conjugate gradient`() {
    var watch = RunWatch(damping, SolverOptions())
    for _ in 1...500 { #expect(watch.observe(damping: 1, summary(.converged), epoch: 0).isEmpty) }
    for _ in 1...500 { #expect(watch.observe(damping: 1, summary(.iterationLimit, .cholesky), epoch: 0).isEmpty) }
    let first = (1...100).first { _ in !watch.observe(damping: 1, summary(.iterationLimit), epoch: 0).isEmpty }
    #expect(first == 51)
  }

  @Test func `Short times are judged together`() {
    var watch = RunWatch(damping, SolverOptions())
    let slow = RankTimes.sample([(1, 2), (3, 0)], steps: 100)
    #expect((1...3).allSatisfy { _ in watch.observe(slow, epoch: 0).isEmpty })
    let warnings = watch.observe(slow, epoch: 0)
    #expect(warnings.count == 1 && warnings[0].text.contains("the last 400 steps"))
    #expect((1...20).allSatisfy { _ in watch.observe(slow, epoch: 0).isEmpty }, "once an epoch")
    #expect((1...4).contains { _ in !watch.observe(slow, epoch: 1).isEmpty })
  }

  @Test func `Places read well`() {
    func host(_ name: String, _ ranks: Int) -> RankPlacement.Host {
      RankPlacement.host(name, masks: Array(repeating: [0], count: ranks), threads: Array(repeating: 1, count: ranks))
    }
    #expect(RankPlacement(hosts: [host("a", 1)]).description == "1 process on a")
    #expect(RankPlacement(hosts: [host("a", 4)]).description == "4 on a")
    #expect(RankPlacement(hosts: [host("a", 4), host("b", 2)]).description == "6 on 2 hosts: a (4), b (2)")
    let many = RankPlacement(hosts: (0..<20).map { host("n\($0)", 2) }).description
    #expect(many.hasPrefix("40 on 20 hosts: n0 (2), n1 (2)") && many.hasSuffix("n7 (2) and 12 more"))
  }

  @Test func `Binding that leaves CP us free is noted`() {
    func note(ranks: Int, bound: Int, launcher: Int) -> String? {
      var host = RankPlacement.host(
        "n", masks: Array(repeating: [0], count: ranks), threads: Array(repeating: 1, count: ranks))
      (host.boundCPUs, host.launcherCPUs) = (bound, launcher)
      return RankPlacement(hosts: [host]).noteOnBinding
    }
    #expect(
      note(ranks: 1, bound: 1, launcher: 16)
        == "mpirun has bound its rank on n to 1 of 16 CPUs, and the others are free: start with mpirun --bind-to none or "
        + "--map-by slot:PE=16 for 16 threads a rank")
    #expect(note(ranks: 2, bound: 2, launcher: 16)?.contains("its 2 ranks on n to 2 of 16 CPUs") == true)
    #expect(note(ranks: 2, bound: 2, launcher: 16)?.contains("slot:PE=8") == true)
    #expect(note(ranks: 2, bound: 2, launcher: 3) == nil, "not one for each")
    #expect(note(ranks: 2, bound: 2, launcher: 2) == nil)
    #expect(note(ranks: 1, bound: 0, launcher: 0) == nil)
  }

  @Test func `Time left reads well however long`() {
    let cases: [(Double, String)] = [
      (0, "0 s"), (-3, "0 s"), (42.4, "42 s"), (59.6, "1 min 0 s"), (754, "12 min 34 s"), (3599.6, "1 h 0 min"),
      (5 * 3600 + 12 * 60, "5 h 12 min"), (86400 * 3 + 4 * 3600 + 59, "3 d 4 h"), (1e12, "more than 30 years"),
    ]
    for (seconds, text) in cases { #expect(Duration.seconds(seconds).readable == text) }
  }
}
