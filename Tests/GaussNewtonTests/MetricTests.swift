import Glibc
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite struct MetricTests {
  /// A running mean of second moments, scaled to a mean diagonal of 1, plus ε: as dense numbers in `Double`.
  struct Moment {
    var mean: [[Double]] = []
    var count = 0

    mutating func take(_ rows: [[Double]], of batchSize: Int, decay: Double) {
      count += 1
      let n = rows[0].count
      let weight = max(1 - decay, 1 / Double(count))
      mean = (0..<n).map { i in
        (0..<n).map { j in
          let new = rows.reduce(0) { $0 + $1[i] * $1[j] } / Double(batchSize)
          return weight * new + (count == 1 ? 0 : (1 - weight) * mean[i][j])
        }
      }
    }

    func factor(_ ε: Double) -> [[Double]] {
      let n = mean.count
      let scale = Double(n) / (0..<n).reduce(0) { $0 + mean[$1][$1] }
      return (0..<n).map { i in (0..<n).map { j in scale * mean[i][j] + (i == j ? ε : 0) } }
    }
  }

  /// M of a linear head, (C(d+1))², in the order of its parameters: weights row by row, then biases.
  func dense(_ inputs: [[Double]], _ outputs: [[Double]]?, classes C: Int) -> [[Double]] {
    let d = inputs.count - 1
    func place(_ index: Int) -> (class: Int, input: Int) {
      index < C * d ? (index / d, index % d) : (index - C * d, d)
    }
    return (0..<C * (d + 1)).map { i in
      (0..<C * (d + 1)).map { j in
        let (a, b) = (place(i), place(j))
        return (outputs?[a.class][b.class] ?? (a.class == b.class ? 1 : 0)) * inputs[a.input][b.input]
      }
    }
  }

  func options(_ solver: SolverOptions.Kind, _ metric: MetricOptions.Kind, damping λ: Double = 1e-2)
    -> GaussNewtonOptions
  {
    var options = exactOptions(damping: λ, weightDecay: 1e-3)
    options.solver.kind = solver
    options.momentum = 0.5
    options.metric.kind = metric
    return options
  }

  @Test(
    arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [MetricOptions.Kind.inputs, .kronecker])
  func `Steps solve the dense system of the metric`(solver: SolverOptions.Kind, kind: MetricOptions.Kind) throws {
    for (interval, decaysBiases) in [(1, true), (2, false)] {
      let problem = ToyProblem(rows: 23, features: 4, classes: 6, largestMargin: 2, seed: 5)
      var options = options(solver, kind)
      options.metric.interval = interval
      options.metric.decay = 0.6
      options.decaysBiases = decaysBiases
      let (λ, μ, η, C) = (options.damping.initial, options.weightDecay, options.momentum, 6)
      let trial = Trial<Double>(problem, options)
      let rows = problem.oracle.features.indices
      var (inputs, outputs) = (Moment(), Moment())
      var last = problem.parameters.map { _ in 0.0 }
      for step in 0..<5 {
        let θ = trial.parameters.doubles
        if step % interval == 0 {
          inputs.take(problem.oracle.features.map { $0 + [1] }, of: rows.count, decay: 0.6)
          // (1 − p) v: the biases' part of the gradient of an example's loss.
          outputs.take(
            rows.map { i in
              let complement = 1 / (1 + exp(problem.oracle.margin(θ, row: i)))
              return problem.oracle.marginGradient(θ, row: i).suffix(C).map { complement * $0 }
            }, of: rows.count, decay: 0.6)
        }
        let M = dense(inputs.factor(0.1), kind == .kronecker ? outputs.factor(0.1) : nil, classes: C)
        let pull = M.map { λ * η * dot($0, last) }
        let g = problem.oracle.gradient(θ)
        let decayed = θ.indices.map { decaysBiases || $0 < θ.count - C ? θ[$0] : 0 }
        let G = problem.oracle.fastGaussNewtonMatrix(θ)
        let system = zip(G, M).map { zip($0, $1).map { $0 + (λ + μ) * $1 } }
        last = solve(system, g.indices.map { -g[$0] - μ * decayed[$0] + pull[$0] })
        let (Δ, report) = try trial.change()
        #expect(relativeError(Δ, last) < 1e-9)
        #expect(abs(report.stepNorm / norm(last) - 1) < 1e-9)
        #expect(report.solver?.termination == .converged)
      }
    }
  }

  @Test(arguments: [MetricOptions.Kind.inputs, .kronecker])
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

  @Test(arguments: [MetricOptions.Kind.inputs, .kronecker])
  func `A step of any network is the same by both solvers, on any number of ranks`(kind: MetricOptions.Kind) throws {
    let networks = [
      try Network(
        [
          .convolution(.init(channels: 3, kernel: 3, padding: 1)), .activation(.tanh), .flatten,
          .residual([.layerNorm, .linear(75), .activation(.gelu)]), .linear(9), .activation(.tanh),
        ], example: [5, 5], classes: 4),
      try Network([.linear(130), .activation(.tanh)], example: [6], classes: 4),
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
    for solver in [SolverOptions.Kind.cg, .gram] {
      let problem = ToyProblem(rows: 23, features: 4, classes: 6, largestMargin: 2, seed: 5)
      var options = options(solver, .kronecker)
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

  @Test func `A batch that is not finite leaves the moments alone`() throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 6, largestMargin: 2, seed: 5)
    let trial = Trial<Float>(problem, options(.gram, .kronecker))
    _ = try trial.advance()
    let before = trial.optimizer.memory.dropFirst().map(\.vector.array)
    trial.parameters[0] = .nan
    let report = try trial.advance()
    #expect(!report.accepted)
    #expect(trial.optimizer.memory.dropFirst().map(\.vector.array).last == before.last)
  }
}
