import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct ShardingCollectiveTests {
  func checkStep(_ problem: ToyProblem, shard: Range<Int>? = nil) throws {
    var options = exactOptions(damping: 1e-2, weightDecay: 1e-3)
    options.momentum = 0.5
    let trial = Trial<Double>(problem, options, shard: shard)
    var last = [Double](repeating: 0, count: problem.parameters.count)
    for _ in 0..<2 {
      let expected = problem.oracle.step(
        trial.parameters.array, damping: 1e-2, weightDecay: 1e-3, momentum: 0.5, lastStep: last)
      let (Δ, report) = try trial.change()
      #expect(relativeError(Δ, expected) < 1e-9)
      #expect(report.solver!.termination == .converged)
      last = trial.optimizer.lastStep.array
    }
  }

  @Test(arguments: [1, 2, 3, 5, 7, 29, 64])
  func `Any number of rows is solved, also where some ranks have none`(rows: Int) throws {
    try checkStep(ToyProblem(rows: rows, features: 5, classes: 4, largestMargin: 3, seed: 17))
  }

  @Test func `One rank may have all the rows`() throws {
    let problem = ToyProblem(rows: 11, features: 5, classes: 4, largestMargin: 3, seed: 18)
    let world = World.communicator
    for owner in 0..<world.size {
      try checkStep(problem, shard: world.rank == owner ? 0..<11 : 11..<11)
    }
  }

  /// The reports and parameters of twenty steps over batches of all sizes.
  func run(on communicator: Communicator) throws -> (reports: [StepReport], parameters: [Double]) {
    let problem = ToyProblem(rows: 150, features: 6, classes: 10, largestMargin: 2, seed: 19)
    var options = plainOptions()
    options.damping.initial = 0.1
    options.damping.policy = .levenbergMarquardt
    options.momentum = 0.6
    options.weightDecay = 1e-3
    let trial = Trial<Double>(problem, options, communicator: communicator, shard: 0..<64)
    var samples = Samples(seed: 20)
    let reports = try (0..<20).map { step in
      let count = [37, 64, 3, 50][step % 4]
      let start = samples.integer(below: 150 - count)
      let mine = evenShard(of: count, communicator)
      let rows = start + mine.lowerBound..<start + mine.upperBound
      return try trial.optimizer.advance(
        trial.parameters,
        on: Batch(inputs: .dense(problem.inputs(rows)), labels: problem.labels(rows), globalSize: count),
        rate: 1 - Double(step) / 40)
    }
    return (reports, trial.parameters.array)
  }

  @Test func `Twenty steps agree with those of a single process`() throws {
    let together = try run(on: World.communicator)
    let alone = try run(on: Communicator())
    for (mine, reference) in zip(together.reports, alone.reports) {
      #expect(abs(mine.loss / reference.loss - 1) < 1e-9)
      #expect(abs(mine.gradientNorm / reference.gradientNorm - 1) < 1e-9)
      #expect(mine.damping == reference.damping)
      #expect(mine.accepted == reference.accepted)
      #expect(mine.solver!.iterations == reference.solver!.iterations)
    }
    #expect(relativeError(together.parameters, alone.parameters) < 1e-9)
    // The losses change, so the comparison is not of constants.
    #expect(Set(alone.reports.map(\.loss)).count == 20)
    #expect(Set(alone.reports.map(\.damping)).count > 3)
  }

  @Test func `All ranks hold the same bits after twenty steps, and report the same`() throws {
    let world = World.communicator
    let (reports, parameters) = try run(on: world)
    let everywhere = try world.allgather(parameters)
    for rank in 0..<world.size {
      #expect(Array(everywhere[rank * parameters.count..<(rank + 1) * parameters.count]) == parameters)
    }
    // Compared as bits, because the ratio is NaN for a step that momentum turned uphill.
    let figures: [UInt64] = reports.flatMap {
      [$0.loss, $0.stepNorm, $0.stepLength, $0.solver!.residual, $0.reductionRatio ?? 0].map(\.bitPattern)
    }
    #expect(try world.allgather(figures) == (0..<world.size).flatMap { _ in figures })
  }
}
