import LinearAlgebra
import Networks

// What each type keeps in memory over a run, for estimates before anything is allocated. Vectors are of P numbers, counts
// are in numbers of the precision and in floating point, for what is impossible may be more than integers count.

extension Message {
  /// The sums over the ranks.
  static var vectorCount: Int { 1 }
}

extension BatchLoss {
  /// The parameters at which the loss is looked at.
  static var vectorCount: Int { 1 }
}

extension MatrixFreeSolver {
  /// Rᵀx or its image in a metric.
  static var vectorCount: Int { 1 }
}

extension CurvatureSystem {
  /// The search direction, and where the solver began.
  static var vectorCount: Int { 2 }
}

extension WeightDecay {
  /// The parameters of the start, where these are what others decay to.
  static func vectorCount(rate: Double, toInitial: Bool) -> Int { toInitial && rate > 0 ? 1 : 0 }
}

extension Anchor {
  /// Δ₋ and Δ₀, and with `nesterov` θ + Δ₀ and how Δ₀ may change after a batch was linearised there.
  static func vectorCount(_ options: GaussNewtonOptions) -> Int {
    2 + (options.nesterov ? 1 : 0) + (options.nesterov && options.anchorMoves ? 1 : 0)
  }
}

extension GaussNewtonOptions {
  /// Whether what momentum and decay lead to may change after a batch was linearised there.
  fileprivate var anchorMoves: Bool { weightDecay > 0 && (metric.kind != .identity || damping.policy == .sweep) }
}

extension DampedStep {
  /// The gradient, Δ, and the vectors of Δ₀.
  static func vectorCount(_ options: GaussNewtonOptions) -> Int {
    2 + Anchor<Scalar>.vectorCount(options) + decayVectorCount(options)
  }

  /// Δ₋, where there is momentum, and what parameters decay to.
  package static func savedVectorCount(_ options: GaussNewtonOptions) -> Int {
    (options.momentum == 0 ? 0 : 1) + decayVectorCount(options)
  }

  private static func decayVectorCount(_ options: GaussNewtonOptions) -> Int {
    WeightDecay<Scalar>.vectorCount(rate: options.weightDecay, toInitial: options.decaysToInitial)
  }
}

extension FastGaussNewton {
  /// Its vectors, beside θ.
  package static func vectorCount(_ options: GaussNewtonOptions) -> Int {
    DampedStep<Scalar>.vectorCount(options) + BatchLoss<Scalar>.vectorCount + Message<Scalar>.vectorCount
      + MatrixFreeSolver<Scalar>.vectorCount
  }

  /// Whether steps form the matrix of their batch of `batchSize` rows, or at least one does for a measurement.
  package static func formsGram(_ network: Network, _ options: GaussNewtonOptions, batchSize: Int) -> Bool {
    switch options.solver.kind {
    case .cg: false
    case .gram, .gramCG: true
    case .auto, .measured: SolverPlan.isCandidate(batchSize: batchSize, network)
    }
  }
}

extension GeneralizedGaussNewton {
  /// Its vectors, beside θ: the residual of the system is one.
  package static func vectorCount(_ options: GaussNewtonOptions) -> Int {
    1 + DampedStep<Scalar>.vectorCount(options) + BatchLoss<Scalar>.vectorCount + Message<Scalar>.vectorCount
      + CurvatureSystem<Scalar>.vectorCount
  }
}

extension FirstOrder {
  /// Its vectors, beside θ.
  package static func vectorCount(_ options: FirstOrderOptions) -> Int {
    Message<Scalar>.vectorCount + savedVectorCount(options)
  }

  /// The velocity, or the two moments, and what parameters decay to.
  package static func savedVectorCount(_ options: FirstOrderOptions) -> Int {
    (options.hasVelocity ? 1 : 0) + (options.hasMoments ? 2 : 0)
      + WeightDecay<Scalar>.vectorCount(rate: options.weightDecay, toInitial: options.decaysToInitial)
  }
}

