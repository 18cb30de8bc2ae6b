import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

/// What ranks exchange in a step of a head whose classes they share out, against docs/method.md.
@Suite(.serialized) struct ClassTrafficCollectiveTests {
  /// The bytes of a step's allreduces and allgathers, and its iterations.
  func traffic<Scalar: DistributedScalar>(
    _: Scalar.Type, _ kind: SolverOptions.Kind, classes: Int, momentum: Double = 0
  ) throws -> (reduced: Int, gathered: Int, iterations: Int) {
    let problem = ToyProblem(rows: 23, features: 4, classes: classes, largestMargin: 0.5, seed: 16)
    var options = plainOptions()
    options.damping.initial = 1e-3
    options.stepLength = .unit
    options.solver.kind = kind
    options.solver.tolerance = 1e-12
    options.solver.gramTolerance = 1e-12
    options.solver.maxIterations = 4
    options.momentum = momentum
    let trial = try ClassTrial<FastGaussNewton<Scalar>>(problem, options)
    _ = try trial.advance()
    let before = trial.communicator.statistics
    let report = try trial.advance()
    let used = trial.communicator.statistics - before
    return (used.allreducedBytes, used.allgatheredBytes, report.solver!.iterations)
  }

  func check<Scalar: DistributedScalar>(_: Scalar.Type) throws {
    let (B, width) = (23, MemoryLayout<Scalar>.stride)
    // The largest logits and sums, the wish to stop, and the change of the decay term with ‖Δ‖².
    let common = 8 * (2 * B + B + 1 + 3)
    let triangle = B * (B + 1) / 2 * width
    for classes in [3, 12, 300] {
      let cg = try traffic(Scalar.self, .cg, classes: classes)
      #expect(cg.iterations == 4)
      #expect(cg.reduced == common + (4 + 1) * 8 * B && cg.gathered == 0)
      // RΔ₀, and ‖g‖, which the residual is relative to.
      let momentum = try traffic(Scalar.self, .cg, classes: classes, momentum: 0.9)
      #expect(momentum.reduced == cg.reduced + 8 * B + 8)

      let gram = try traffic(Scalar.self, .gram, classes: classes)
      #expect(gram.reduced == common + triangle && gram.gathered == B * B * width)

      let gramCG = try traffic(Scalar.self, .gramCG, classes: classes)
      // One rank has all of K. A product takes B numbers and four scalars.
      let products = World.size == 1 ? 0 : (gramCG.iterations + 1) * 8 * (B + 4)
      #expect(gramCG.reduced == common + triangle + products)
      #expect(gramCG.gathered == (World.size == 1 ? B * B * width : 0))
    }
  }

  @Test func `Depends on the rows of a batch alone, and not on the classes`() throws {
    try check(Double.self)
    try check(Float.self)
  }
}
