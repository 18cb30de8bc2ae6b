import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct WeightedStepCollectiveTests {
  /// A problem whose rows have weights from 0 to far above 1.
  func problem(rows: Int = 37, classes: Int, largestMargin: Double, seed: UInt64 = 7) -> ToyProblem {
    var samples = Samples(seed: seed)
    let weights = (0..<rows).map { $0 % 5 == 3 ? 0 : abs(samples.normal()) * [1e-3, 1, 1, 30][$0 % 4] }
    return ToyProblem(rows: rows, features: 6, classes: classes, largestMargin: largestMargin, seed: seed)
      .weighted(weights)
  }

  func check<Method: Optimizer>(
    _ trial: MethodTrial<Method>, _ options: GaussNewtonOptions, full: Bool = false, steps: Int, tolerance: Double
  ) throws where Method: DampedOptimizer {
    let (λ, μ, η, oracle) = (
      options.damping.initial, options.weightDecay, options.momentum, trial.problem.oracle
    )
    var last = trial.problem.parameters.map { _ in 0.0 }
    for _ in 0..<steps {
      let θ = trial.parameters.doubles
      let expected = oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last, full: full)
      let (Δ, report) = try trial.change(rate: 0.5)
      #expect(relativeError(Δ, expected.map { 0.5 * $0 }) <= tolerance, "\(Method.self) λ \(λ) μ \(μ) η \(η)")
      let roundings = Double(Method.Scalar.ulpOfOne)
      #expect(abs(report.loss / oracle.loss(θ) - 1) <= 16 * roundings)
      // A Gram solve reports the gradient of the cross-entropy alone.
      let g = oracle.gradient(θ, weightDecay: options.solver.kind == .cg ? μ : 0)
      #expect(abs(report.gradientNorm / norm(g) - 1) <= 1000 * roundings)
      last = trial.optimizer.lastStep.doubles
    }
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [2, 3, 20])
  func `A weighted step equals the dense solve`(kind: SolverOptions.Kind, classes: Int) throws {
    for largestMargin in [1.0, 10, 100] {
      for (λ, μ, η) in [(1e-3, 0, 0), (1e-1, 1e-2, 0.8)] {
        let problem = problem(classes: classes, largestMargin: largestMargin)
        var options = exactOptions(damping: λ, weightDecay: μ)
        (options.solver.kind, options.momentum) = (kind, η)
        try check(Trial<Double>(problem, options), options, steps: 2, tolerance: 1e-9)
        if λ < 1e-2 { continue }
        var single = exactOptions(for: Float.self, damping: λ, weightDecay: μ)
        (single.solver.kind, single.momentum) = (kind, η)
        try check(Trial<Float>(problem, single), single, steps: 1, tolerance: 1e-3)
      }
    }
  }

  @Test(arguments: [2, 3, 20])
  func `A weighted step with the full matrix equals the dense solve`(classes: Int) throws {
    for largestMargin in [1.0, 10, 100] {
      for (λ, μ, η) in [(1e-2, 0, 0), (1e-1, 1e-2, 0.8)] {
        var options = exactOptions(damping: λ, weightDecay: μ)
        (options.solver.kind, options.momentum, options.solver.tolerance) = (.cg, η, 1e-13)
        let trial = FullTrial<Double>(problem(classes: classes, largestMargin: largestMargin), options)
        try check(trial, options, full: true, steps: 2, tolerance: 1e-9)
      }
    }
  }

  @Test(arguments: StepLength.allCases)
  func `Length, reduction ratio and damping follow the weighted model`(length: StepLength) throws {
    for kind in [SolverOptions.Kind.cg, .gram] {
      let problem = problem(classes: 6, largestMargin: 1)
      var options = exactOptions(damping: 2, weightDecay: 1e-2)
      options.damping.policy = .levenbergMarquardt
      options.damping.minimum = 1e-3
      (options.solver.kind, options.stepLength, options.momentum) = (kind, length, 0.5)
      let trial = Trial<Double>(problem, options)
      for _ in 0..<3 {
        let (θ, oracle, μ) = (trial.parameters.array, problem.oracle, options.weightDecay)
        let report = try trial.advance()
        try #require(report.accepted)
        let Δ = trial.optimizer.lastStep.array
        let slope = dot(oracle.gradient(θ, weightDecay: μ), Δ)
        let full = quadraticForm(oracle.gaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
        if length == .ggn { #expect(abs(report.stepLength / min(1, -slope / full) - 1) < 1e-8) }
        let τ = report.stepLength
        let change = oracle.objective(moved(θ, τ, Δ), weightDecay: μ) - oracle.objective(θ, weightDecay: μ)
        let curvature = quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
        let ratio = change / (τ * slope + τ * τ * curvature / 2)
        #expect(abs(try #require(report.reductionRatio) - ratio) < 1e-7)
      }
    }
  }

  // MARK: Any network

  /// Rows with labels and weights.
  struct Batch {
    var features: [[Double]]
    var labels: [Int32]
    var weights: [Double]?

    /// Repeats each row `counts` times, or gives it that weight, with a mean of 1.
    init(counts: [Int], repeated: Bool, network: Network) {
      var samples = Samples(seed: 12)
      let features = counts.map { _ in samples.normals(network.inputCount) }
      let labels = counts.map { _ in Int32(samples.integer(below: network.outputCount)) }
      let total = counts.reduce(0, +)
      let order = counts.indices.flatMap { i in repeated ? Array(repeating: i, count: counts[i]) : [i] }
      self.features = order.map { features[$0] }
      self.labels = order.map { labels[$0] }
      weights = repeated ? nil : counts.map { Double($0 * counts.count) / Double(total) }
    }
  }

  static let network = try! Network(
    [.linear(7), .activation(.tanh), .linear(6), .activation(.gelu)], example: [5], classes: 4)

  /// The parameters after some steps, and the reports. Collective.
  func run(
    _ batch: Batch, steps: Int = 4, rate: Double = 0.3, from start: [Double]? = nil,
    _ make: (Network, Int, Communicator) -> some Optimizer<Double>
  ) throws -> ([Double], [StepReport]) {
    let (network, communicator) = (Self.network, World.communicator)
    let (count, mine) = (batch.labels.count, evenShard(of: batch.labels.count, communicator))
    let optimizer = make(network, mine.count, communicator)
    let parameters: Vector<Double> = start.map { Vector($0) } ?? network.initialParameters(seed: 4)
    let inputs = Matrix(Vector(batch.features[mine].flatMap { $0 }), mine.count, network.inputCount)
    let reports = try (0..<steps).map { _ in
      try optimizer.advance(
        parameters,
        on: GaussNewton.Batch(
          inputs: .dense(inputs), labels: batch.labels[mine], weights: batch.weights.map { Vector(Array($0[mine])) },
          globalSize: count), rate: rate)
    }
    return (parameters.array, reports)
  }

  typealias Set = @Sendable (inout GaussNewtonOptions) -> Void

  static let settings: [(String, Set)] = [
    ("cg", { $0.solver.kind = .cg }), ("gram", { $0.solver.kind = .gram }),
    ("gram-cg, ggn length", { ($0.solver.kind, $0.stepLength) = (.gramCG, .ggn) }),
    ("cg, kronecker", { ($0.solver.kind, $0.metric.kind) = (.cg, .kronecker) }),
    (
      "gram, kronecker, line search",
      { ($0.solver.kind, $0.metric.kind, $0.stepLength) = (.gram, .kronecker, .lineSearch) }
    ),
    ("cg, outputs", { ($0.solver.kind, $0.metric.kind) = (.cg, .outputs) }),
    ("gram, outputs", { ($0.solver.kind, $0.metric.kind) = (.gram, .outputs) }),
    ("cg, diagonal", { ($0.solver.kind, $0.metric.kind) = (.cg, .diagonal) }),
    ("gram, diagonal", { ($0.solver.kind, $0.metric.kind) = (.gram, .diagonal) }),
    ("gram, inputs, nesterov", { ($0.solver.kind, $0.metric.kind, $0.nesterov) = (.gram, .inputs, true) }),
  ]

  func options(_ set: Set) -> GaussNewtonOptions {
    var options = exactOptions(damping: 0.1, weightDecay: 1e-3)
    options.damping.policy = .levenbergMarquardt
    options.momentum = 0.5
    options.metric.interval = 2
    options.solver.tolerance = 1e-13
    set(&options)
    return options
  }

  func expectSame(
    _ one: ([Double], [StepReport]), _ other: ([Double], [StepReport]), _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(relativeError(one.0, other.0) < 1e-9, "\(name)", sourceLocation: sourceLocation)
    for (a, b) in zip(one.1, other.1) {
      #expect(abs(a.loss / b.loss - 1) < 1e-9, "\(name)", sourceLocation: sourceLocation)
      #expect(abs(a.gradientNorm / b.gradientNorm - 1) < 1e-8, "\(name)", sourceLocation: sourceLocation)
      #expect(abs(a.stepLength - b.stepLength) < 1e-8, "\(name)", sourceLocation: sourceLocation)
      #expect(a.damping == b.damping, "\(name)", sourceLocation: sourceLocation)
      #expect((a.reductionRatio == nil) == (b.reductionRatio == nil), sourceLocation: sourceLocation)
      if let a = a.reductionRatio, let b = b.reductionRatio {
        #expect(abs(a - b) < 1e-6, "\(name)", sourceLocation: sourceLocation)
      }
    }
  }

  /// Calls `body` with each method's name and maker.
  func forEachMethod(_ body: (String, (Batch, [Double]?) throws -> ([Double], [StepReport])) throws -> Void) rethrows {
    for (name, set) in Self.settings {
      let options = options(set)
      try body(name) { batch, start in
        try run(batch, from: start) { FastGaussNewton($0, options: options, capacity: $1, communicator: $2) }
      }
    }
    for nesterov in [false, true] {
      var options = options { _ in }
      options.nesterov = nesterov
      try body("ggn") { batch, start in
        try run(batch, from: start) { GeneralizedGaussNewton($0, options: options, capacity: $1, communicator: $2) }
      }
    }
    for method in [FirstOrderOptions.Method.sgd(momentum: 0.9, nesterov: false), .adam(.init())] {
      try body("\(method)") { batch, start in
        try run(batch, rate: 0.01, from: start) {
          FirstOrder($0, options: FirstOrderOptions(method, weightDecay: 1e-3), capacity: $1, communicator: $2)
        }
      }
    }
  }

  static let counts = (0..<23).map { [1, 3, 0, 2, 1, 5][$0 % 6] }

  @Test func `A row of weight k is k rows, with every method`() throws {
    let (weighted, repeated) = (
      Batch(counts: Self.counts, repeated: false, network: Self.network),
      Batch(counts: Self.counts, repeated: true, network: Self.network)
    )
    try forEachMethod { name, run in expectSame(try run(weighted, nil), try run(repeated, nil), name) }
  }

  @Test func `Rows of weight 0 change nothing, whatever they hold`() throws {
    var full = Batch(counts: Self.counts, repeated: false, network: Self.network)
    var rest = full
    for i in Self.counts.indices where Self.counts[i] == 0 { full.features[i] = [1e30, -1e30, 3, 0, 1e30] }
    let kept = Self.counts.indices.filter { Self.counts[$0] > 0 }
    rest.features = kept.map { full.features[$0] }
    rest.labels = kept.map { full.labels[$0] }
    let share = Double(kept.count) / Double(Self.counts.count)
    rest.weights = kept.map { full.weights![$0] * share }
    try forEachMethod { name, run in expectSame(try run(full, nil), try run(rest, nil), name) }
  }

  @Test func `Weights of 1 give the bits of no weights`() throws {
    var none = Batch(counts: Self.counts.map { _ in 1 }, repeated: true, network: Self.network)
    none.weights = nil
    var ones = none
    ones.weights = none.labels.map { _ in 1 }
    try forEachMethod { name, run in
      let (a, b) = (try run(none, nil), try run(ones, nil))
      #expect(a.0 == b.0 && a.1 == b.1, "\(name)")
    }
  }

  @Test func `A batch of weight 0 has no gradient and no curvature`() throws {
    var batch = Batch(counts: Self.counts, repeated: false, network: Self.network)
    batch.weights = batch.labels.map { _ in 0 }
    let start = (Self.network.initialParameters(seed: 4) as Vector<Double>).array
    for (name, set) in Self.settings {
      var options = options(set)
      (options.weightDecay, options.metric.kind) = (0, .identity)
      let (θ, reports) = try run(batch, steps: 1) {
        FastGaussNewton($0, options: options, capacity: $1, communicator: $2)
      }
      #expect(θ == start && reports[0].loss == 0 && reports[0].gradientNorm == 0, "\(name)")
    }
  }

  @Test func `The gradient is that of the weighted loss, by finite differences`() throws {
    let batch = Batch(counts: Self.counts, repeated: false, network: Self.network)
    let start = (Self.network.initialParameters(seed: 4) as Vector<Double>).array
    func step(_ θ: [Double], rate: Double) throws -> ([Double], StepReport) {
      let (moved, reports) = try run(batch, steps: 1, rate: rate, from: θ) {
        FirstOrder(
          $0, options: FirstOrderOptions(.sgd(momentum: 0, nesterov: false)), capacity: $1, communicator: $2)
      }
      return (moved, reports[0])
    }
    let g = zip(start, try step(start, rate: 1).0).map { $0 - $1 }
    var samples = Samples(seed: 31)
    for _ in 0..<3 {
      let u = samples.normals(start.count)
      let h = 1e-5
      let ahead = try step(moved(start, h, u), rate: 1e-9).1.loss
      let behind = try step(moved(start, -h, u), rate: 1e-9).1.loss
      #expect(abs((ahead - behind) / (2 * h) / dot(g, u) - 1) < 1e-7)
    }
  }
}
