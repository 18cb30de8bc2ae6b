import GaussNewton
import Glibc
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct RowSpaceCollectiveTests {
  /// R of a problem's rows on this rank.
  struct Case<Scalar: DistributedScalar> {
    let problem: ToyProblem
    let communicator = World.communicator
    let shard: Range<Int>
    let margin: SoftmaxMargin<Scalar>
    let linearization: Linearization<Scalar>
    let rowSpace: RowSpace<Scalar>

    init(classes: Int, largestMargin: Double, rows: Int = 33, spareCapacity: Int = 0) {
      problem = ToyProblem(rows: rows, features: 5, classes: classes, largestMargin: largestMargin, seed: 23)
      shard = evenShard(of: rows, communicator)
      let capacity = shard.count + spareCapacity
      linearization = Linearization<Scalar>(Network([Linear(inputs: 5, outputs: classes)]), capacity: capacity)
      margin = SoftmaxMargin(capacity: capacity)
      rowSpace = RowSpace(linearization, capacity: capacity)
      linearization.linearize(at: Vector(problem.parameters.map { Scalar($0) }), on: problem.inputs(shard))
      margin.assign(replacing: linearization.logits, labels: problem.labels(shard))
      rowSpace.assign(margin, cotangents: linearization.logits, batchSize: rows)
    }

    func apply(_ u: Vector<Scalar>) -> Vector<Scalar> {
      let result = Vector([Scalar](repeating: .nan, count: shard.count))
      rowSpace.apply(u, into: result)
      return result
    }

    /// gradient ← this rank's part of Rᵀu.
    func assignProduct(_ u: Vector<Scalar>, into gradient: Vector<Scalar>) {
      linearization.vjp(rowSpace.cotangents(of: u), into: [gradient])
    }

    /// Rᵀ of a vector in the row space, summed over all ranks. Collective.
    func applyTransposed(_ rows: Vector<Scalar>) throws -> [Double] {
      let result = Vector([Scalar](repeating: .nan, count: problem.parameters.count))
      assignProduct(rows, into: result)
      return try communicator.allreduce(result.doubles)
    }

    /// √(w̃/B) a of global row i in `Double`.
    func expectedRow(_ i: Int) -> [Double] {
      let m = problem.oracle.margin(problem.parameters, row: i)
      let (p, complement) = (sigma(m), sigma(-m))
      let weight = max(p * complement, Double(RowSpace<Scalar>.weightFloor))
      let root = (weight / Double(problem.rowCount)).squareRoot()
      return problem.oracle.marginGradient(problem.parameters, row: i).map { root * $0 }
    }
  }

  func checkRows<Scalar: DistributedScalar>(_: Scalar.Type, classes: Int, largestMargin: Double, tolerance: Double) {
    let c = Case<Scalar>(classes: classes, largestMargin: largestMargin)
    var samples = Samples(seed: 24)
    let u: Vector<Scalar> = samples.vector(c.problem.parameters.count)
    let found = c.apply(u).doubles
    for (index, i) in c.shard.enumerated() {
      let row = c.expectedRow(i)
      #expect(abs(found[index] - dot(row, u.doubles)) <= tolerance * norm(row) * norm(u.doubles))
    }
  }

  @Test(arguments: [2, 3, 50], [1, 10, 100, 1000.0])
  func `Ru takes each margin gradient times its root weight`(classes: Int, largestMargin: Double) {
    checkRows(Double.self, classes: classes, largestMargin: largestMargin, tolerance: 1e-12)
    // The relative rounding of a margin grows with its size, and the weight depends on it exponentially.
    checkRows(Float.self, classes: classes, largestMargin: largestMargin, tolerance: 1e-6 * max(1, largestMargin))
  }

  func checkAdjoint<Scalar: DistributedScalar>(
    _: Scalar.Type, classes: Int, largestMargin: Double, tolerance: Double
  ) throws {
    let c = Case<Scalar>(classes: classes, largestMargin: largestMargin)
    var samples = Samples(seed: 25)
    let u: Vector<Scalar> = samples.vector(c.problem.parameters.count)
    let all: Vector<Scalar> = samples.vector(c.problem.rowCount)
    let v = all[c.shard]
    let terms = zip(c.apply(u).doubles, v.doubles).map { $0 * $1 }
    let (left, scale) = (
      try c.communicator.allreduce(terms.reduce(0, +)), try c.communicator.allreduce(terms.reduce(0) { $0 + abs($1) })
    )
    let right = dot(try c.applyTransposed(v), u.doubles)
    #expect(abs(left - right) <= tolerance * scale)
  }

  @Test(arguments: [2, 3, 50], [1, 100, 1000.0])
  func `⟨Ru, v⟩ over all ranks = ⟨u, Rᵀv⟩`(classes: Int, largestMargin: Double) throws {
    try checkAdjoint(Double.self, classes: classes, largestMargin: largestMargin, tolerance: 1e-12)
    try checkAdjoint(Float.self, classes: classes, largestMargin: largestMargin, tolerance: 1e-5)
  }

  func checkGradient<Scalar: DistributedScalar>(
    _: Scalar.Type, classes: Int, largestMargin: Double, tolerance: Double
  ) throws {
    let c = Case<Scalar>(classes: classes, largestMargin: largestMargin, spareCapacity: 3)
    let s = c.rowSpace.rightHandSide
    #expect(s.count == c.shard.count)
    #expect(s.array.allSatisfy { $0.isFinite && $0 >= 0 })
    let g = c.problem.oracle.gradient(c.problem.parameters)
    let error = relativeError(try c.applyTransposed(s), g.map { -$0 })
    #expect(error <= tolerance)
  }

  @Test(arguments: [2, 3, 50], [1, 10, 100, 1000.0])
  func `Rᵀs = −g, whatever the floor does to the weights`(classes: Int, largestMargin: Double) throws {
    try checkGradient(Double.self, classes: classes, largestMargin: largestMargin, tolerance: 1e-13)
    try checkGradient(Float.self, classes: classes, largestMargin: largestMargin, tolerance: 1e-5)
  }

  @Test func `The floor bounds s, and only reaches rows without curvature`() {
    func check<Scalar: DistributedScalar>(_: Scalar.Type) {
      let c = Case<Scalar>(classes: 2, largestMargin: 1000)
      let floor = Double(RowSpace<Scalar>.weightFloor)
      for (index, i) in c.shard.enumerated() {
        let m = c.problem.oracle.margin(c.problem.parameters, row: i)
        let weight = max(sigma(m) * sigma(-m), floor)
        let expected = sigma(-m) / (weight * 33).squareRoot()
        let found = Double(c.rowSpace.rightHandSide[index])
        let tolerance = Double(Scalar.ulpOfOne) * (32 + 8 * abs(m))
        #expect(abs(found - expected) <= tolerance * expected + 1e-30)
        #expect(found <= 1.001 / (floor * 33).squareRoot())
      }
    }
    check(Float.self)
    check(Double.self)
  }

  @Test func `Every number of threads gives the same bits`() throws {
    func products() throws -> ([Float], [Double]) {
      let c = Case<Float>(classes: 50, largestMargin: 5, rows: 1500 * World.size)
      var samples = Samples(seed: 26)
      let u: Vector<Float> = samples.vector(c.problem.parameters.count)
      let rows: Vector<Float> = samples.vector(c.shard.count)
      let scaled = Vector<Float>(zeros: c.problem.parameters.count)
      c.assignProduct(rows, into: scaled)
      return (c.apply(u).array, scaled.doubles)
    }
    let one = try withThreads(1) { try products() }
    for threads in [2, 3] {
      let many = try withThreads(threads) { try products() }
      #expect(one.0 == many.0)
      #expect(relativeError(many.1, one.1) < 1e-5)
    }
  }
}

/// σ(m) without cancellation.
func sigma(_ m: Double) -> Double { m < 0 ? exp(m) / (1 + exp(m)) : 1 / (1 + exp(-m)) }
