import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

/// The measurements of `bench`: each alternates between the code and its floor, and takes medians.
struct Benchmark {
  let rows: Int
  let features: Int
  let classes: Int
  let repetitions: Int
  let communicator: Communicator

  /// A matrix-free conjugate gradient iteration in this process, against its matrix products alone.
  struct Iteration: Encodable {
    var seconds: Double
    var productSeconds: Double
    /// The median of the pairs' ratios.
    var ratio: Double
  }

  struct MarginPass: Encodable {
    var rows: Int
    var classes: Int
    var gigabytesPerSecondPerThread: Double
  }

  /// A complete step on all ranks, against the same batch on one rank.
  struct Scaling: Encodable {
    var iterations: Int
    var singleSeconds: Double
    var seconds: Double
    var speedup: Double
  }

  /// A step with the Gram matrix on all ranks, against the same batch on one rank, and the traffic of the step.
  struct GramScaling: Encodable {
    var solver: SolverOptions.Kind
    /// Whether ranks share out the classes, and not the rows.
    var sharesClasses: Bool
    var rows, features, classes: Int
    var singleSeconds: Double
    var seconds: Double
    var speedup: Double
    var allreducedBytes: Int
    var allgatheredBytes: Int
  }

  /// An iteration of the linear head.
  func headIteration() throws -> Iteration {
    try iteration(Network([Linear(inputs: features, outputs: classes)]), rows: rows, iterations: 20)
  }

  /// An iteration of the perceptron 784-256-128-10 with tanh.
  func perceptronIteration() throws -> Iteration {
    try iteration(
      Network([
        Linear(inputs: 784, outputs: 256), Activation(.tanh, count: 256), Linear(inputs: 256, outputs: 128),
        Activation(.tanh, count: 128), Linear(inputs: 128, outputs: 10),
      ]), rows: 1024, iterations: 20)
  }

  /// An iteration of a convolutional network with the size of LeNet, from `configs/fashion-mnist-cnn.yaml`.
  func convolutionalIteration() throws -> Iteration {
    let network = try Network(
      [
        .convolution(.init(channels: 16, kernel: 5, padding: 2)), .maxPool(.init(kernel: 2)), .activation(.relu),
        .convolution(.init(channels: 32, kernel: 5)), .maxPool(.init(kernel: 2)), .activation(.relu), .flatten,
        .linear(128), .activation(.relu),
      ], example: [28, 28], classes: 10)
    return try iteration(network, rows: 256, iterations: 4)
  }

  private func iteration(_ network: Network, rows: Int, iterations: Int) throws -> Iteration {
    // The problem is on this process alone: `scaling` measures collectives.
    let problem = Problem(network, rows: rows, iterations: iterations, communicator: Communicator())
    let floor = ProductSequence(network, rows: rows)
    let pairs = try (0..<repetitions + 1).map { _ in
      let floorSeconds = time { for _ in 0..<iterations { floor.run() } }
      let start = try problem.prepare()
      return (floorSeconds, try time { try problem.solve(from: start) })
    }.suffix(repetitions)
    return Iteration(
      seconds: pairs.map(\.1).median / Double(iterations), productSeconds: pairs.map(\.0).median / Double(iterations),
      ratio: pairs.map { $1 / $0 }.median)
  }

  func marginPass() -> MarginPass {
    let (rows, classes) = (512, 10_000)
    let logits = Matrix<Float>(zeros: rows, classes)
    var generator = SplitMix64(seed: 1)
    for i in 0..<logits.elements.count { logits.elements[i] = Float(4 * generator.nextUniform()) }
    let labels = (0..<rows).map { Int32($0 % classes) }
    let margin = SoftmaxMargin<Float>(capacity: rows)
    // The pass leaves numbers in [−1, 1], whose cost does not change from one repetition to the next.
    let seconds = (0..<repetitions + 1).map { _ in
      time { margin.assign(replacing: logits, labels: labels[...]) }
    }
    let bytes = Double(logits.elements.count * MemoryLayout<Float>.size)
    return MarginPass(
      rows: rows, classes: classes,
      gigabytesPerSecondPerThread: bytes / seconds.dropFirst().median / 1e9 / Double(Threads.count))
  }

