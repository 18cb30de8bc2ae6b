import GaussNewton
import LinearAlgebra
import TestSupport
import Testing

@Suite(.serialized) struct SolverCollectiveTests {
  /// Many rows of different weight with little damping: more iterations than rows.
  let hard = ToyProblem(rows: 90, features: 8, classes: 10, largestMargin: 12, seed: 21)

  @Test func `The replaced residual stays the true one, and the tolerance is reached`() throws {
    var options = exactOptions(damping: 1e-5)
    options.solver.tolerance = 1e-11
    let (Δ, report) = try Trial<Double>(hard, options).change()
    #expect(report.solver!.termination == .converged)
    #expect(report.solver!.iterations > 100)
    #expect(report.solver!.residual <= 1e-11)
    let residual = hard.oracle.residual(hard.parameters, of: Δ, damping: 1e-5)
    #expect(abs(residual - report.solver!.residual) < 1e-12)
  }

  @Test(arguments: [100, 200, 400])
  func `In Float, a reported residual is not that of a recurrence that has drifted`(limit: Int) throws {
    var options = exactOptions(for: Float.self, damping: 1e-3)
    options.solver.tolerance = 0
    options.solver.maxIterations = limit
    // With momentum, the optimizer keeps the step without the rounding of the parameters.
    options.momentum = 0.5
    let trial = Trial<Float>(hard, options)
    let report = try trial.advance()
    #expect(report.solver!.iterations == limit)
    let residual = hard.oracle.residual(hard.parameters, of: trial.optimizer.lastStep.doubles, damping: 1e-3)
    #expect(residual < 2 * report.solver!.residual)
  }

  @Test(arguments: [0, 1, 2, 10, 49, 50, 51, 100])
  func `At the iteration limit the residual is that of the step so far`(limit: Int) throws {
    var options = exactOptions(damping: 1e-5)
    options.solver.maxIterations = limit
    let (Δ, report) = try Trial<Double>(hard, options).change()
    #expect(report.solver!.termination == .iterationLimit)
    #expect(report.solver!.iterations == limit)
    let residual = hard.oracle.residual(hard.parameters, of: Δ, damping: 1e-5)
    #expect(abs(report.solver!.residual / residual - 1) < 1e-7)
    #expect(report.accepted)
    #expect((report.stepNorm == 0) == (limit == 0))
  }

  @Test(arguments: [1e-1, 1e-2, 1e-4])
  func `The first iterate within the tolerance is taken`(tolerance: Double) throws {
    var options = exactOptions(damping: 1e-3)
    options.solver.tolerance = tolerance
    let (Δ, report) = try Trial<Double>(hard, options).change()
    #expect(report.solver!.termination == .converged)
    #expect(report.solver!.residual <= tolerance)
    #expect(abs(hard.oracle.residual(hard.parameters, of: Δ, damping: 1e-3) / report.solver!.residual - 1) < 1e-7)

    options.solver.tolerance = 0
    options.solver.maxIterations = report.solver!.iterations - 1
    #expect(try Trial<Double>(hard, options).advance().solver!.residual > tolerance)
  }

  @Test func `With the matrix the smaller tolerance counts`() throws {
    var options = exactOptions(for: Double.self, damping: 1e-2)
    func solver(_ kind: SolverOptions.Kind, _ tolerance: Double, _ gramTolerance: Double) throws -> SolverSummary {
      (options.solver.kind, options.solver.tolerance, options.solver.gramTolerance) = (kind, tolerance, gramTolerance)
      return try Trial<Double>(hard, options).advance().solver!
    }
    let loose = try solver(.gramCG, 0.1, 0.5)
    #expect(loose.residual <= 0.1 && loose.residual > 0.01)
    #expect(try solver(.cg, 0.1, 1e-6).iterations == loose.iterations)
    let tight = try solver(.gramCG, 0.1, 1e-4)
    #expect(tight.residual <= 1e-4 && tight.iterations > loose.iterations)
    #expect(try solver(.gramCG, 1e-4, 0.5).iterations == tight.iterations)
    #expect(SolverOptions().toleranceWithMatrix == 0.01)
  }

