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

  @Test func dampingAtItsMaximumForManySteps() {
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

  @Test func solvesAtTheirLimitForMostOfTheLastSteps() {
    let options = SolverOptions()
    #expect(Warning.iterations(limited: 49, of: 49, options) == nil)
    #expect(Warning.iterations(limited: 50, of: 100, options) == nil)
    let warning = Warning.iterations(limited: 51, of: 100, options)
    for word in ["51 of the last 100", "optimizer.solver.max_iterations (50)", "raise the limit"] {
      #expect(warning?.text.contains(word) == true)
    }
  }

  @Test func ranksThatWaitForOne() {
    let warning = Warning.waiting(RankTimesTests.times([(4, 8), (10, 2), (4, 8)], steps: 700))
    for word in ["rank 1 on node1", "50 %", "1.67 times", "700 steps"] {
      #expect(warning?.text.contains(word) == true, "\(warning?.text ?? "none")")
    }
    #expect(Warning.waiting(RankTimesTests.times([(0.4, 0.8), (1, 0.2), (0.4, 0.8)])) == nil, "too short to tell")
    #expect(Warning.waiting(RankTimesTests.times([(4, 8), (4.1, 7.9)])) == nil, "nobody is slower")
    #expect(Warning.waiting(RankTimesTests.times([(10, 4), (14, 0)])) == nil, "little is lost")
    #expect(Warning.waiting(RankTimesTests.times([(20, 30)])) == nil, "alone")
  }

  @Test func threadsThatShareCPUs() {
    func warning(_ masks: [[Int]], _ threads: [Int]) -> String? {
      let quiet = RankPlacement.host("quiet", masks: [[0]], threads: [1])
      return Warning.processors([quiet, RankPlacement.host("n", masks: masks, threads: threads)])?.text
    }
    #expect(warning([[0, 1], [0, 1]], [1, 1]) == nil)
    #expect(warning([[0], [1]], [1, 1]) == nil)
    #expect(warning([[0, 1]], [8]) == nil, "one rank's own choice")
    #expect(
      warning([[0, 1], [0, 1], [0, 1]], [1, 1, 1])?.contains("n runs 3 threads of 3 ranks on 2 CPUs") == true)
    #expect(warning([[0, 1], [0, 1]], [2, 2])?.contains("4 threads of 2 ranks on 2 CPUs") == true)
    // Two are bound to the same CPU though others are free.
    #expect(warning([[0], [0], [1, 2, 3]], [1, 1, 1])?.contains("2 threads of 2 ranks on 1 CPU,") == true)
    // No masks where the system does not tell.
    #expect(warning([[], []], [1, 1]) == nil)
  }

  @Test func aWarningComesOnceAnEpoch() {
    var watch = RunWatch(damping, SolverOptions())
    var steps: [Int] = []
    for step in 1...300 {
      let warnings = watch.observe(damping: 100, summary(.converged), epoch: step / 100)
      #expect(warnings.allSatisfy { $0.kind == .damping })
      if !warnings.isEmpty { steps.append(step) }
    }
    #expect(steps == [50, 100, 200, 300])
  }

  @Test func dampingThatFallsStartsTheCountAnew() {
    var watch = RunWatch(damping, SolverOptions())
    for step in 1...200 {
      #expect(watch.observe(damping: step % 40 == 0 ? 50 : 100, nil, epoch: 0).isEmpty)
    }
  }

  @Test func onlyTheLastSolvesCountAndOnlyThoseOfConjugateGradient() {
    var watch = RunWatch(damping, SolverOptions())
    for _ in 1...500 { #expect(watch.observe(damping: 1, summary(.converged), epoch: 0).isEmpty) }
    for _ in 1...500 { #expect(watch.observe(damping: 1, summary(.iterationLimit, .cholesky), epoch: 0).isEmpty) }
    let first = (1...100).first { _ in !watch.observe(damping: 1, summary(.iterationLimit), epoch: 0).isEmpty }
    #expect(first == 51)
  }

  @Test func shortTimesAreJudgedTogether() {
    var watch = RunWatch(damping, SolverOptions())
    let slow = RankTimesTests.times([(1, 2), (3, 0)], steps: 100)
    #expect((1...3).allSatisfy { _ in watch.observe(slow, epoch: 0).isEmpty })
    let warnings = watch.observe(slow, epoch: 0)
    #expect(warnings.count == 1 && warnings[0].text.contains("the last 400 steps"))
    #expect((1...20).allSatisfy { _ in watch.observe(slow, epoch: 0).isEmpty }, "once an epoch")
    #expect((1...4).contains { _ in !watch.observe(slow, epoch: 1).isEmpty })
  }

  @Test func placesReadWell() {
    func host(_ name: String, _ ranks: Int) -> RankPlacement.Host {
      RankPlacement.host(name, masks: Array(repeating: [0], count: ranks), threads: Array(repeating: 1, count: ranks))
    }
    #expect(RankPlacement(hosts: [host("a", 1)]).description == "1 process on a")
    #expect(RankPlacement(hosts: [host("a", 4)]).description == "4 on a")
    #expect(RankPlacement(hosts: [host("a", 4), host("b", 2)]).description == "6 on 2 hosts: a (4), b (2)")
    let many = RankPlacement(hosts: (0..<20).map { host("n\($0)", 2) }).description
    #expect(many.hasPrefix("40 on 20 hosts: n0 (2), n1 (2)") && many.hasSuffix("n7 (2) and 12 more"))
  }

  @Test func timeLeftReadsWellHoweverLong() {
    let cases: [(Double, String)] = [
      (0, "0 s"), (-3, "0 s"), (42.4, "42 s"), (59.6, "1 min 0 s"), (754, "12 min 34 s"), (3599.6, "1 h 0 min"),
      (5 * 3600 + 12 * 60, "5 h 12 min"), (86400 * 3 + 4 * 3600 + 59, "3 d 4 h"), (1e12, "more than 30 years"),
    ]
    for (seconds, text) in cases { #expect(Duration.seconds(seconds).readable == text) }
  }
}