  /// A step on one rank against all ranks; nil in a single process.
  func scaling() throws -> Scaling? {
    if communicator.size == 1 { return nil }
    let iterations = 10
    let pairs = try stepPairs {
      Problem(
        Network([Linear(inputs: features, outputs: classes)]), rows: rows, iterations: iterations, communicator: $0
      ).step
    }
    return Scaling(
      iterations: iterations, singleSeconds: pairs.map(\.single).median, seconds: pairs.map(\.shared).median,
      speedup: pairs.map { $0.single / $0.shared }.median)
  }

  /// The scaling of a head with many classes, for each solver; nil in a single process.
  func gramScaling() throws -> [GramScaling]? {
    if communicator.size == 1 { return nil }
    let cases = [(SolverOptions.Kind.gramCG, 1024, 1000, false), (.gram, 1024, 1000, false)]
    let wide = [false, true].map { (SolverOptions.Kind.gramCG, 512, 10000, $0) }
    return try (cases + wide).map { kind, rows, classes, sharesClasses in
      let head = (rows: rows, features: 512, classes: classes)
      var options = GaussNewtonOptions()
      options.solver.kind = kind
      options.damping.policy = .constant
      options.damping.initial = 1e-3
      options.momentum = 0
      let pairs = try stepPairs { communicator in
        if sharesClasses, communicator.size > 1 { return SharedHead(head, options, over: communicator).step }
        return Problem(
          Network([Linear(inputs: head.features, outputs: head.classes)]), rows: head.rows, options: options,
          communicator: communicator
        ).step
      }
      let sent = pairs.last!.sent
      return GramScaling(
        solver: kind, sharesClasses: sharesClasses, rows: head.rows, features: head.features, classes: head.classes,
        singleSeconds: pairs.map(\.single).median, seconds: pairs.map(\.shared).median,
        speedup: pairs.map { $0.single / $0.shared }.median, allreducedBytes: sent.allreducedBytes,
        allgatheredBytes: sent.allgatheredBytes)
    }
  }

  /// Seconds of a step on rank 0 alone and on all ranks in alternation, after a warm-up of each, and the traffic of the
  /// latter.
  private func stepPairs(
    _ step: (Communicator) -> () throws -> Void
  ) throws -> [(single: Double, shared: Double, sent: Communicator.Statistics)] {
    let whole = communicator.isRoot ? step(Communicator()) : nil
    let shared = step(communicator)
    var sent: [Communicator.Statistics] = []
    let pairs = try measure {
      try whole?()
      try communicator.barrier()
    } against: {
      let before = communicator.statistics
      try shared()
      sent.append(communicator.statistics - before)
      try communicator.barrier()
    }
    return zip(pairs, sent.suffix(repetitions)).map { ($0.0, $0.1, $1) }
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
}

/// A network with random parameters and a random batch, sharded over the ranks of a communicator.
private struct Problem {
  let inputs: Matrix<Float>
  let parameters: Vector<Float>
  private let labels: [Int32]
  private let batchSize: Int
  private let network: Network
  private let linearization: Linearization<Float>
  private let rowSpace: RowSpace<Float>
  private let rows: ShardedRows<Float>
  private let solver: MatrixFreeSolver<Float>
  private let residualRows, solution: Vector<Float>
  private let optimizer: FastGaussNewton<Float>

  /// A problem whose matrix-free conjugate gradient always takes this number of iterations.
  init(_ network: Network, rows: Int, iterations: Int, communicator: Communicator) {
    var options = GaussNewtonOptions()
    options.solver.tolerance = .leastNonzeroMagnitude
    options.solver.maxIterations = iterations
    self.init(network, rows: rows, options: options, communicator: communicator)
  }