extension GramMatrix {
  /// Numbers of a solve with the matrix of a batch of B rows on `ranks` ranks: the matrix, its factor and the rows that
  /// this rank forms, and the rows of the widest layer from all ranks.
  package static func memoryCount(_ network: Network, batchSize: Int, ranks: Int, isVirtual: Bool) -> Double {
    let batch = Double(batchSize)
    let share = (batch / Double(ranks).squareRoot()).rounded()
    let gathered = network.body.rowGradientCounts
    let gathers = ranks > 1 || isVirtual
    return 2 * batch * (batch + share) + (gathers ? batch * Double(gathered.first + gathered.second) : 0)
  }

  /// Numbers of the scaled cotangents and dense inputs of a batch in a diagonal metric, where they are not gathered
  /// anyway.
  package static func scaledCount(_ network: Network, _ options: MetricOptions, batchSize: Int) -> Double {
    let outputs = options.kind.isDiagonal ? network.connections.map(\.outputs).max() ?? 0 : 0
    let inputs = options.kind == .diagonal ? network.body.connections.map(\.inputs).max() ?? 0 : 0
    return Double(batchSize) * Double(outputs + inputs)
  }

  /// Numbers in which a rank forms its share of the first layer's outputs, without a metric of matrices.
  package static func sharedOutputCount(_ network: Network, batchSize: Int, ranks: Int) -> Int {
    guard
      let layer = network.body.connections.first, layer.range.lowerBound == 0,
      OutputShares.areWorthwhile(layer.outputs, ranks: ranks)
    else { return 0 }
    return batchSize * ((layer.outputs + ranks - 1) / ranks)
  }
}

extension Metric {
  /// Numbers of the moments, which a checkpoint has as well.
  package static func momentCount(_ network: Network, _ options: MetricOptions) -> Double {
    guard options.kind.hasMatrices else {
      return diagonalCounts(network, options.kind).reduce(0) { $0 + Double($1) }
    }
    return network.body.connections.reduce(0) { sum, layer in
      let (inputs, outputs) = (Double(layer.columns), Double(layer.outputs))
      return sum + inputs * inputs + (options.kind == .kronecker ? outputs * outputs : 0)
    }
  }

  /// Numbers of all that it keeps for at most `rows` local rows: moments, factors and inverses, rows [h | 1] and d and all
  /// of them divided, a vector out of its space, and the largest layer's parameters. Of a diagonal metric, that vector and
  /// the scales.
  package static func memoryCount(_ network: Network, _ options: MetricOptions, rows: Int) -> Double {
    let moments = momentCount(network, options)
    guard moments > 0 else { return 0 }
    guard options.kind.hasMatrices else {
      return Double(network.layout.count) + Double(RootMoment<Scalar>.vectorCount) * moments
    }
    let layers = network.body.connections
    let perRow =
      layers.map(\.columns).max()! + layers.map(\.outputs).max()!
      + layers.reduce(0) { $0 + $1.columns + $1.outputs }
    return Double(network.layout.count) + Double(layers.map(\.range.count).max()!) + 3 * moments
      + Double(rows) * Double(perRow)
  }

  /// Numbers more for each virtual shard: the largest moment, and with factors the largest layer's parameters.
  package static func partCount(_ network: Network, _ options: MetricOptions) -> Double {
    guard momentCount(network, options) > 0 else { return 0 }
    guard options.kind.hasMatrices else { return Double(diagonalCounts(network, options.kind).max()!) }
    let layers = network.body.connections
    let largest = Double(layers.map { max($0.columns, options.kind == .kronecker ? $0.outputs : 0) }.max()!)
    return largest * largest + Double(layers.map(\.range.count).max()!)
  }

  /// Numbers of each moment of a diagonal metric.
  private static func diagonalCounts(_ network: Network, _ kind: MetricOptions.Kind) -> [Int] {
    guard kind.isDiagonal else { return [] }
    return network.connections.flatMap { kind == .diagonal ? [$0.outputs, $0.columns] : [$0.outputs] }
  }
}
