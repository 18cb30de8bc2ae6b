import GaussNewton
import Glibc
import LinearAlgebra
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct FirstOrderCollectiveTests {
  static let quick: AdamOptions = {
    var options = AdamOptions()
    (options.beta1, options.beta2, options.epsilon) = (0.8, 0.95, 1e-3)
    return options
  }()

  static let decoupled: AdamOptions = {
    var options = AdamOptions()
    options.decoupledWeightDecay = true
    return options
  }()

  static let methods: [FirstOrderOptions.Method] = [
    .sgd(momentum: 0, nesterov: false), .sgd(momentum: 0.9, nesterov: false), .sgd(momentum: 0.9, nesterov: true),
    .adam(AdamOptions()), .adam(quick), .adam(decoupled),
  ]

  /// The recurrences of PyTorch's documentation, element by element.
  struct Recurrence {
    let options: FirstOrderOptions
    /// What parameters decay to.
    let center: [Double]
    var θ: [Double]
    var v, m: [Double]
    var t = 0

    init(_ options: FirstOrderOptions, _ θ: [Double], center: [Double]? = nil) {
      self.options = options
      self.θ = θ
      self.center = center ?? θ.map { _ in 0 }
      v = θ.map { _ in 0 }
      m = v
    }

    /// Takes a step along the gradient of the loss; returns ‖d‖ of θ ← θ − rate·d.
    mutating func advance(_ gradient: [Double], rate: Double) -> Double {
      let μ = options.weightDecay
      let before = θ
      t += 1
      for i in θ.indices {
        switch options.method {
        case .sgd(let momentum, let nesterov):
          let g = gradient[i] + μ * (θ[i] - center[i])
          v[i] = t == 1 ? g : momentum * v[i] + g
          θ[i] -= rate * (nesterov ? g + momentum * v[i] : v[i])
        case .adam(let adam):
          var g = gradient[i]
          if adam.decoupledWeightDecay { θ[i] -= rate * μ * (θ[i] - center[i]) } else { g += μ * (θ[i] - center[i]) }
          m[i] = adam.beta1 * m[i] + (1 - adam.beta1) * g
          v[i] = adam.beta2 * v[i] + (1 - adam.beta2) * g * g
          let mean = m[i] / (1 - pow(adam.beta1, Double(t)))
          let square = v[i] / (1 - pow(adam.beta2, Double(t)))
          θ[i] -= rate * mean / (sqrt(square) + adam.epsilon)
        }
      }
      return norm(zip(θ, before).map { ($0 - $1) / rate })
    }
  }

  func check(_ problem: ToyProblem, _ options: FirstOrderOptions, rate: Double, shard: Range<Int>? = nil) throws {
    let trial = FirstOrderTrial<Double>(problem, options, shard: shard)
    var expected = Recurrence(options, problem.parameters)
    for step in 0..<8 {
      let rate = rate / Double(step + 1)
      let (loss, gradient) = (problem.oracle.loss(expected.θ), problem.oracle.gradient(expected.θ))
      let gradientNorm = norm(problem.oracle.gradient(expected.θ, weightDecay: options.weightDecay))
      let stepNorm = expected.advance(gradient, rate: rate)
      let report = try trial.advance(rate: rate)
      #expect(relativeError(trial.parameters.array, expected.θ) < 1e-12, "\(options), step \(step)")
      #expect(abs(report.loss / loss - 1) < 1e-12)
      #expect(abs(report.gradientNorm / gradientNorm - 1) < 1e-11)
      #expect(abs(report.stepNorm / stepNorm - 1) < 1e-9)
      #expect(report.accepted && report.stepLength == 1)
      #expect(report.damping == nil && report.solver == nil && report.reductionRatio == nil)
    }
  }

  @Test(arguments: methods, [0, 1e-2])
  func `Steps follow the written-out recurrence`(method: FirstOrderOptions.Method, μ: Double) throws {
    for (classes, largestMargin) in [(2, 1.0), (7, 10), (5, 100)] {
      let problem = ToyProblem(rows: 29, features: 6, classes: classes, largestMargin: largestMargin, seed: 40)
      for problem in [problem, problem.withoutBias] {
        try check(problem, FirstOrderOptions(method, weightDecay: μ), rate: 0.1)
      }
    }
  }

  @Test(arguments: methods)
  func `Parameters decay to those of the start, where this is asked for`(method: FirstOrderOptions.Method) throws {
    let problem = ToyProblem(rows: 29, features: 6, classes: 7, largestMargin: 3, seed: 40)
    let options = FirstOrderOptions(method, weightDecay: 0.5, decaysToInitial: true)
    let trial = FirstOrderTrial<Double>(problem, options)
    let center = problem.parameters.indices.map { cos(Double($0)) }
    trial.optimizer.begin(at: Vector(center))
    var expected = Recurrence(options, problem.parameters, center: center)
    for step in 0..<8 {
      let gradient = problem.oracle.gradient(expected.θ)
      let decayed = expected.θ.indices.map { gradient[$0] + 0.5 * (expected.θ[$0] - center[$0]) }
      let stepNorm = expected.advance(gradient, rate: 0.1)
      let report = try trial.advance(rate: 0.1)
      #expect(relativeError(trial.parameters.array, expected.θ) < 1e-12, "step \(step)")
      #expect(abs(report.gradientNorm / norm(decayed) - 1) < 1e-11)
      #expect(abs(report.stepNorm / stepNorm - 1) < 1e-9)
    }
  }

  @Test(arguments: methods, [1, 2, 3, 7])
  func `Any number of rows will do, also where some ranks have none`(
    method: FirstOrderOptions.Method, rows: Int
  ) throws {
    let problem = ToyProblem(rows: rows, features: 5, classes: 4, largestMargin: 3, seed: 41)
    try check(problem, FirstOrderOptions(method, weightDecay: 1e-2), rate: 0.1)
  }

  @Test func `One rank may have all the rows`() throws {
    let problem = ToyProblem(rows: 11, features: 5, classes: 4, largestMargin: 3, seed: 18)
    let world = World.communicator
    for owner in 0..<world.size {
      try check(
        problem, FirstOrderOptions(.adam(AdamOptions())), rate: 0.1, shard: world.rank == owner ? 0..<11 : 11..<11)
    }
  }

  @Test(arguments: methods)
  func `In Float, margins of a hundred spoil nothing`(method: FirstOrderOptions.Method) throws {
    let problem = ToyProblem(rows: 29, features: 6, classes: 5, largestMargin: 100, seed: 40)
    let options = FirstOrderOptions(method, weightDecay: 1e-2)
    let trial = FirstOrderTrial<Float>(problem, options)
    var expected = Recurrence(options, problem.parameters)
    for _ in 0..<5 {
      let gradient = problem.oracle.gradient(expected.θ)
      _ = expected.advance(gradient, rate: 0.01)
      #expect(try trial.advance(rate: 0.01).accepted)
      #expect(relativeError(trial.parameters.doubles, expected.θ) < 1e-5)
    }
  }

  @Test(arguments: methods)
  func `A step takes one collective of P + 2 numbers`(method: FirstOrderOptions.Method) throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 12, largestMargin: 0.5, seed: 16)
    let trial = FirstOrderTrial<Float>(problem, FirstOrderOptions(method, weightDecay: 1e-3))
    let before = trial.communicator.statistics
    _ = try trial.advance()
    let used = trial.communicator.statistics - before
    #expect(used.allreduces == 1)
    #expect(used.allreducedBytes == 4 * (problem.parameters.count + 2))
  }

  @Test(arguments: methods, [Double.nan, .infinity, -.infinity])
  func `A feature that is not finite changes nothing`(method: FirstOrderOptions.Method, value: Double) throws {
    let sound = ToyProblem(rows: 23, features: 4, classes: 3, largestMargin: 1, seed: 22)
    var features = sound.oracle.features
    features[15][1] = value
    let spoilt = ToyProblem(
      features: features, labels: sound.oracle.labels, classes: 3, parameters: sound.parameters)
    let trial = FirstOrderTrial<Float>(spoilt, FirstOrderOptions(method, weightDecay: 1e-2))
    let counters = trial.optimizer.counters
    let report = try trial.advance()
    #expect(!report.accepted && report.loss.isNaN && report.stepNorm == 0)
    #expect(trial.parameters.doubles == sound.parameters)
    #expect(trial.optimizer.memory.allSatisfy { $0.vector.array.allSatisfy { $0 == 0 } })
    #expect(trial.optimizer.counters == counters)
  }

  @Test(arguments: methods)
  func `All ranks hold the same bits, and those of one process to rounding`(
    method: FirstOrderOptions.Method
  ) throws {
    func run(on communicator: Communicator) throws -> [Double] {
      let problem = ToyProblem(rows: 50, features: 6, classes: 10, largestMargin: 2, seed: 19)
      let trial = FirstOrderTrial<Double>(problem, FirstOrderOptions(method), communicator: communicator)
      for _ in 0..<20 { _ = try trial.advance(rate: 0.05) }
      return trial.parameters.array
    }
    let world = World.communicator
    let together = try run(on: world)
    #expect(try world.allgather(together) == (0..<world.size).flatMap { _ in together })
    #expect(relativeError(together, try run(on: Communicator())) < 1e-12)
  }

  @Test(arguments: methods)
  func `An optimizer that is given the memory of another goes on with its bits`(
    method: FirstOrderOptions.Method
  ) throws {
    let problem = ToyProblem(rows: 50, features: 6, classes: 10, largestMargin: 2, seed: 19)
    let options = FirstOrderOptions(method, weightDecay: 1e-3)
    let first = FirstOrderTrial<Float>(problem, options)
    for _ in 0..<5 { _ = try first.advance(rate: 0.1) }
    let second = FirstOrderTrial<Float>(problem, options)
    second.parameters.assign(first.parameters)
    for (old, new) in zip(first.optimizer.memory, second.optimizer.memory) {
      #expect(old.name == new.name)
      new.vector.assign(old.vector)
    }
    second.optimizer.counters = first.optimizer.counters
    for trial in [first, second] { for _ in 0..<3 { _ = try trial.advance(rate: 0.1) } }
    #expect(first.parameters.array == second.parameters.array)
  }

  @Test func `A gradient whose square overflows leaves parameters and moments as they were`() throws {
    let problem = ToyProblem(
      features: [[1e25, 1], [-1e25, 2], [3e24, 0]], labels: [0, 1, 1], classes: 2,
      parameters: [Double](repeating: 0, count: 6))
    let options = FirstOrderOptions(.adam(AdamOptions()))
    let trial = FirstOrderTrial<Float>(problem, options)
    let report = try trial.advance()
    #expect(report.gradientNorm.isFinite && !report.accepted)
    #expect(trial.parameters.array == [Float](repeating: 0, count: 6))
    #expect(trial.optimizer.memory.allSatisfy { $0.vector.isFinite })
    // A precision that represents the square takes the step.
    #expect(try FirstOrderTrial<Double>(problem, options).advance().accepted)
  }
}
