import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct VirtualShardCollectiveTests {
  @Test(arguments: [1, 3, 12, 40], [1, 2, 3, 4, 7])
  func `Virtual shards are the same rows on any number of ranks`(shards: Int, ranks: Int) {
    for batchSize in [1, 5, 12, 101] {
      var rows: [Range<Int>] = []
      for rank in 0..<ranks {
        let partition = RowPartition(rank: rank, ranks: ranks, virtualShards: shards)
        let (own, parts) = (partition.rows(of: batchSize), partition.parts(of: batchSize))
        #expect(parts.count == partition.partCount && parts.count == partition.partCount(of: rank))
        #expect(parts.first!.lowerBound == 0 && parts.last!.upperBound == own.count)
        #expect(own.count <= partition.capacity(of: batchSize))
        #expect(partition.rows(of: batchSize - 1).count <= partition.capacity(of: batchSize))
        if shards * (rank + 1) / ranks == shards * rank / ranks {
          #expect(parts == [0..<0])
        } else {
          rows += parts.map { own.lowerBound + $0.lowerBound..<own.lowerBound + $0.upperBound }
        }
      }
      #expect(rows == (0..<shards).map { (0..<batchSize).part($0, of: shards) })
    }
  }

  enum Method: Sendable {
    case fgn, ggn, sgd, adam
  }

  struct Variant: Sendable, CustomTestStringConvertible {
    let name: String
    let method: Method
    let isWeighted: Bool
    let set: @Sendable (inout GaussNewtonOptions) -> Void

    var testDescription: String { name }

    init(
      _ name: String, _ method: Method = .fgn, isWeighted: Bool = false,
      _ set: @escaping @Sendable (inout GaussNewtonOptions) -> Void = { _ in }
    ) {
      (self.name, self.method, self.isWeighted, self.set) = (name, method, isWeighted, set)
    }

    var options: GaussNewtonOptions {
      var options = GaussNewtonOptions()
      options.damping.interval = 1
      options.metric.interval = 2
      options.momentum = 0.5
      options.solver.tolerance = 1e-2
      options.solver.maxIterations = 12
      set(&options)
      return options
    }

    static let all = [
      Variant("cg") { $0.solver.kind = .cg },
      Variant("cg, many iterations") {
        $0.solver.kind = .cg
        // After fifty iterations the true residual replaces the recurrence.
        $0.solver.tolerance = .leastNonzeroMagnitude
        $0.solver.maxIterations = 52
        $0.damping.initial = 10
        $0.damping.policy = .constant
      },
      Variant("gram") { $0.solver.kind = .gram },
      Variant("gram-cg, no momentum, line search") {
        $0.solver.kind = .gramCG
        $0.momentum = 0
        $0.stepLength = .lineSearch
      },
      Variant("cg, kronecker, weight decay, ggn length") {
        ($0.solver.kind, $0.metric.kind, $0.weightDecay, $0.stepLength) = (.cg, .kronecker, 1e-2, .ggn)
      },
      Variant("gram, kronecker, weight decay") {
        ($0.solver.kind, $0.metric.kind, $0.weightDecay) = (.gram, .kronecker, 1e-2)
      },
      Variant("gram, inputs, nesterov, weight decay without biases") {
        $0.solver.kind = .gram
        $0.metric.kind = .inputs
        $0.nesterov = true
        $0.weightDecay = 1e-2
        $0.decaysBiases = false
      },
      Variant("cg, inputs, nesterov, line search, constant damping") {
        $0.solver.kind = .cg
        $0.metric.kind = .inputs
        $0.nesterov = true
        $0.stepLength = .lineSearch
        $0.damping.policy = .constant
      },
      Variant("cg, outputs, nesterov, weight decay") {
        ($0.solver.kind, $0.metric.kind, $0.nesterov, $0.weightDecay) = (.cg, .outputs, true, 1e-2)
      },
      Variant("gram, outputs, weight decay, weights", isWeighted: true) {
        ($0.solver.kind, $0.metric.kind, $0.weightDecay) = (.gram, .outputs, 1e-2)
      },
      Variant("cg, diagonal, nesterov, weight decay") {
        ($0.solver.kind, $0.metric.kind, $0.nesterov, $0.weightDecay) = (.cg, .diagonal, true, 1e-2)
      },
      Variant("gram, diagonal, weight decay, weights", isWeighted: true) {
        ($0.solver.kind, $0.metric.kind, $0.weightDecay) = (.gram, .diagonal, 1e-2)
      },
      Variant("gram, sweep, weight decay, ggn length") {
        ($0.solver.kind, $0.damping.policy, $0.weightDecay, $0.stepLength) = (.gram, .sweep, 1e-2, .ggn)
      },
      Variant("gram-cg, sweep, kronecker") {
        ($0.solver.kind, $0.damping.policy, $0.metric.kind) = (.gramCG, .sweep, .kronecker)
      },
      Variant("ggn", .ggn) { $0.stepLength = .ggn },
      Variant("ggn, nesterov, weight decay", .ggn) {
        $0.nesterov = true
        $0.weightDecay = 1e-2
      },
      Variant("sgd", .sgd), Variant("adam", .adam),
      Variant("cg, kronecker, ggn length, weights", isWeighted: true) {
        $0.solver.kind = .cg
        $0.metric.kind = .kronecker
        $0.stepLength = .ggn
      },
      Variant("gram, kronecker, weights", isWeighted: true) {
        $0.solver.kind = .gram
        $0.metric.kind = .kronecker
      },
      Variant("ggn, line search, weights", .ggn, isWeighted: true) { $0.stepLength = .lineSearch },
      Variant("adam, weights", .adam, isWeighted: true),
    ]
  }

  static let networks: [(name: String, network: Network)] = [
    ("head", Network([Linear(inputs: 30, outputs: 7)])),
    ("head of many classes", Network([Linear(inputs: 30, outputs: 130)])),
    ("head of many classes without biases", Network([Linear(inputs: 30, outputs: 130, hasBias: false)])),
    (
      "perceptron",
      try! Network([.linear(23), .activation(.tanh), .linear(17), .activation(.gelu)], example: [30], classes: 5)
    ),
    (
      "convolutions",
      try! Network(
        [
          .convolution(.init(channels: 3, kernel: 3, padding: 1)), .activation(.tanh), .maxPool(.init(kernel: 2)),
          .residual([.layerNorm, .convolution(.init(channels: 3, kernel: 3, padding: 1)), .activation(.silu)]),
          // Four positions of many channels, where products of pairs are cheaper than gradients.
          .convolution(.init(channels: 16, kernel: 1)), .convolution(.init(channels: 32, kernel: 2)),
          .activation(.relu), .globalAveragePool, .residual([.layerNorm, .linear(32), .activation(.gelu)]), .linear(13),
        ], example: [6, 6], classes: 4)
    ),
  ]

  /// The results of some steps on batches of several sizes: parameters, memory, and figures of the reports.
  func run<Scalar: DistributedScalar>(
    _: Scalar.Type, _ variant: Variant, _ network: Network, shards: Int?, over communicator: Communicator
  ) throws -> [[Scalar]] {
    let sizes = [61, 37, 61, 5]
    let partition = RowPartition(rank: communicator.rank, ranks: communicator.size, virtualShards: shards)
    let capacity = partition.capacity(of: sizes.max()!)
    func steps(_ optimizer: some Optimizer<Scalar>, rate: Double) throws -> [[Scalar]] {
      let parameters: Vector<Scalar> = network.initialParameters(seed: 4)
      var samples = Samples(seed: 3)
      var figures: [Double] = []
      for (step, size) in sizes.enumerated() {
        let features: Matrix<Scalar> = samples.matrix(size, network.inputCount)
        let labels = (0..<size).map { _ in Int32(samples.integer(below: network.outputCount)) }
        let weights = (0..<size).map { _ in Scalar(samples.integer(below: 4)) / 2 }
        let mine = partition.rows(of: size)
        let report = try optimizer.advance(
          parameters,
          on: Batch(
            inputs: .dense(features[rows: mine]), labels: labels[mine],
            weights: variant.isWeighted ? Vector(Array(weights[mine])) : nil, globalSize: size), rate: rate,
          interrupt: step == 2 && communicator.rank == communicator.size - 1)
        #expect(report.interrupted == (step == 2))
        figures += [
          report.loss, report.gradientNorm, report.stepNorm, report.stepLength, report.damping ?? 0,
          Double(report.solver?.iterations ?? 0), report.solver?.residual ?? 0,
          report.reductionRatio.map { $0.isNaN ? -1 : $0 } ?? 0,
        ]
      }
      return [parameters.array, figures.map { Scalar($0) }] + optimizer.memory.map(\.vector.array)
    }
    let options = variant.options
    switch variant.method {
    case .fgn:
      return try steps(
        FastGaussNewton(
          network, options: options, capacity: capacity, partition: partition, communicator: communicator), rate: 0.3)
    case .ggn:
      return try steps(
        GeneralizedGaussNewton(
          network, options: options, capacity: capacity, partition: partition, communicator: communicator), rate: 0.3)
    case .sgd, .adam:
      let method = variant.method == .sgd ? FirstOrderOptions.Method.sgd(momentum: 0.9, nesterov: true) : .adam(.init())
      return try steps(
        FirstOrder(
          network, options: FirstOrderOptions(method, weightDecay: 1e-3), capacity: capacity, partition: partition,
          communicator: communicator), rate: 0.01)
    }
  }

  func check<Scalar: DistributedScalar>(
    _: Scalar.Type, _ variant: Variant, _ network: Network, shards: Int, tolerance: Double
  ) throws {
    let alone = try World.once {
      try withThreads(1, pieces: 8) {
        try run(Scalar.self, variant, network, shards: shards, over: Communicator()).flatMap(\.self)
      }
    }
    let together = try withThreads(2, pieces: 8) {
      try run(Scalar.self, variant, network, shards: shards, over: World.communicator).flatMap(\.self)
    }
    let isSame = together.elementsEqual(alone) { $0 == $1 || $0.isNaN && $1.isNaN }
    #expect(isSame, "\(Scalar.self), \(shards) shards")
    // Steps without virtual shards agree up to rounding.
    let plain = try World.once { try run(Scalar.self, variant, network, shards: nil, over: Communicator())[0] }
    let parameters = alone.prefix(plain.count)
    let difference = relativeError(parameters.map { Double($0) }, plain.map { Double($0) })
    #expect(difference < tolerance, "\(Scalar.self), \(shards) shards")
    #expect(parameters.allSatisfy { $0.isFinite })
  }

  @Test(arguments: Variant.all, networks.map(\.name))
  func `Steps have the same bits on any number of ranks and threads`(variant: Variant, name: String) throws {
    let network = Self.networks.first { $0.name == name }!.network
    try check(Double.self, variant, network, shards: 12, tolerance: 1e-6)
    // With three shards, a fourth rank has no rows. In `Float`, the iteration at which a solver stops, or the best λ, may
    // depend on a rounding.
    try check(Float.self, variant, network, shards: 3, tolerance: 0.1)
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gram])
  func `Steps with virtual shards equal the dense solve`(solver: SolverOptions.Kind) throws {
    let problem = ToyProblem(rows: 37, features: 6, classes: 5, largestMargin: 3, seed: 7)
    var options = exactOptions(damping: 1e-2, weightDecay: 1e-3)
    options.momentum = 0.5
    options.solver.kind = solver
    let world = World.communicator
    let partition = RowPartition(rank: world.rank, ranks: world.size, virtualShards: 5)
    let mine = partition.rows(of: 37)
    let optimizer = FastGaussNewton<Double>(
      Network([Linear(inputs: 6, outputs: 5)]), options: options, capacity: partition.capacity(of: 37),
      partition: partition, communicator: world)
    let parameters = Vector(problem.parameters)
    var last = [Double](repeating: 0, count: parameters.count)
    for _ in 0..<2 {
      let before = parameters.array
      let expected = problem.oracle.step(before, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5, lastStep: last)
      _ = try optimizer.advance(
        parameters, on: Batch(inputs: .dense(problem.inputs(mine)), labels: problem.labels(mine), globalSize: 37),
        rate: 1)
      #expect(relativeError(zip(parameters.array, before).map { $0 - $1 }, expected) < 1e-9)
      last = optimizer.lastStep.array
    }
  }

  @Test func `A step takes as many collectives as without virtual shards`() throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: 12, largestMargin: 0.5, seed: 16)
    let world = World.communicator
    func used(_ kind: SolverOptions.Kind, shards: Int?) throws -> Communicator.Statistics {
      var options = plainOptions()
      options.solver.kind = kind
      options.damping.policy = .levenbergMarquardt
      let partition = RowPartition(rank: world.rank, ranks: world.size, virtualShards: shards)
      let mine = partition.rows(of: 23)
      let optimizer = FastGaussNewton<Double>(
        Network([Linear(inputs: 4, outputs: 12)]), options: options, capacity: partition.capacity(of: 23),
        partition: partition, communicator: world)
      let before = world.statistics
      _ = try optimizer.advance(
        Vector(problem.parameters),
        on: Batch(inputs: .dense(problem.inputs(mine)), labels: problem.labels(mine), globalSize: 23), rate: 1)
      return world.statistics - before
    }
    for kind in [SolverOptions.Kind.cg, .gram] {
      let (plain, sharded) = (try used(kind, shards: nil), try used(kind, shards: 12))
      #expect(sharded.allreduces == plain.allreduces && sharded.allreducedBytes == plain.allreducedBytes)
      #expect(sharded.allgathers == plain.allgathers)
    }
  }

  @Test func `Looking ahead in a metric with weight decay works from the first step on`() throws {
    var options = exactOptions(damping: 1e-1, weightDecay: 1e-2)
    options.momentum = 0.5
    options.nesterov = true
    options.metric.kind = .kronecker
    let problem = ToyProblem(rows: 29, features: 6, classes: 5, largestMargin: 1, seed: 7)
    for kind in [SolverOptions.Kind.cg, .gram] {
      options.solver.kind = kind
      let trial = Trial<Double>(problem, options)
      let first = try trial.advance()
      for _ in 0..<5 { _ = try trial.advance() }
      let last = try trial.advance()
      #expect(first.accepted && last.loss < first.loss)
    }
  }
}
