import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct SparseStepCollectiveTests {
  /// A classification problem with sparse rows and the parameters of a dense linear head, C × d.
  static func problem(rows: Int, features d: Int = 6, classes C: Int, hasEntries: Bool = true) -> ToyProblem {
    var samples = Samples(seed: UInt64(rows + C))
    let features = samples.sparseRows(rows, d)
    return ToyProblem(
      features: hasEntries ? features : features.map { $0.map { _ in 0 } },
      labels: (0..<rows).map { _ in samples.integer(below: C) }, classes: C, parameters: samples.normals(C * (d + 1)))
  }

  /// The network on sparse rows or on dense ones.
  struct Model {
    /// The outputs of its hidden layers.
    var hidden: [Int] = []
    /// The initial parameters, in the order of the dense network.
    var parameters: [Double]
    var isSparse = true
  }

  /// What rows a rank has.
  enum Division {
    case even
    case virtualShards(Int)
    /// These rows on this rank.
    case own(Range<Int>)
  }

  /// The changes of the parameters in some steps, in the order of the dense network, and the reports. Collective.
  func changes(
    of model: Model, on problem: ToyProblem, steps: Int = 2, rows division: Division = .even,
    over communicator: Communicator = World.communicator,
    _ make: (Network, _ capacity: Int, RowPartition, Communicator) -> some Optimizer<Double>
  ) throws -> (changes: [[Double]], reports: [StepReport]) {
    let (θ, sparse) = (model.parameters, model.isSparse)
    let (B, d, C) = (problem.rowCount, problem.featureCount, problem.oracle.classCount)
    let network = try Network(
      model.hidden.flatMap { [.linear($0), .activation(.tanh)] }, example: [d], classes: C,
      bias: problem.oracle.hasBias, sparseInputs: sparse)
    let partition: RowPartition
    let mine: Range<Int>
    switch division {
    case .even:
      partition = RowPartition(rank: communicator.rank, ranks: communicator.size)
      mine = partition.rows(of: B)
    case .virtualShards(let count):
      partition = RowPartition(rank: communicator.rank, ranks: communicator.size, virtualShards: count)
      mine = partition.rows(of: B)
    case .own(let rows): (partition, mine) = (RowPartition(), rows)
    }
    let optimizer = make(network, max(mine.count, partition.capacity(of: B)), partition, communicator)
    let first = model.hidden.first ?? C
    let parameters = Vector(sparse ? transposingFirst(θ, first, d) : θ)
    func dense() -> [Double] { sparse ? transposingFirst(parameters.array, d, first) : parameters.array }
    let rows = Array(problem.oracle.features[mine])
    let inputs: Inputs<Double> = sparse ? .sparse(CSRMatrix(rows, columns: d)) : .dense(problem.inputs(mine))
    var result: (changes: [[Double]], reports: [StepReport]) = ([], [])
    for _ in 0..<steps {
      let before = dense()
      result.reports.append(
        try optimizer.advance(
          parameters, on: Batch(inputs: inputs, labels: problem.labels(mine), globalSize: B), rate: 0.5))
      result.changes.append(zip(dense(), before).map { $0 - $1 })
    }
    return result
  }

  func options(_ kind: SolverOptions.Kind, damping λ: Double, weightDecay μ: Double = 0, momentum η: Double = 0)
    -> GaussNewtonOptions
  {
    var options = exactOptions(damping: λ, weightDecay: μ)
    options.solver.kind = kind
    options.momentum = η
    return options
  }

  func checkAgainstOracle(
    _ problem: ToyProblem, _ kind: SolverOptions.Kind, full: Bool = false, rows division: Division = .even
  ) throws {
    // A single row soon becomes certain, and then nothing is left to compare.
    let steps = problem.rowCount == 1 ? 1 : 2
    let head = Model(parameters: problem.parameters)
    for (λ, μ, η) in [(1e-2, 0, 0), (1e-1, 1e-2, 0.8)] {
      let options = options(kind, damping: λ, weightDecay: μ, momentum: η)
      let (changes, reports) =
        try full
        ? changes(of: head, on: problem, steps: steps, rows: division) {
          GeneralizedGaussNewton($0, options: options, capacity: $1, partition: $2, communicator: $3)
        }
        : changes(of: head, on: problem, steps: steps, rows: division) {
          FastGaussNewton($0, options: options, capacity: $1, partition: $2, communicator: $3)
        }
      var θ = problem.parameters
      var last: [Double]?
      for (Δ, report) in zip(changes, reports) {
        let expected = problem.oracle.step(θ, damping: λ, weightDecay: μ, momentum: η, lastStep: last, full: full)
        #expect(relativeError(Δ, expected.map { 0.5 * $0 }) < 1e-9, "\(kind) λ \(λ) μ \(μ) η \(η) \(report.solver!)")
        #expect(abs(report.loss / problem.oracle.loss(θ) - 1) < 1e-12)
        θ = moved(θ, 1, Δ)
        last = expected
      }
    }
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [2, 3, 30])
  func `A step equals the dense solve`(kind: SolverOptions.Kind, classes: Int) throws {
    for rows in [1, 2, 5, 37] {
      let problem = Self.problem(rows: rows, classes: classes)
      try checkAgainstOracle(problem, kind)
      // A row without entries gives a head without biases no gradient.
      if rows > 1 { try checkAgainstOracle(problem.withoutBias, kind) }
    }
    try checkAgainstOracle(Self.problem(rows: 5, classes: classes, hasEntries: false), kind)
  }

  @Test(arguments: [2, 3, 30])
  func `A step with the full curvature equals the dense solve`(classes: Int) throws {
    for rows in [1, 5, 37] {
      let problem = Self.problem(rows: rows, classes: classes)
      try checkAgainstOracle(problem, .cg, full: true)
      if rows > 1 { try checkAgainstOracle(problem.withoutBias, .cg, full: true) }
    }
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram, .gramCG], [MetricOptions.Kind.identity, .outputs, .diagonal])
  func `Rows without entries do not move a head without biases`(
    solver: SolverOptions.Kind, metric: MetricOptions.Kind
  ) throws {
    let problem = Self.problem(rows: 7, classes: 3, hasEntries: false).withoutBias
    var options = options(solver, damping: 1e-2, momentum: 0.8)
    options.metric.kind = metric
    let (changes, reports) = try changes(of: Model(parameters: problem.parameters), on: problem) { [options] in
      FastGaussNewton($0, options: options, capacity: $1, partition: $2, communicator: $3)
    }
    #expect(changes.allSatisfy { $0.allSatisfy { $0 == 0 } })
    #expect(reports.allSatisfy { abs($0.loss / problem.oracle.loss(problem.parameters) - 1) < 1e-12 })
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram])
  func `Ranks may have no rows`(kind: SolverOptions.Kind) throws {
    let world = World.communicator
    for owner in 0..<world.size {
      let shard = world.rank < owner ? 0..<0 : world.rank == owner ? 0..<23 : 23..<23
      try checkAgainstOracle(Self.problem(rows: 23, classes: 4), kind, rows: .own(shard))
    }
  }

  @Test(arguments: [
    ([], 0.5, true), ([6], 0.5, true), ([6, 5], 0.5, true), ([130], 0.5, true), ([6, 130], 0.1, true),
    ([], 0.5, false), ([6], 0.5, false),
  ])
  func `Steps of all methods equal those of the dense network`(
    hidden: [Int], deviation: Double, hasBias: Bool
  ) throws {
    let biased = Self.problem(rows: 37, classes: 4)
    let problem = hasBias ? biased : biased.withoutBias
    var samples = Samples(seed: 9)
    let sizes = [problem.featureCount] + hidden + [4]
    let count = zip(sizes, sizes.dropFirst()).reduce(0) { $0 + ($1.0 + 1) * $1.1 } - (hasBias ? 0 : 4)
    let θ = samples.normals(count, deviation)
    func check<Method: Optimizer>(
      _ make: (Network, Int, RowPartition, Communicator) -> Method
    ) throws where Method.Scalar == Double {
      var model = Model(hidden: hidden, parameters: θ)
      let own = try changes(of: model, on: problem, steps: 3, make)
      model.isSparse = false
      let expected = try changes(of: model, on: problem, steps: 3, over: Communicator(), make)
      for (Δ, reference) in zip(own.changes, expected.changes) { #expect(relativeError(Δ, reference) < 1e-9) }
      for (report, reference) in zip(own.reports, expected.reports) {
        // Losses reach 50, and their roundings are larger by the same factor.
        #expect(abs(report.loss - reference.loss) < 1e-12 * max(10, reference.loss))
        #expect(abs(report.stepLength - reference.stepLength) < 1e-9)
      }
    }
    for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
      let variants: [(Bool, MetricOptions.Kind)] = [
        (false, .identity), (true, .identity), (true, .outputs), (true, .diagonal), (false, .diagonal),
      ]
      for (nesterov, metric) in variants {
        var options = options(kind, damping: 1e-1, weightDecay: 1e-2, momentum: 0.5)
        (options.metric.kind, options.metric.interval) = (metric, 2)
        options.nesterov = nesterov
        options.stepLength = .ggn
        options.decaysBiases = false
        try check { FastGaussNewton($0, options: options, capacity: $1, partition: $2, communicator: $3) }
      }
    }
    var sweep = options(.gram, damping: 1e-1, weightDecay: 1e-2)
    sweep.damping.policy = .sweep
    for metric in [MetricOptions.Kind.identity, .outputs, .diagonal] {
      sweep.metric.kind = metric
      try check { [sweep] in FastGaussNewton($0, options: sweep, capacity: $1, partition: $2, communicator: $3) }
    }
    let full = options(.cg, damping: 1e-1, weightDecay: 1e-2)
    try check { GeneralizedGaussNewton($0, options: full, capacity: $1, partition: $2, communicator: $3) }
    for method in [FirstOrderOptions.Method.sgd(momentum: 0.9, nesterov: true), .adam(.init())] {
      let options = FirstOrderOptions(method, weightDecay: 1e-3)
      try check { FirstOrder($0, options: options, capacity: $1, partition: $2, communicator: $3) }
    }
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram], [[], [6]])
  func `With virtual shards steps have the same bits on any number of ranks and threads`(
    kind: SolverOptions.Kind, hidden: [Int]
  ) throws {
    let problem = Self.problem(rows: 101, features: 300, classes: 5)
    var samples = Samples(seed: 9)
    let sizes = [300] + hidden + [5]
    let θ = samples.normals(zip(sizes, sizes.dropFirst()).reduce(0) { $0 + ($1.0 + 1) * $1.1 }, 0.2)
    var options = options(kind, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5)
    options.solver.tolerance = 1e-3
    let model = Model(hidden: hidden, parameters: θ)
    let variants: [(Int, MetricOptions.Kind)] = [(12, .identity), (3, .identity), (12, .outputs), (12, .diagonal)]
    for (shards, metric) in variants {
      options.metric.kind = metric
      let options = options
      func run(threads: Int, over communicator: Communicator) throws -> [[Double]] {
        try withThreads(threads, pieces: 8) {
          try changes(of: model, on: problem, rows: .virtualShards(shards), over: communicator) {
            FastGaussNewton($0, options: options, capacity: $1, partition: $2, communicator: $3)
          }.changes
        }
      }
      #expect(try run(threads: 2, over: World.communicator) == run(threads: 1, over: Communicator()))
    }
    if hidden.isEmpty {
      let problem = Self.problem(rows: 37, classes: 4)
      for problem in [problem, problem.withoutBias] {
        try checkAgainstOracle(problem, kind, rows: .virtualShards(5))
      }
    }
  }

  @Test func `Communication is what the documentation says`() throws {
    let problem = Self.problem(rows: 23, classes: 12)
    let world = World.communicator
    let before = world.statistics
    _ = try changes(of: Model(parameters: problem.parameters), on: problem, steps: 1, over: world) {
      FastGaussNewton(
        $0, options: options(.gram, damping: 1e-1), capacity: $1, partition: $2, communicator: $3)
    }
    let used = world.statistics - before
    let (B, N, P) = (23, world.size, problem.parameters.count)
    let entries = problem.oracle.features.reduce(0) { $0 + $1.count { $0 != 0 } }
    #expect(used.allreduces == 1 && used.allreducedBytes == 8 * P)
    #expect(used.allgathers == (N == 1 ? 3 : 7))
    #expect(
      used.allgatheredBytes
        == 24 * N + (N == 1 ? 0 : 4 * B + (4 + 8) * entries + 8 * B * 12) + 8 * (B * B + 3 * B))
  }
}
