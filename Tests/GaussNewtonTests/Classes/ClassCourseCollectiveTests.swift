import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

/// Courses of steps with shared-out classes, against those of a single process with all of them.
@Suite(.serialized) struct ClassCourseCollectiveTests {
  /// A method, by its name in messages.
  struct Way: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var options = plainOptions()
    var firstOrder: FirstOrderOptions?
    var isFull = false
    var rate = 1.0

    init(_ name: String, _ change: (inout GaussNewtonOptions) -> Void) {
      testDescription = name
      options.damping.initial = 0.1
      options.momentum = 0.6
      options.weightDecay = 1e-3
      change(&options)
    }

    init(_ name: String, _ method: FirstOrderOptions.Method) {
      testDescription = name
      firstOrder = FirstOrderOptions(method, weightDecay: 1e-3, decaysBiases: false, decaysToInitial: false)
      rate = 0.05
    }

    /// With smaller steps: large ones on layers that are not linear multiply rounding by much in each.
    var gentle: Way {
      var way = self
      way.options.damping.initial = 1
      way.options.damping.minimum = 0.5
      way.rate /= 4
      return way
    }
  }

  static let ways: [Way] =
    [SolverOptions.Kind.cg, .gram, .gramCG].flatMap { kind in
      [
        Way("\(kind), Levenberg-Marquardt, GGN length") {
          $0.solver.kind = kind
          $0.damping.policy = .levenbergMarquardt
        },
        Way("\(kind), line search, Nesterov") {
          $0.solver.kind = kind
          $0.stepLength = .lineSearch
          $0.nesterov = true
        },
        Way("\(kind), decay to the start, no momentum") {
          $0.solver.kind = kind
          $0.momentum = 0
          $0.decaysToInitial = true
          $0.decaysBiases = false
        },
        Way("\(kind), diagonal metric") {
          $0.solver.kind = kind
          $0.metric.kind = .diagonal
        },
        Way("\(kind), much decay, to a coarse tolerance") {
          $0.solver.kind = kind
          $0.weightDecay = 0.02
          $0.solver.tolerance = 0.3
          $0.solver.gramTolerance = 0.3
        },
        Way("\(kind), metric of outputs, Nesterov") {
          $0.solver.kind = kind
          $0.metric.kind = .outputs
          $0.nesterov = true
        },
      ]
    } + [
      Way("sweep") {
        $0.solver.kind = .gram
        $0.damping.policy = .sweep
        // Smaller damping multiplies rounding, which differs between dense and sparse rows.
        $0.damping.minimum = 0.02
        $0.damping.interval = 3
      },
      Way("sweep, diagonal metric") {
        $0.solver.kind = .gram
        $0.damping.policy = .sweep
        // Smaller damping multiplies rounding, which differs between dense and sparse rows.
        $0.damping.minimum = 0.02
        $0.metric.kind = .diagonal
      },
      {
        var way = Way("full matrix") { $0.damping.policy = .levenbergMarquardt }
        way.isFull = true
        return way
      }(),
      Way("SGD", .sgd(momentum: 0, nesterov: false)), Way("SGD with momentum", .sgd(momentum: 0.9, nesterov: true)),
      Way("Adam", .adam(AdamOptions())),
    ]

  /// Twenty steps over batches of several sizes.
  func run(
    _ trial: ClassTrial<some Optimizer<Double>>, rate: Double
  ) throws -> (reports: [StepReport], parameters: [Double], own: [Double]) {
    trial.optimizer.begin(at: trial.parameters)
    var samples = Samples(seed: 20)
    let reports = try (0..<20).map { step in
      let count = [37, 64, 3, 50][step % 4]
      let start = samples.integer(below: trial.problem.rowCount - count)
      return try trial.advance(on: start..<start + count, rate: rate * (1 - Double(step) / 40))
    }
    return (reports, try trial.whole(trial.parameters), trial.parameters.array)
  }

  func run(
    _ way: Way, _ problem: ToyProblem, isSparse: Bool, on trunk: [any Layer] = [], inGroupsOf group: Int? = nil
  ) throws -> (reports: [StepReport], parameters: [Double], own: [Double]) {
    if let firstOrder = way.firstOrder {
      return try run(
        ClassTrial<FirstOrder<Double>>(problem, firstOrder, isSparse: isSparse, on: trunk, inGroupsOf: group),
        rate: way.rate)
    }
    if way.isFull {
      return try run(
        ClassTrial<GeneralizedGaussNewton<Double>>(
          problem, way.options, isSparse: isSparse, on: trunk, inGroupsOf: group),
        rate: way.rate)
    }
    return try run(
      ClassTrial<FastGaussNewton<Double>>(problem, way.options, isSparse: isSparse, on: trunk, inGroupsOf: group),
      rate: way.rate)
  }

  /// The same steps with all classes on one rank, without sharing out; those of a head alone on dense rows.
  func reference(
    _ way: Way, _ problem: ToyProblem, isSparse: Bool = false, on trunk: [any Layer] = []
  ) throws -> [StepReport] {
    let network = Network(
      trunk + [
        Linear(
          inputs: trunk.last?.outputCount ?? problem.featureCount, outputs: problem.oracle.classCount,
          hasBias: problem.oracle.hasBias)
      ])
    let alone = Communicator()
    func steps(_ optimizer: some Optimizer<Double>) throws -> [StepReport] {
      let parameters = trunk.isEmpty ? Vector(problem.parameters) : network.initialParameters(seed: 8)
      optimizer.begin(at: parameters)
      var samples = Samples(seed: 20)
      return try (0..<20).map { step in
        let count = [37, 64, 3, 50][step % 4]
        let start = samples.integer(below: problem.rowCount - count)
        let rows = start..<start + count
        return try optimizer.advance(
          parameters,
          on: Batch(
            inputs: isSparse
              ? .sparse(CSRMatrix(Array(problem.oracle.features[rows]), columns: problem.featureCount))
              : .dense(problem.inputs(rows)), labels: problem.labels(rows), weights: problem.weights(rows),
            globalSize: count),
          rate: way.rate * (1 - Double(step) / 40))
      }
    }
    if let firstOrder = way.firstOrder {
      return try steps(FirstOrder<Double>(network, options: firstOrder, capacity: 64, communicator: alone))
    }
    if way.isFull {
      return try steps(
        GeneralizedGaussNewton<Double>(network, options: way.options, capacity: 64, communicator: alone))
    }
    return try steps(
      FastGaussNewton<Double>(network, options: way.options, capacity: 64, communicator: alone))
  }

  /// Numbers of ranks that share out classes: all, and others of which there are several groups.
  static var groupSizes: [Int?] { [nil] + (1..<World.size).filter { World.size % $0 == 0 } }

  @Test(arguments: ways, [3, 11])
  func `Twenty steps have the losses of a single process`(way: Way, classes: Int) throws {
    let problem = ToyProblem(rows: 150, features: 6, classes: classes, largestMargin: 2, seed: 19)
      .weighted((0..<150).map { [1, 2, 0, 0.5, 1.5][$0 % 5] })
    let expected = try reference(way, problem)
    for group in Self.groupSizes {
      for isSparse in [false, true] {
        let (reports, parameters, _) = try run(way, problem, isSparse: isSparse, inGroupsOf: group)
        for (mine, reference) in zip(reports, expected) {
          #expect(abs(mine.loss / reference.loss - 1) < 1e-9, "groups of \(group ?? World.size)")
          #expect(abs(mine.stepNorm / reference.stepNorm - 1) < 1e-7)
          #expect(mine.damping == reference.damping && mine.accepted == reference.accepted)
          #expect(mine.solver?.iterations == reference.solver?.iterations)
          #expect(abs(mine.gradientNorm / reference.gradientNorm - 1) < 1e-7)
          #expect(mine.solver?.iterations == reference.solver?.iterations)
        }
        #expect(Set(reports.map(\.loss)).count == 20)
        #expect(parameters.allSatisfy { $0.isFinite })
      }
    }
  }

  /// Layers on which the inner products of row gradients are formed in each of the ways that there are.
  static let trunks: [String: [any Layer]] = [
    "dense": [
      Linear(inputs: 6, outputs: 8), Activation(.tanh, count: 8), LayerNormalization(shape: [8]),
      Residual(Stack([Linear(inputs: 8, outputs: 8), Activation(.gelu, count: 8)])),
    ],
    "convolution": [
      Convolution(
        ImageShape(channels: 1, height: 2, width: 3), channels: 4, kernel: 2, stride: 1, padding: 1)!,
      Activation(.silu, count: 48),
    ],
    "sparse": [SparseLinear(inputs: 6, outputs: 8), Activation(.tanh, count: 8), Linear(inputs: 8, outputs: 5)],
  ]

  /// Each way on each trunk, but those in a metric on one of them.
  static let waysOnTrunks = ways.enumerated().flatMap { index, way in
    let names = trunks.keys.sorted()
    return (way.options.metric.kind == .identity ? names : [names[index / 2 % 3]]).map { (way, $0) }
  }

  @Test(arguments: waysOnTrunks)
  func `Twenty steps of a network with shared classes have the losses of a single process`(
    way: Way, trunk: String
  ) throws {
    let (layers, isSparse, way) = (Self.trunks[trunk]!, trunk == "sparse", way.gentle)
    for (classes, group) in [3, 11].flatMap({ classes in Self.groupSizes.map { (classes, $0) } }) {
      let problem = ToyProblem(rows: 150, features: 6, classes: classes, largestMargin: 2, seed: 19)
        .weighted((0..<150).map { [1, 2, 0, 0.5, 1.5][$0 % 5] })
      let expected = try reference(way, problem, isSparse: isSparse, on: layers)
      let (reports, parameters, all) = try run(way, problem, isSparse: isSparse, on: layers, inGroupsOf: group)
      for (mine, reference) in zip(reports, expected) {
        #expect(abs(mine.loss / reference.loss - 1) < 1e-9)
        #expect(mine.damping == reference.damping && mine.accepted == reference.accepted)
        #expect(mine.solver?.iterations == reference.solver?.iterations)
      }
      #expect(Set(reports.map(\.loss)).count == 20 && parameters.allSatisfy(\.isFinite))
      // All ranks have the same layers below the head, to the bit.
      let count = Network(layers).layout.count
      let own = all[..<count].map(\.bitPattern)
      #expect(try World.communicator.allgather(own) == (0..<World.size).flatMap { _ in own })
    }
  }

  @Test func `All ranks report the same, and a wish of one to stop is known to all`() throws {
    let problem = ToyProblem(rows: 20, features: 4, classes: 7, largestMargin: 1, seed: 5)
    let world = World.communicator
    for way in Self.ways {
      for wish in [false, true] {
        func report(_ trial: ClassTrial<some Optimizer<Double>>) throws -> StepReport {
          try trial.advance(interrupt: wish && world.rank == world.size - 1)
        }
        let report =
          if let firstOrder = way.firstOrder {
            try report(ClassTrial<FirstOrder<Double>>(problem, firstOrder))
          } else if way.isFull {
            try report(ClassTrial<GeneralizedGaussNewton<Double>>(problem, way.options))
          } else {
            try report(ClassTrial<FastGaussNewton<Double>>(problem, way.options))
          }
        #expect(report.interrupted == wish)
        let figures = [report.loss, report.stepNorm, report.gradientNorm, report.stepLength].map(\.bitPattern)
        #expect(try world.allgather(figures) == (0..<world.size).flatMap { _ in figures })
      }
    }
  }
}
