import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct TruncatedNewtonCollectiveTests {
  @Test(arguments: [2, 3, 7], [1e-6, 1e-4, 1e-2])
  func `The optimum is that of dense Newton steps`(classes: Int, μ: Double) throws {
    let plain = ToyProblem(rows: 83, features: 4, classes: classes, largestMargin: 2, seed: 31)
    let cases = [(plain, true, true), (plain, true, false), (plain, false, true), (plain.withoutBias, true, true)]
    for (problem, decaysBiases, hasRough) in cases {
      let expected = try World.once { problem.oracle.optimum(weightDecay: μ, decaysBiases: decaysBiases) }
      let course = try Course<Double>(.init(problem, weightDecay: μ, decaysBiases: decaysBiases), hasRough: hasRough)
      #expect(try course.run() == .converged)
      let f = problem.oracle.objective(expected, weightDecay: μ, decaysBiases: decaysBiases)
      let found = problem.oracle.objective(
        course.parameters.doubles, weightDecay: μ, decaysBiases: decaysBiases)
      #expect(abs(found / f - 1) < 1e-12)
      #expect(abs(course.progress.objective / f - 1) < 1e-12)
      if decaysBiases { #expect(relativeError(course.parameters.doubles, expected) < 1e-5) }
      let g = problem.oracle.gradient(course.parameters.doubles, weightDecay: μ, decaysBiases: decaysBiases)
      let start = problem.oracle.gradient(problem.parameters, weightDecay: μ, decaysBiases: decaysBiases)
      #expect(norm(g) <= 1.01 * course.options.tolerance * norm(start))
    }
  }

  @Test(arguments: [1e-6, 1e-4, 1e-2])
  func `In single precision the objective has eight digits of the optimum`(μ: Double) throws {
    let problem = ToyProblem(rows: 300, features: 6, classes: 5, largestMargin: 2, seed: 32)
    let expected = try World.once { problem.oracle.optimum(weightDecay: μ) }
    let course = try Course<Float>(.init(problem, weightDecay: μ), tolerance: 1e-5)
    let end = try course.run()
    #expect(end == .converged || end == .rounded)
    let f = problem.oracle.objective(expected, weightDecay: μ)
    #expect(abs(problem.oracle.objective(course.parameters.doubles, weightDecay: μ) / f - 1) < 1e-8)
  }

  @Test func `Weights of examples and soft targets belong to the objective`() throws {
    let plain = ToyProblem(rows: 60, features: 4, classes: 4, largestMargin: 2, seed: 33)
    let weighted = plain.weighted((0..<60).map { [0, 0.5, 1, 2.5][$0 % 4] })
    for problem in [weighted, plain.smoothed(0.1), weighted.softened(deviation: 1, smoothing: 0.05, seed: 5)] {
      let expected = try World.once { problem.oracle.optimum(weightDecay: 1e-4) }
      let course = try Course<Double>(.init(problem, weightDecay: 1e-4))
      #expect(try course.run() == .converged)
      #expect(relativeError(course.parameters.doubles, expected) < 1e-6)
    }
  }

  @Test func `Features on wild scales and without values of their own converge as well`() throws {
    let plain = ToyProblem(rows: 120, features: 6, classes: 4, largestMargin: 2, seed: 34)
    let features = plain.oracle.features.map { row in
      row.enumerated().map { $0 == 2 ? 1e4 * $1 : $0 == 4 ? 0 : $0 == 5 ? row[0] : $1 }
    }
    let problem = ToyProblem(
      features: features, labels: plain.oracle.labels, classes: 4, parameters: plain.parameters.map { _ in 0 })
    let expected = try World.once { problem.oracle.optimum(weightDecay: 1e-4) }
    let f = problem.oracle.objective(expected, weightDecay: 1e-4)
    let course = try Course<Double>(.init(problem, weightDecay: 1e-4))
    #expect(try course.run() == .converged)
    #expect(abs(problem.oracle.objective(course.parameters.doubles, weightDecay: 1e-4) / f - 1) < 1e-10)
    #expect(course.progress.passes < 150)
    let single = try Course<Float>(.init(problem, weightDecay: 1e-4), tolerance: 1e-5)
    let end = try single.run()
    #expect(end == .converged || end == .rounded)
    #expect(abs(problem.oracle.objective(single.parameters.doubles, weightDecay: 1e-4) / f - 1) < 1e-8)
  }

  @Test func `Sparse rows have the optimum of dense ones`() throws {
    let plain = ToyProblem(rows: 70, features: 5, classes: 3, largestMargin: 2, seed: 35)
    let features = plain.oracle.features.map { row in row.map { abs($0) < 0.6 ? 0 : $0 } }
    let problem = ToyProblem(
      features: features, labels: plain.oracle.labels, classes: 3, parameters: plain.parameters.map { _ in 0 })
    for problem in [problem, problem.withoutBias] {
      let dense = try Course<Double>(.init(problem, weightDecay: 1e-3))
      let sparse = try Course<Double>(.init(problem, .sparseLinear, weightDecay: 1e-3))
      #expect(try dense.run() == .converged)
      #expect(try sparse.run() == .converged)
      #expect(abs(sparse.progress.objective / dense.progress.objective - 1) < 1e-12)
    }
  }

  @Test func `Numbers that float32 cannot hold have the optimum of float64`() throws {
    let plain = ToyProblem(rows: 60, features: 3, classes: 3, largestMargin: 2, seed: 41)
    for factor in [1e18, 1e30, 1e45] {
      let features = plain.oracle.features.map { row in row.map { factor * $0 } }
      let problem = ToyProblem(
        features: features, labels: plain.oracle.labels, classes: 3, parameters: plain.parameters.map { _ in 0 })
      let course = try Course<Double>(.init(problem, weightDecay: 0.01 * factor * factor))
      let expected = try Course<Double>(.init(problem, weightDecay: 0.01 * factor * factor), hasRough: false)
      let ends = [try course.run(), try expected.run()]
      #expect(ends == [.converged, .converged])
      #expect(abs(course.progress.objective / expected.progress.objective - 1) < 1e-9)
    }
  }

  @Test(arguments: [1, 2, 3])
  func `Any number of rows has an optimum where the weights decay`(rows: Int) throws {
    let problem = ToyProblem(rows: rows, features: 3, classes: 3, largestMargin: 1, seed: 36)
    let expected = try World.once { problem.oracle.optimum(weightDecay: 1e-2) }
    let course = try Course<Double>(.init(problem, weightDecay: 1e-2))
    #expect(try course.run() == .converged)
    #expect(relativeError(course.parameters.doubles, expected) < 1e-6)
  }

  @Test func `Classes that can be separated have no optimum without decay, and the way there ends`() throws {
    let problem = ToyProblem(
      features: [[1, 0], [-1, 0.5], [2, 0], [-3, 1]], labels: [0, 1, 0, 1], classes: 2,
      parameters: [0, 0, 0, 0, 0, 0])
    for maxPasses in [20, 3000] {
      let single = try Course<Float>(.init(problem, weightDecay: 0), maxPasses: maxPasses)
      let double = try Course<Double>(.init(problem, weightDecay: 0), maxPasses: maxPasses)
      for end in [try single.run(), try double.run()] {
        #expect([.exhausted, .vanished, .stalled].contains(end))
      }
      #expect(single.progress.passes < maxPasses + 50 && double.progress.passes < maxPasses + 50)
    }
  }

  @Test func `A network with hidden layers reaches a stationary point`() throws {
    let problem = ToyProblem(rows: 50, features: 3, classes: 3, largestMargin: 1, seed: 37)
    for hasBias in [true, false] {
      let network = Network([
        Linear(inputs: 3, outputs: 4), Activation(.tanh, count: 4), Linear(inputs: 4, outputs: 3, hasBias: hasBias),
      ])
      // Not quadratic there: near the end each step takes off a part alone, until rounding hides the rest.
      let course = try Course<Double>(.init(problem, .network(network), weightDecay: 1e-2), tolerance: 1e-8)
      let first = course.progress.objective
      #expect(try course.run() == .converged)
      #expect(course.progress.objective < first)
      #expect(course.progress.gradientRatio <= course.options.tolerance)
    }
  }

  @Test func `Any number of ranks finds the optimum of one, and virtual shards its bits`() throws {
    let problem = ToyProblem(rows: 150, features: 6, classes: 5, largestMargin: 2, seed: 38)
    let world = World.communicator
    let together = try Course<Double>(.init(problem, weightDecay: 1e-4), communicator: world)
    let alone = try Course<Double>(.init(problem, weightDecay: 1e-4), communicator: Communicator())
    _ = (try together.run(), try alone.run())
    #expect(relativeError(together.parameters.doubles, alone.parameters.doubles) < 1e-9)
    let all = try world.allgather(together.parameters.doubles)
    #expect(all == (0..<world.size).flatMap { _ in together.parameters.doubles })
    let shared = try Course<Float>(.init(problem, weightDecay: 1e-4), virtualShards: 5, communicator: world)
    let one = try Course<Float>(.init(problem, weightDecay: 1e-4), virtualShards: 5, communicator: Communicator())
    _ = (try shared.run(), try one.run())
    #expect(shared.parameters.doubles == one.parameters.doubles)
  }

  @Test func `A course that goes on from any step has the same bits`() throws {
    try expectSameBits(Float.self)
    try expectSameBits(Double.self)
  }

  private func expectSameBits<Scalar: DistributedScalar>(_: Scalar.Type) throws {
    let problem = ToyProblem(rows: 90, features: 5, classes: 4, largestMargin: 2, seed: 39)
    let whole = try Course<Scalar>(.init(problem, weightDecay: 1e-5))
    var states: [([Scalar], OptimumProgress)] = []
    while whole.progress.end(whole.options) == nil {
      states.append((whole.parameters.array, whole.progress))
      _ = try whole.newton.advance()
    }
    #expect(states.count > 2)
    for (parameters, progress) in states {
      let rest = try Course<Scalar>(.init(problem, weightDecay: 1e-5), from: (parameters, progress))
      _ = try rest.run()
      #expect(rest.parameters.array == whole.parameters.array)
      #expect(rest.progress == whole.progress)
    }
  }

  @Test func `A wish to stop of any rank leaves the parameters as they were before the step`() throws {
    let problem = ToyProblem(rows: 90, features: 5, classes: 4, largestMargin: 2, seed: 40)
    let world = World.communicator
    for passes in [0, 1] {
      try expectStop(
        Course<Double>(.init(problem, weightDecay: 1e-5), hasRough: false, communicator: world), after: passes)
      try expectStop(Course<Double>(.init(problem, weightDecay: 1e-5), communicator: world), after: passes)
    }
  }

  @Test func `A course that is stopped in any pass goes on to the same bits`() throws {
    let task = Minimization(
      ToyProblem(rows: 90, features: 5, classes: 4, largestMargin: 2, seed: 42), weightDecay: 1e-5)
    let whole = try Course<Double>(task)
    _ = try whole.run()
    for limit in 2..<whole.progress.passes {
      let course = try Course<Double>(task)
      let wish = { course.objective.passes + course.rough!.passes > limit }
      course.objective.wishesToStop = wish
      course.rough!.wishesToStop = wish
      var state = (course.parameters.array, course.progress)
      while course.progress.end(course.options) == nil, !course.newton.isInterrupted {
        let report = try course.newton.advance()
        if report == nil { #expect(course.parameters.array == state.0 && course.progress == state.1) }
        state = (course.parameters.array, course.progress)
      }
      let rest = try Course<Double>(task, from: state)
      _ = try rest.run()
      #expect(rest.parameters.array == whole.parameters.array)
      #expect(rest.progress == whole.progress)
    }
  }

  private func expectStop(_ course: Course<Double>, after passes: Int) throws {
    let world = World.communicator
    _ = try course.newton.advance()
    let (before, progress) = (course.parameters.array, course.progress)
    // Where there is one, all is in float32 at first.
    let counted = { course.rough?.passes ?? course.objective.passes }
    let limit = counted() + passes
    let wish = { world.rank == world.size - 1 && counted() > limit }
    course.objective.wishesToStop = wish
    course.rough?.wishesToStop = wish
    #expect(try course.newton.advance() == nil)
    #expect(course.newton.isInterrupted)
    #expect(course.parameters.array == before && course.progress == progress)
  }
}
