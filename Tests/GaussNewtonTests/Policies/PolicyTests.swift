import GaussNewton
import Testing

@Suite struct DampingTests {
  func options(_ policy: Damping.Policy) -> Damping.Options {
    var options = Damping.Options()
    options.policy = policy
    options.minimum = 0.5
    options.maximum = 8
    options.factor = 2
    return options
  }

  @Test(arguments: [-1, 0, 0.5, 1, 100, Double.nan, .infinity, -.infinity])
  func `Constant damping neither changes nor refuses`(ratio: Double) {
    let next = Damping.update(3, ratio: ratio, options(.constant))
    #expect(next.damping == 3 && next.accepted)
  }

  @Test(arguments: [
    (0.7500001, 1.5, true), (1, 1.5, true), (1e300, 1.5, true), (0.75, 3, true), (0.5, 3, true), (0.25, 3, true),
    (0.2499999, 6, true), (1e-300, 6, true), (0, 6, false), (-0.0, 6, false), (-1, 6, false),
    (Double.nan, 6, false), (.infinity, 6, false), (-.infinity, 6, false),
  ])
  func `Levenberg–Marquardt lowers above ¾, raises below ¼, and refuses what does not descend`(
    ratio: Double, damping: Double, accepted: Bool
  ) {
    let next = Damping.update(3, ratio: ratio, options(.levenbergMarquardt))
    #expect(next.damping == damping)
    #expect(next.accepted == accepted)
  }

  @Test func `Levenberg–Marquardt stops at its bounds`() {
    let options = options(.levenbergMarquardt)
    #expect(Damping.update(0.6, ratio: 1, options).damping == 0.5)
    #expect(Damping.update(0.5, ratio: 1, options).damping == 0.5)
    #expect(Damping.update(5, ratio: .nan, options).damping == 8)
    #expect(Damping.update(8, ratio: 0, options).damping == 8)
  }
}

@Suite struct StepLengthTests {
  @Test func `The minimum along a descent direction is taken, at most the whole step`() {
    #expect(StepLength.ggn(slope: -1, curvature: 4) == 0.25)
    #expect(StepLength.ggn(slope: -1, curvature: 1) == 1)
    #expect(StepLength.ggn(slope: -3, curvature: 1) == 1)
    #expect(StepLength.ggn(slope: -1e-300, curvature: 2e-300) == 0.5)
  }

  @Test(arguments: [
    (1.0, 1.0), (0, 1), (0, 0), (-1, 0), (-1, -1), (1, -1), (Double.nan, 1), (-1, .nan), (.nan, .nan),
  ])
  func `A direction without a minimum ahead is taken as it is`(slope: Double, curvature: Double) {
    #expect(StepLength.ggn(slope: slope, curvature: curvature) == 1)
  }

  @Test func `Candidates after the whole step halve down to 2⁻¹⁰`() {
    #expect(StepLength.backtracks.count == 10)
    #expect(StepLength.backtracks.first == 0.5)
    #expect(zip(StepLength.backtracks, StepLength.backtracks.dropFirst()).allSatisfy { $1 == $0 / 2 })
    #expect(StepLength.backtracks.last == 0x1p-10)
  }

  @Test func `A decrease is sufficient from 10⁻⁴ of the slope on, and NaN never is`() {
    #expect(StepLength.isSufficient(change: -1e-4, length: 0.5, slope: -2))
    #expect(!StepLength.isSufficient(change: -0.99e-4, length: 0.5, slope: -2))
    #expect(StepLength.isSufficient(change: -0.99e-4, length: 0.25, slope: -2))
    #expect(StepLength.isSufficient(change: 0, length: 1, slope: 0))
    #expect(!StepLength.isSufficient(change: 0, length: 1, slope: -1e-10))
    // Along a direction that does not descend, only a decrease suffices.
    #expect(!StepLength.isSufficient(change: 1e-10, length: 1, slope: 1))
    #expect(StepLength.isSufficient(change: -1e-10, length: 1, slope: 1))
    #expect(!StepLength.isSufficient(change: .nan, length: 1, slope: -1))
    #expect(!StepLength.isSufficient(change: -1, length: 1, slope: .nan))
    #expect(!StepLength.isSufficient(change: .infinity, length: 1, slope: -1))
  }
}

@Suite struct LearningRateScheduleTests {
  func schedule(_ kind: LearningRateSchedule.Kind, warmup: Int = 0, final: Double = 0) -> LearningRateSchedule {
    var schedule = LearningRateSchedule()
    schedule.kind = kind
    schedule.warmup = warmup
    schedule.final = final
    return schedule
  }

  func isClose(_ x: Double, _ y: Double) -> Bool { abs(x - y) <= 1e-15 }

  @Test func `A constant rate is its peak, at every step`() {
    for step in [0, 5, 9, 10, 1000] { #expect(schedule(.constant).rate(step: step, of: 10, peak: 0.3) == 0.3) }
  }

  @Test func `A linear rate falls evenly to its final fraction`() {
    let falling = schedule(.linear)
    #expect(falling.rate(step: 0, of: 10, peak: 2) == 2)
    #expect(isClose(falling.rate(step: 5, of: 10, peak: 2), 1))
    #expect(isClose(falling.rate(step: 9, of: 10, peak: 2), 0.2))
    #expect(isClose(schedule(.linear, final: 0.25).rate(step: 10, of: 10, peak: 2), 0.5))
  }

  @Test func `A cosine rate falls to its final fraction, half-way in the middle`() {
    let falling = schedule(.cosine, final: 0.5)
    #expect(falling.rate(step: 0, of: 8, peak: 2) == 2)
    #expect(isClose(falling.rate(step: 4, of: 8, peak: 2), 1.5))
    #expect(isClose(falling.rate(step: 2, of: 8, peak: 2), 1.5 + 0.5 * 0.5.squareRoot()))
    #expect(isClose(falling.rate(step: 8, of: 8, peak: 2), 1))
  }

  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func `The rate rises evenly through the warm-up, and falls from its peak afterwards`(
    kind: LearningRateSchedule.Kind
  ) {
    let schedule = schedule(kind, warmup: 3)
    let rates = (0..<13).map { schedule.rate(step: $0, of: 13, peak: 4) }
    #expect(rates[0...3] == [1, 2, 3, 4])
    #expect(zip(rates[3...], rates[4...]).allSatisfy { kind == .constant ? $0 == $1 : $0 > $1 })
    #expect(rates.allSatisfy { $0 > 0 })
  }

  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func `Beyond the last step the rate stays at its end`(kind: LearningRateSchedule.Kind) {
    let schedule = schedule(kind, warmup: 2, final: 0.1)
    let end = kind == .constant ? 1 : 0.1
    for step in [20, 21, 1000] { #expect(isClose(schedule.rate(step: step, of: 20, peak: 1), end)) }
  }

  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func `A run no longer than its warm-up has finite rates up to the peak`(kind: LearningRateSchedule.Kind) {
    let schedule = schedule(kind, warmup: 5)
    for total in [0, 1, 5] {
      #expect((0..<5).map { schedule.rate(step: $0, of: total, peak: 6) } == [1, 2, 3, 4, 5])
      #expect(schedule.rate(step: 5, of: total, peak: 6) == 6)
    }
  }
}