  @Test(arguments: [SolverOptions.Kind.cg, .gramCG])
  func `A tolerance out of reach ends without harm`(kind: SolverOptions.Kind) throws {
    var options = exactOptions(for: Float.self, damping: 1e-2)
    options.solver.kind = kind
    options.solver.tolerance = 0
    options.solver.maxIterations = 400
    let (Δ, report) = try Trial<Float>(hard, options).change()
    #expect([.iterationLimit, .breakdown].contains(report.solver!.termination))
    #expect(report.solver!.residual < 1e-5)
    #expect(relativeError(Δ, hard.oracle.step(hard.parameters, damping: 1e-2)) < 2e-4)
  }

  @Test(arguments: StepLength.allCases, [Double.nan, .infinity, -.infinity])
  func `A feature that is not finite ends the step and changes nothing`(stepLength: StepLength, value: Double) throws {
    let sound = ToyProblem(rows: 23, features: 4, classes: 3, largestMargin: 1, seed: 22)
    var features = sound.oracle.features
    features[15][1] = value
    let spoilt = ToyProblem(
      features: features, labels: sound.oracle.labels, classes: 3, parameters: sound.parameters)
    for (kind, η, μ) in [(SolverOptions.Kind.cg, 0.0, 0.0), (.cg, 0.9, 1e-2), (.gram, 0, 0), (.gramCG, 0.9, 1e-2)] {
      var options = exactOptions(for: Float.self, damping: 0.1, weightDecay: μ)
      options.stepLength = stepLength
      options.momentum = η
      options.solver.kind = kind
      let trial = Trial<Float>(spoilt, options)
      let report = try trial.advance()
      #expect(report.solver!.termination == .nonFinite)
      #expect(report.solver!.iterations == 0)
      #expect(!report.accepted)
      #expect(report.loss.isNaN)
      #expect(trial.parameters.doubles == sound.parameters)
      #expect(trial.optimizer.lastStep.array.allSatisfy { $0 == 0 })

      // The optimizer continues with the next batch as if nothing had happened.
      let next = try trial.optimizer.advance(
        trial.parameters,
        on: Batch(inputs: .dense(sound.inputs(trial.shard)), labels: sound.labels(trial.shard), globalSize: 23), rate: 1
      )
      #expect(next.accepted && next.loss.isFinite)
      #expect(next.solver!.termination == .converged)
      let expected = sound.oracle.step(sound.parameters, damping: 0.1, weightDecay: μ)
      #expect(abs(next.stepNorm / norm(expected) - 1) < 2e-4)
    }
  }

  /// Margins beyond the range of exp: all losses and all gradients are exactly zero.
  let solved = ToyProblem(
    features: [[1], [-1], [2]], labels: [0, 1, 0], classes: 2, parameters: [1000, -1000, 0, 0])

  @Test(arguments: StepLength.allCases)
  func `A zero gradient is solved by a zero step`(stepLength: StepLength) throws {
    var options = exactOptions(damping: 0.1)
    options.stepLength = stepLength
    let trial = Trial<Double>(solved, options)
    let report = try trial.advance()
    #expect(report.loss == 0 && report.gradientNorm == 0 && report.stepNorm == 0)
    #expect(report.solver!.termination == .converged)
    #expect(report.solver!.iterations == 0 && report.solver!.residual == 0)
    #expect(report.accepted && report.stepLength == 1)
    #expect(trial.parameters.array == solved.parameters)
  }

  @Test func `Weight decay alone shrinks the parameters by μ/(λ+μ)`() throws {
    let (Δ, report) = try Trial<Double>(solved, exactOptions(damping: 0.3, weightDecay: 0.1)).change()
    #expect(report.solver!.termination == .converged)
    #expect(relativeError(Δ, solved.parameters.map { -0.25 * $0 }) < 1e-12)
    #expect(abs(report.gradientNorm / (0.1 * norm(solved.parameters)) - 1) < 1e-14)
  }
}
