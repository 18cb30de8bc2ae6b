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
  ) throws -> (reports: [StepReport], parameters: [Double]) {
    trial.optimizer.begin(at: trial.parameters)
    var samples = Samples(seed: 20)
    let reports = try (0..<20).map { step in
      let count = [37, 64, 3, 50][step % 4]
      let start = samples.integer(below: trial.problem.rowCount - count)
      return try trial.advance(on: start..<start + count, rate: rate * (1 - Double(step) / 40))
    }
    return (reports, try trial.whole(trial.parameters))
  }

  func run(
    _ way: Way, _ problem: ToyProblem, isSparse: Bool, over communicator: Communicator
  ) throws -> (reports: [StepReport], parameters: [Double]) {
    if let firstOrder = way.firstOrder {
      return try run(
        ClassTrial<FirstOrder<Double>>(problem, firstOrder, isSparse: isSparse, over: communicator), rate: 0.05)
    }
    if way.isFull {
      return try run(
        ClassTrial<GeneralizedGaussNewton<Double>>(problem, way.options, isSparse: isSparse, over: communicator),
        rate: 1)
    }
    return try run(
      ClassTrial<FastGaussNewton<Double>>(problem, way.options, isSparse: isSparse, over: communicator), rate: 1)
  }

  /// The same steps with all classes on one rank, without sharing out.
  func reference(_ way: Way, _ problem: ToyProblem) throws -> [StepReport] {
    let network = Network([
      Linear(inputs: problem.featureCount, outputs: problem.oracle.classCount, hasBias: problem.oracle.hasBias)
    ])
    let alone = Communicator()
    func steps(_ optimizer: some Optimizer<Double>, rate: Double) throws -> [StepReport] {
      let parameters = Vector(problem.parameters)
      optimizer.begin(at: parameters)
      var samples = Samples(seed: 20)
      return try (0..<20).map { step in
        let count = [37, 64, 3, 50][step % 4]
        let start = samples.integer(below: problem.rowCount - count)
        let rows = start..<start + count
        return try optimizer.advance(
          parameters,
          on: Batch(
            inputs: .dense(problem.inputs(rows)), labels: problem.labels(rows), weights: problem.weights(rows),
            globalSize: count),
          rate: rate * (1 - Double(step) / 40))
      }
    }
    if let firstOrder = way.firstOrder {
      return try steps(
        FirstOrder<Double>(network, options: firstOrder, capacity: 64, communicator: alone), rate: 0.05)
    }
    if way.isFull {
      return try steps(
        GeneralizedGaussNewton<Double>(network, options: way.options, capacity: 64, communicator: alone), rate: 1)
    }
    return try steps(
      FastGaussNewton<Double>(network, options: way.options, capacity: 64, communicator: alone), rate: 1)
  }

  @Test(arguments: ways, [3, 11])
  func `Twenty steps have the losses of a single process`(way: Way, classes: Int) throws {
    let problem = ToyProblem(rows: 150, features: 6, classes: classes, largestMargin: 2, seed: 19)
      .weighted((0..<150).map { [1, 2, 0, 0.5, 1.5][$0 % 5] })
    let expected = try reference(way, problem)
    for isSparse in [false, true] {
      let (reports, parameters) = try run(way, problem, isSparse: isSparse, over: World.communicator)
      for (mine, reference) in zip(reports, expected) {
        #expect(abs(mine.loss / reference.loss - 1) < 1e-9)
        #expect(abs(mine.stepNorm / reference.stepNorm - 1) < 1e-7)
        #expect(mine.damping == reference.damping && mine.accepted == reference.accepted)
      }
      #expect(Set(reports.map(\.loss)).count == 20)
      #expect(parameters.allSatisfy { $0.isFinite })
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
