import GaussNewton
import Glibc
import LinearAlgebra
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct LevenbergMarquardtCollectiveTests {
  let problem = ToyProblem(rows: 60, features: 2, classes: 20, largestMargin: 0.1, seed: 15)

  func options(damping λ: Double) -> GaussNewtonOptions {
    var options = exactOptions(damping: λ)
    options.damping.policy = .levenbergMarquardt
    options.damping.minimum = 1e-6
    return options
  }

  /// The reduction ratio of the unit step.
  func ratio(damping λ: Double) -> Double {
    let (θ, oracle) = (problem.parameters, problem.oracle)
    let Δ = oracle.step(θ, damping: λ)
    let model = dot(oracle.gradient(θ), Δ) + quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) / 2
    return (oracle.loss(moved(θ, 1, Δ)) - oracle.loss(θ)) / model
  }

  /// A damping whose ratio is well within `range`.
  func damping(withRatioIn range: ClosedRange<Double>) throws -> Double {
    try #require((-40...40).map { exp2(Double($0) / 4) }.first { range.contains(ratio(damping: $0)) })
  }

  @Test func `A good step is taken and lowers the damping`() throws {
    let λ = try damping(withRatioIn: 0.8...1.5)
    let trial = Trial<Double>(problem, options(damping: λ))
    let (change, report) = try trial.change()
    #expect(report.accepted && report.damping == λ)
    #expect(trial.optimizer.damping == λ / 1.5)
    #expect(relativeError(change, problem.oracle.step(problem.parameters, damping: λ)) < 1e-9)
  }

  @Test func `A fair step is taken and leaves the damping`() throws {
    let λ = try damping(withRatioIn: 0.3...0.7)
    let trial = Trial<Double>(problem, options(damping: λ))
    #expect(try trial.advance().accepted)
    #expect(trial.optimizer.damping == λ)
  }

  @Test func `A poor step is taken and raises the damping`() throws {
    let λ = try damping(withRatioIn: 0.02...0.23)
    let trial = Trial<Double>(problem, options(damping: λ))
    let report = try trial.advance()
    #expect(report.accepted)
    #expect(trial.optimizer.damping == λ * 1.5)
    #expect(trial.parameters.array != problem.parameters)
  }

  @Test func `A step uphill raises the damping and changes nothing, bit for bit`() throws {
    let λ = try damping(withRatioIn: -1000 ... -0.1)
    var options = options(damping: λ)
    options.momentum = 0.5
    let trial = Trial<Double>(problem, options)
    let report = try trial.advance()
    #expect(!report.accepted)
    #expect(try #require(report.reductionRatio) < 0)
    #expect(trial.optimizer.damping == λ * 1.5)
    #expect(trial.parameters.array == problem.parameters)
    // Each further attempt is solved with more damping, until one succeeds.
    var attempts = 1
    while try !trial.advance().accepted, attempts < 60 { attempts += 1 }
    #expect(attempts < 60 && trial.parameters.array != problem.parameters)
    #expect(problem.oracle.loss(trial.parameters.array) < problem.oracle.loss(problem.parameters))
  }

  @Test func `A step that momentum turned uphill is refused, and momentum begins anew`() throws {
    var options = options(damping: 10)
    options.momentum = 1
    let trial = Trial<Double>(problem, options)
    trial.optimizer.lastStep.assign(Vector(problem.oracle.gradient(problem.parameters).map { 5 * $0 }))
    let report = try trial.advance()
    #expect(!report.accepted)
    #expect(try #require(report.reductionRatio).isNaN)
    #expect(trial.parameters.array == problem.parameters)
    #expect(trial.optimizer.lastStep.array.allSatisfy { $0 == 0 })
    #expect(try trial.advance().accepted)
  }

  @Test func `NaN is a failure: the damping rises and nothing changes`() throws {
    var features = problem.oracle.features
    features[17][1] = .nan
    let spoilt = ToyProblem(
      features: features, labels: problem.oracle.labels, classes: 20, parameters: problem.parameters)
    let trial = Trial<Double>(spoilt, options(damping: 1))
    let report = try trial.advance()
    #expect(!report.accepted)
    #expect(trial.optimizer.damping == 1.5)
    #expect(trial.parameters.array == problem.parameters)
  }

  @Test func `The damping stays between its bounds`() throws {
    var options = options(damping: try damping(withRatioIn: -1000 ... -0.1))
    options.damping.maximum = options.damping.initial * 1.2
    let rising = Trial<Double>(problem, options)
    _ = try rising.advance()
    #expect(rising.optimizer.damping == options.damping.maximum)

    options = self.options(damping: try damping(withRatioIn: 0.8...1.5))
    options.damping.minimum = options.damping.initial / 1.2
    let falling = Trial<Double>(problem, options)
    _ = try falling.advance()
    #expect(falling.optimizer.damping == options.damping.minimum)
  }

  @Test func `The damping adapts once an interval, and trial losses are found only then`() throws {
    var options = options(damping: try damping(withRatioIn: 0.8...1.5))
    options.damping.interval = 3
    let trial = Trial<Double>(problem, options)
    var seen: [Double] = []
    for step in 0..<7 {
      let report = try trial.advance(rate: 1e-3)
      #expect((report.reductionRatio != nil) == (step % 3 == 0))
      seen.append(trial.optimizer.damping / options.damping.initial)
    }
    #expect(zip(seen, [1, 1, 1, 2, 2, 2, 3]).allSatisfy { abs($0 * pow(1.5, $1) - 1) < 1e-12 })
  }

  @Test func `Within an interval, the damping adapts as long as it rises, also in a run that goes on`() throws {
    var options = options(damping: try damping(withRatioIn: -1000 ... -0.1))
    options.damping.interval = 1000
    let trial = Trial<Double>(problem, options)
    var λ = options.damping.initial
    var rises = 0
    while true {
      let resumed = Trial<Double>(problem, options)
      resumed.optimizer.counters = trial.optimizer.counters
      resumed.parameters.assign(trial.parameters)
      let report = try trial.advance()
      let ratio = try #require(report.reductionRatio)
      #expect(try resumed.advance().reductionRatio == ratio)
      guard trial.optimizer.damping > λ else { break }
      #expect(trial.optimizer.damping == λ * 1.5 && ratio < 0.25)
      λ = trial.optimizer.damping
      rises += 1
    }
    #expect(rises > 1)
    #expect(try trial.advance().reductionRatio == nil)
  }

  @Test func `Within an interval, the damping adapts where the loss of a batch has grown by a quarter`() throws {
    var options = options(damping: 30)
    options.damping.interval = 1000
    let before = problem.oracle.loss(problem.parameters)
    func parameters(withGrowthIn range: ClosedRange<Double>) throws -> [Double] {
      try #require(
        (1...1000).map { factor in problem.parameters.map { Double(factor) * $0 } }
          .first { range.contains(problem.oracle.loss($0) / before) })
    }
    for (growth, isSeen) in [(1.05...1.2, false), (1.3...1.5, true)] {
      let trial = Trial<Double>(problem, options)
      #expect(try trial.advance(rate: 1e-3).reductionRatio != nil)
      #expect(try trial.advance(rate: 1e-3).reductionRatio == nil)
      trial.parameters.assign(Vector(try parameters(withGrowthIn: growth)))
      #expect((try trial.advance(rate: 1e-3).reductionRatio != nil) == isSeen)
      // A step whose success was measured sets the reference for the next ones.
      #expect(try trial.advance(rate: 1e-3).reductionRatio == nil)
    }
  }

  @Test func `A run begins within the bounds of its damping`() {
    var options = options(damping: 1e-3)
    options.damping.minimum = 0.5
    #expect(Trial<Double>(problem, options).optimizer.damping == 0.5)
    options.damping.policy = .constant
    #expect(Trial<Double>(problem, options).optimizer.damping == 1e-3)
  }
}
