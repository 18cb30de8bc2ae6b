import Glibc
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite struct MetricCollectiveTests {
  func options(_ solver: SolverOptions.Kind, _ metric: MetricOptions.Kind, damping λ: Double = 1e-2)
    -> GaussNewtonOptions
  {
    var options = exactOptions(damping: λ, weightDecay: 1e-3)
    options.solver.kind = solver
    options.momentum = 0.5
    options.metric.kind = metric
    return options
  }

  static let pairs: [(SolverOptions.Kind, MetricOptions.Kind)] = [
    (.cg, .kronecker), (.gram, .kronecker), (.cg, .outputs), (.gram, .outputs), (.cg, .diagonal),
    (.gram, .diagonal),
  ]

  /// The parameters of a run in `Steps solve the dense system of the metric`.
  struct Course: Sendable {
    var interval = 1
    var decaysBiases = true
    var decaysToInitial = false
    var isNesterov = false
    var policy = Damping.Policy.constant
    var μ = 1e-3
    var hasBias = true
  }

  static let courses = [
    Course(), Course(interval: 2, decaysBiases: false), Course(interval: 2, isNesterov: true), Course(μ: 0),
    Course(decaysBiases: false, μ: 0.3), Course(isNesterov: true, policy: .levenbergMarquardt, μ: 0.3),
    Course(interval: 2, policy: .sweep), Course(decaysBiases: false, isNesterov: true, policy: .sweep, μ: 0.03),
    Course(isNesterov: true, policy: .sweep, μ: 0), Course(decaysToInitial: true, μ: 0.3),
    Course(decaysBiases: false, decaysToInitial: true, isNesterov: true, policy: .sweep, μ: 0.3),
    Course(hasBias: false), Course(interval: 2, isNesterov: true, μ: 0.3, hasBias: false),
    Course(decaysToInitial: true, policy: .sweep, μ: 0.3, hasBias: false),
    Course(decaysBiases: false, μ: 0, hasBias: false),
  ]

  /// Five steps, each against the minimum of ½‖R(Δ − a) − s‖² + (λ/2)‖Δ − ηΔ₋‖²_N + (μ/2)‖Dθ + Δ‖² with R and s at θ +
  /// a.
  @Test(
    arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [MetricOptions.Kind.inputs, .outputs, .diagonal, .kronecker])
  func `Steps solve the dense system of the metric`(solver: SolverOptions.Kind, kind: MetricOptions.Kind) throws {
    for (index, course) in Self.courses.enumerated() where solver != .cg || course.policy != .sweep {
      let plain = ToyProblem(rows: 23, features: 4, classes: 6, largestMargin: 2, seed: 5)
      // Every other course has weights and distributions.
      let biased =
        (kind == .outputs || kind == .diagonal) && index % 2 == 1
        ? plain.weighted((0..<23).map { Double($0 % 3) }).softened(deviation: 2, smoothing: 0.1, seed: 4) : plain
      var options = options(solver, kind)
      options.weightDecay = course.μ
      options.metric.interval = course.interval
      options.metric.decay = 0.6
      options.decaysBiases = course.decaysBiases
      options.decaysToInitial = course.decaysToInitial
      options.nesterov = course.isNesterov
      options.damping.policy = course.policy
      options.damping.minimum = 1e-9
      let problem = course.hasBias ? biased : biased.withoutBias
      let (μ, η, C, d) = (course.μ, options.momentum, 6, 4)
      let trial = Trial<Double>(problem, options)
      let center = problem.parameters.indices.map { course.decaysToInitial ? cos(Double($0)) : 0 }
      trial.optimizer.begin(at: Vector(center))
      var dense = DenseMetric(kind: kind, ε: 0.1, decay: 0.6)
      var (last, λ) = (problem.parameters.map { _ in 0.0 }, options.damping.initial)
      func metric(_ λ: Double) -> [[Double]] { dense.damping(classes: C, decayRatio: μ / λ) }
      for step in 0..<5 {
        let θ = trial.parameters.doubles
        let decayed = θ.indices.map { course.decaysBiases || $0 < C * d ? θ[$0] - center[$0] : 0 }
        /// λN + μI
        func damping(_ N: [[Double]], _ λ: Double) -> [[Double]] {
          θ.indices.map { i in θ.indices.map { N[i][$0] * λ + (i == $0 ? μ : 0) } }
        }
        /// The gradient of the objective without the loss.
        func pull(_ Δ: [Double], _ N: [[Double]], _ λ: Double) -> [Double] {
          let difference = zip(Δ, last).map { $0 - η * $1 }
          return θ.indices.map { λ * dot(N[$0], difference) + μ * (decayed[$0] + Δ[$0]) }
        }
        var a = θ.map { _ in 0.0 }
        if course.isNesterov {
          // Before the first batch, the only known metric is the identity.
          let N = step == 0 ? θ.indices.map { i in θ.indices.map { i == $0 ? 1 : 0 } } : metric(λ)
          a = solve(damping(N, λ), pull(a, N, λ).map { -$0 })
        }
        let start = moved(θ, 1, a)
        if step % course.interval == 0 { dense.take(problem.oracle, at: start) }
        let (Δ, report) = try trial.change()
        λ = report.damping!
        let (N, g) = (metric(λ), problem.oracle.gradient(start))
        let G = problem.oracle.fastGaussNewtonMatrix(start)
        let system = zip(G, damping(N, λ)).map { zip($0, $1).map { $0 + $1 } }
        last = moved(a, 1, solve(system, zip(g, pull(a, N, λ)).map { -$0 - $1 }))
        #expect(relativeError(Δ, last) < 1e-8, "\(course), step \(step)")
        #expect(abs(report.stepNorm / norm(last) - 1) < 1e-8)
        #expect(report.solver?.termination == .converged)
        // The state at the beginning of the next step.
        λ = trial.optimizer.damping
      }
    }
  }

  @Test(arguments: [MetricOptions.Kind.inputs, .outputs, .diagonal, .kronecker])
  func `The reduction ratio and the step length are those of the model`(kind: MetricOptions.Kind) throws {
    for solver in [SolverOptions.Kind.cg, .gram] {
      let problem = ToyProblem(rows: 19, features: 3, classes: 5, largestMargin: 1, seed: 6)
      var options = options(solver, kind)
      options.stepLength = .ggn
      options.damping.policy = .levenbergMarquardt
      let trial = Trial<Double>(problem, options)
      let θ = trial.parameters.doubles
      let (_, report) = try trial.change()
      let Δ = trial.optimizer.lastStep.doubles
      let (oracle, μ) = (problem.oracle, options.weightDecay)
      let slope = dot(oracle.gradient(θ, weightDecay: μ), Δ)
      let length = min(1, -slope / (quadraticForm(oracle.gaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)))
      #expect(abs(report.stepLength / length - 1) < 1e-8)
      let curvature = quadraticForm(oracle.fastGaussNewtonMatrix(θ), Δ) + μ * dot(Δ, Δ)
      let change =
        oracle.objective(moved(θ, length, Δ), weightDecay: μ) - oracle.objective(θ, weightDecay: μ)
      let ratio = change / (length * slope + length * length * curvature / 2)
      #expect(abs(try #require(report.reductionRatio) / ratio - 1) < 1e-8)
    }
  }

  /// The reduction ratio of the first step in Float equals that in Double, where many rows are badly misclassified.
  @Test(arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [false, true])
  func `Badly misclassified rows do not spoil the quadratic model`(solver: SolverOptions.Kind, hasDecay: Bool) throws {
    let network = try Network(
      [.linear(64), .activation(.relu), .linear(64), .activation(.relu)], example: [20], classes: 10)
    var samples = Samples(seed: 7)
    let centres = (0..<10).map { _ in (0..<20).map { _ in 20 * samples.normal() } }
    let labels = (0..<128).map { Int32($0 % 10) }
    let features = labels.flatMap { label in centres[Int(label)].map { Double(Float($0 + 5 * samples.normal())) } }
    func ratio<Scalar: DistributedScalar>(_: Scalar.Type) throws -> Double {
      var options = options(solver, .kronecker, damping: 1)
      options.weightDecay = hasDecay ? 1e-2 : 0
      options.momentum = 0
      options.damping.policy = .levenbergMarquardt
      options.solver.tolerance = 0.1
      options.solver.maxIterations = 50
      let mine = evenShard(of: labels.count, World.communicator)
      let optimizer = FastGaussNewton<Scalar>(
        network, options: options, capacity: mine.count, communicator: World.communicator)
      let report = try optimizer.advance(
        Vector((network.initialParameters(seed: 4) as Vector<Float>).array.map { Scalar($0) }),
        on: Batch(
          inputs: .dense(Matrix(Vector(features.map { Scalar($0) }), labels.count, 20)[rows: mine]),
          labels: labels[mine], globalSize: labels.count), rate: 1)
      if mine.count == labels.count { #expect(optimizer.margin.losses.array.max()! > 14) }
      return try #require(report.reductionRatio)
    }
    let expected = try ratio(Double.self)
    #expect(abs(try ratio(Float.self) / expected - 1) < 0.01, "\(expected)")
  }

  @Test func `Moments whose inverse is beyond the precision make a metric all the same`() throws {
    var generator = SplitMix64(seed: 5)
    let labels = (0..<23).map { _ in Int.random(in: 0..<6, using: &generator) }
    func parameters(margin: Double) -> [Double] {
      (0..<42).map { $0 < 36 && $0 / 6 == $0 % 6 ? (margin + log(5)) / 50 : 0 }
    }
    let problem = ToyProblem(
      features: labels.map { label in (0..<6).map { $0 == label ? 50 : 0 } }, labels: labels, classes: 6,
      parameters: parameters(margin: 41.9))
    for (solver, kind) in Self.pairs {
      var options = options(solver, kind)
      options.metric.decay = 0.6
      let trial = Trial<Float>(problem, options)
      // Moments (1 − p)² of 10⁻³⁷ that decay: the moments of later batches are flushed to zero.
      for _ in 0..<12 {
        let report = try trial.advance()
        #expect(report.accepted && trial.parameters.isFinite)
        trial.parameters.assign(Vector(parameters(margin: 60).map { Float($0) }))
      }
    }
  }

  @Test(arguments: [MetricOptions.Kind.inputs, .outputs, .diagonal, .kronecker])
  func `A step of any network is the same by both solvers, on any number of ranks`(kind: MetricOptions.Kind) throws {
    let networks = [
      try Network(
        [
          .convolution(.init(channels: 3, kernel: 3, padding: 1)), .activation(.tanh), .flatten,
          .residual([.layerNorm, .linear(75), .activation(.gelu)]), .linear(9), .activation(.tanh),
        ], example: [5, 5], classes: 4),
      try Network([.linear(130), .activation(.tanh)], example: [6], classes: 4),
      try Network([], example: [6], classes: 130, bias: false),
      try Network([.linear(7), .activation(.tanh)], example: [6], classes: 4, bias: false),
    ]
    for (network, rows) in networks.flatMap({ [($0, 1), ($0, 13)] }) {
      for exchange in [Exchange.single, .bucketed] {
        func step(_ solver: SolverOptions.Kind, _ communicator: Communicator) throws -> [Double] {
          try change(
            of: network, options(solver, kind), rows: rows, steps: 2, exchange: exchange, over: communicator
          ).0
        }
        let expected = try step(.gram, Communicator())
        #expect(relativeError(try step(.gram, World.communicator), expected) < 1e-8)
        #expect(relativeError(try step(.cg, World.communicator), expected) < 1e-8)
      }
    }
  }

  @Test func `A restored optimizer goes on with the same bits`() throws {
    for (solver, kind) in Self.pairs {
      let problem = ToyProblem(rows: 23, features: 4, classes: 6, largestMargin: 2, seed: 5)
      var options = options(solver, kind)
      options.metric.interval = 3
      let (one, other) = (Trial<Float>(problem, options), Trial<Float>(problem, options))
      for _ in 0..<4 { _ = try one.advance() }
      other.parameters.assign(one.parameters)
      other.optimizer.counters = one.optimizer.counters
      for (mine, theirs) in zip(other.optimizer.memory, one.optimizer.memory) {
        #expect(mine.name == theirs.name)
        mine.vector.assign(theirs.vector)
      }
      for _ in 0..<4 {
        _ = try one.advance()
        _ = try other.advance()
      }
      #expect(one.parameters.array == other.parameters.array)
    }
  }

  @Test(arguments: [MetricOptions.Kind.outputs, .diagonal, .kronecker])
  func `A batch that is not finite leaves the moments alone`(kind: MetricOptions.Kind) throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 6, largestMargin: 2, seed: 5)
    let trial = Trial<Float>(problem, options(.gram, kind))
    _ = try trial.advance()
    let before = trial.optimizer.memory.dropFirst().map(\.vector.array)
    trial.parameters[0] = .nan
    let report = try trial.advance()
    #expect(!report.accepted)
    #expect(trial.optimizer.memory.dropFirst().map(\.vector.array).last == before.last)
  }

  @Test(arguments: [MetricOptions.Kind.outputs, .diagonal])
  func `A diagonal metric adds to the exchanges of a step its moments alone`(kind: MetricOptions.Kind) throws {
    let (B, C, d) = (23, 130, 4)
    let problem = ToyProblem(rows: B, features: d, classes: C, largestMargin: 1, seed: 5)
    let counts = kind == .outputs ? [C] : [C, d + 1]
    for solver in [SolverOptions.Kind.gram, .gramCG] {
      func traffic(_ kind: MetricOptions.Kind) throws -> [Communicator.Statistics] {
        var options = options(solver, kind)
        // With decay and momentum another metric asks for a product of its own.
        options.weightDecay = 0
        options.nesterov = true
        options.metric.interval = 2
        options.solver.maxIterations = 3
        let trial = Trial<Double>(problem, options)
        return try (0..<3).map { _ in
          let before = trial.communicator.statistics
          _ = try trial.advance()
          return trial.communicator.statistics - before
        }
      }
      for (step, (own, plain)) in zip(try traffic(kind), try traffic(.identity)).enumerated() {
        let isUpdate = step % 2 == 0
        #expect(own.allreduces == plain.allreduces + (isUpdate ? counts.count : 0))
        #expect(own.allreducedBytes == plain.allreducedBytes + (isUpdate ? 8 * counts.reduce(0, +) : 0))
        #expect(own.allgathers == plain.allgathers && own.allgatheredBytes == plain.allgatheredBytes)
      }
    }
  }
}
