import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The measurements behind `bench`: each pits our code against its floor in alternation, and takes medians.
struct Benchmark {
  let rows: Int
  let features: Int
  let classes: Int
  let repetitions: Int
  let communicator: Communicator

  /// A matrix-free conjugate gradient iteration of this rank's shard, against its two matrix products alone.
  struct Iteration: Encodable {
    var seconds: Double
    var productSeconds: Double
    /// Median of the pairs' ratios.
    var ratio: Double
  }

  struct MarginPass: Encodable {
    var rows: Int
    var classes: Int
    var gigabytesPerSecondPerThread: Double
  }

  /// One whole step on all ranks, against the same batch on one rank.
  struct Scaling: Encodable {
    var iterations: Int
    var singleSeconds: Double
    var seconds: Double
    var speedup: Double
  }

  func iteration() throws -> Iteration {
    let iterations = 20
    // Alone: collectives are measured by `scaling`.
    let problem = Problem(
      rows: rows, features: features, classes: classes, iterations: iterations, communicator: Communicator())
    let (outputs, gradient) = (Matrix<Float>(zeros: rows, classes), Matrix<Float>(zeros: classes, features))
    let weights = Matrix(problem.parameters[0..<classes * features], classes, features)
    let pairs = try measure {
      for _ in 0..<iterations {
        outputs.assignProduct(problem.inputs, .no, weights, .yes)
        gradient.assignProduct(outputs, .yes, problem.inputs, .no)
      }
    } against: {
      try problem.solve()
    }
    return Iteration(
      seconds: median(pairs.map(\.1)) / Double(iterations), productSeconds: median(pairs.map(\.0)) / Double(iterations),
      ratio: median(pairs.map { $1 / $0 }))
  }

  func marginPass() -> MarginPass {
    let (rows, classes) = (512, 10_000)
    let logits = Matrix<Float>(zeros: rows, classes)
    var generator = SplitMix64(seed: 1)
    for i in 0..<logits.elements.count { logits.elements[i] = Float(4 * generator.nextUniform()) }
    let labels = (0..<rows).map { Int32($0 % classes) }
    let margin = SoftmaxMargin<Float>(capacity: rows)
    // The pass leaves numbers in [−1, 1], which cost the same the next time.
    let seconds = (0..<repetitions + 1).map { _ in
      time { margin.assign(replacing: logits, labels: labels[...]) }
    }
    let bytes = Double(logits.elements.count * MemoryLayout<Float>.size)
    return MarginPass(
      rows: rows, classes: classes,
      gigabytesPerSecondPerThread: bytes / median(seconds.dropFirst()) / 1e9 / Double(Threads.count))
  }

  /// nil in a single process.
  func scaling() throws -> Scaling? {
    if communicator.size == 1 { return nil }
    let iterations = 10
    func problem(_ communicator: Communicator) -> Problem {
      Problem(rows: rows, features: features, classes: classes, iterations: iterations, communicator: communicator)
    }
    let whole = communicator.rank == 0 ? problem(Communicator()) : nil
    let shared = problem(communicator)
    let pairs = try measure {
      try whole?.step()
      try communicator.barrier()
    } against: {
      try shared.step()
      try communicator.barrier()
    }
    return Scaling(
      iterations: iterations, singleSeconds: median(pairs.map(\.0)), seconds: median(pairs.map(\.1)),
      speedup: median(pairs.map { $0 / $1 }))
  }

  /// Seconds of both in alternation, after a warm-up of each.
  private func measure(
    _ one: () throws -> Void, against other: () throws -> Void
  ) rethrows -> [(Double, Double)] {
    try (0..<repetitions + 1).map { _ in (try time(one), try time(other)) }.suffix(repetitions)
  }

  private func time(_ body: () throws -> Void) rethrows -> Double {
    try ContinuousClock().measure(body) / .seconds(1)
  }

  private func median(_ values: some Collection<Double>) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}

/// A random linear head and batch, sharded over the ranks of a communicator.
private struct Problem {
  let inputs: Matrix<Float>
  let parameters: Vector<Float>
  private let labels: [Int32]
  private let batchSize: Int
  private let network: Network
  private let communicator: Communicator
  private let linearization: Linearization<Float>
  private let rowSpace: RowSpace<Float>
  private let solver: ConjugateGradient<Float>
  private let optimizer: FastGaussNewton<Float>

  init(rows batchSize: Int, features: Int, classes: Int, iterations: Int, communicator: Communicator) {
    let rows =
      batchSize * (communicator.rank + 1) / communicator.size - batchSize * communicator.rank / communicator.size
    var generator = SplitMix64(seed: 1, stream: UInt64(communicator.rank))
    let values = Vector<Float>(zeros: rows * features)
    for i in 0..<values.count { values[i] = Float(generator.nextNormal()) }
    inputs = Matrix(values, rows, features)
    labels = (0..<rows).map { _ in Int32(generator.next(below: UInt64(classes))) }
    self.batchSize = batchSize
    self.communicator = communicator
    network = Network([Linear(inputs: features, outputs: classes)])
    parameters = network.initialParameters(seed: 1)
    linearization = Linearization(network, capacity: rows)
    linearization.linearize(at: parameters, on: inputs)
    let margin = SoftmaxMargin<Float>(capacity: rows)
    margin.assign(replacing: linearization.logits, labels: labels[...])
    rowSpace = RowSpace(linearization, capacity: rows)
    rowSpace.assign(margin, cotangents: linearization.logits, batchSize: batchSize)
    solver = ConjugateGradient(capacity: rows, parameterCount: network.layout.count, communicator: communicator)
    var options = GaussNewtonOptions()
    options.solver.tolerance = .leastNonzeroMagnitude
    options.solver.maxIterations = iterations
    optimizer = FastGaussNewton(network, options: options, capacity: rows, communicator: communicator)
  }

  /// All conjugate gradient iterations of a step, and the product that begins them.
  func solve() throws {
    let message = Message<Float>(parameterCount: network.layout.count)
    let phases = Phases()
    let r = rowSpace.rightHandSide.copy()
    rowSpace.applyTransposed(r, into: message.parameters)
    try message.sum(r.squaredNorm, over: communicator, phases)
    let step = Vector<Float>(zeros: network.layout.count)
    let options = optimizer.options.solver
    let summary = try solver.solve(
      rowSpace, r, damping: 1e-3, reference: 1, message: message, step: step, options: options, phases: phases)
    precondition(summary.iterations == options.maxIterations, "the solver stopped early: \(summary)")
  }

  /// A whole step; the parameters stay as they are.
  func step() throws {
    _ = try optimizer.advance(
      parameters.copy(), inputs: inputs, labels: labels[...], batchSize: batchSize, rate: 1)
  }
}