  init(_ network: Network, rows batchSize: Int, options: GaussNewtonOptions, communicator: Communicator) {
    let (features, classes) = (network.inputCount, network.outputCount)
    let partition = RowPartition(rank: communicator.rank, ranks: communicator.size)
    let rows = partition.rows(of: batchSize).count
    var generator = SplitMix64(seed: 1, stream: UInt64(communicator.rank))
    let values = Vector<Float>(zeros: rows * features)
    for i in 0..<values.count { values[i] = Float(generator.nextNormal()) }
    inputs = Matrix(values, rows, features)
    labels = (0..<rows).map { _ in Int32(generator.next(below: UInt64(classes))) }
    self.batchSize = batchSize
    self.network = network
    parameters = network.initialParameters(seed: 1)
    linearization = Linearization(network, capacity: rows)
    linearization.linearize(at: parameters, on: inputs)
    let margin = SoftmaxMargin<Float>(capacity: rows)
    margin.assign(replacing: linearization.logits, labels: labels[...])
    rowSpace = RowSpace(linearization, capacity: rows)
    rowSpace.assign(margin, cotangents: linearization.logits, batchSize: batchSize)
    residualRows = Vector(zeros: rows)
    let phases = Phases()
    self.rows = ShardedRows(
      rowSpace, Message(linearization, communicator: communicator, phases: phases), phases: phases)
    solver = MatrixFreeSolver(
      capacity: rows, parameterCount: network.layout.count,
      over: ReplicatedParameters(communicator: communicator, phases: phases))
    solution = Vector(zeros: network.layout.count)
    optimizer = FastGaussNewton(
      network, options: options, capacity: rows, partition: partition, communicator: communicator)
  }

  /// The product that precedes conjugate gradient.
  func prepare() throws -> MatrixFreeSolver<Float>.Start {
    residualRows.assign(rowSpace.rightHandSide)
    let sums = try rows.applyTransposed(
      residualRows, with: [(.squaredResidual, rows.dot(residualRows, residualRows))])
    return .init(residual: residualRows, squaredResidual: sums[.squaredResidual], reference: 1)
  }

  /// All iterations of conjugate gradient in a step. Throws exit code 64 where fewer solve the problem.
  func solve(from start: MatrixFreeSolver<Float>.Start) throws {
    let options = optimizer.options.solver
    let summary = try solver.solve(rows, start, damping: 1e-3, step: solution, options: options)
    guard summary.iterations == options.maxIterations else {
      throw CollectiveFailure(
        ConfigurationError(
          "conjugate gradient solves \(batchSize) rows in \(summary.iterations) iterations, too few to be timed; raise --rows"
        ))
    }
  }

  /// A complete step; the parameters do not change.
  func step() throws {
    _ = try optimizer.advance(
      parameters.copy(),
      on: Batch(inputs: .dense(inputs), labels: labels[...], globalSize: batchSize), rate: 1, interrupt: false)
  }
}

/// A head with random parameters and a random batch, whose classes are shared out over the ranks of a communicator.
private struct SharedHead {
  private let parameters: Vector<Float>
  private let batch: Batch<Float>
  private let optimizer: FastGaussNewton<Float>

  init(_ head: (rows: Int, features: Int, classes: Int), _ options: GaussNewtonOptions, over communicator: Communicator)
  {
    let shards = ClassShards(head.classes, over: communicator)
    let network = Network([Linear(inputs: head.features, outputs: head.classes)])
    var generator = SplitMix64(seed: 1)
    let values = Vector<Float>(zeros: head.rows * head.features)
    for i in 0..<values.count { values[i] = Float(generator.nextNormal()) }
    let labels = (0..<head.rows).map { _ in Int32(generator.next(below: UInt64(head.classes))) }
    batch = Batch(
      inputs: .dense(Matrix(values, head.rows, head.features)), labels: labels[...], globalSize: head.rows)
    parameters = network.parameters(shards.own, of: network.initialParameters(seed: 1))
    optimizer = FastGaussNewton(
      network.keeping(shards.own), options: options, capacity: head.rows, partition: RowPartition(),
      communicator: communicator, classes: shards)
  }

  /// A complete step; the parameters do not change.
  func step() throws { _ = try optimizer.advance(parameters.copy(), on: batch, rate: 1, interrupt: false) }
}
