import Networks

/// The cost of a step's solve with each solver. The model depends on sizes, ranks, threads and the kind of processor
/// alone, so that the same command makes the same choice.
///
/// It follows the code operation by operation. A matrix product costs its multiplications and its operands; a pass over
/// vectors costs its numbers; each operation costs a call; a collective costs a start and its bytes. Seconds are taken
/// from `MachineRates`.
package struct SolverCosts {
  /// B, and the numbers of ranks, of hosts, and of threads per rank.
  package var batchSize: Int
  package var ranks = 1
  package var hosts = 1
  package var threads = 1
  /// Entries per row of sparse features.
  package var valuesPerRow = 0.0
  /// Bytes per number.
  package var width = 4
  private let work: [LayerWork]
  private let options: GaussNewtonOptions
  private let rates: MachineRates

  package init(_ network: Network, _ options: GaussNewtonOptions, batchSize: Int, rates: MachineRates) {
    self.batchSize = batchSize
    self.options = options
    self.rates = rates
    // Layers before the first one with parameters take no part in products with the Jacobian.
    work = Array(network.body.work.drop { $0.parameterCount == 0 })
  }

  /// The expected seconds for this number of iterations of conjugate gradient.
  package func plan(iterations: Double) -> SolverPlan {
    let common = gramStep
    return SolverPlan(
      matrixFree: matrixFreeStep, iteration: matrixFreeIteration, gram: common + cholesky, gramCG: common + gramCGStart,
      gramIteration: gramIteration, gramIterationRatio: options.solver.gramIterationRatio, iterations: iterations,
      source: .model)
  }

  // MARK: Sizes

  /// Rows per rank.
  private var rows: Double { Double((batchSize + ranks - 1) / ranks) }
  private var batch: Double { Double(batchSize) }
  private var classes: Double { Double(work.last!.outputs) }
  private var parameterCount: Double { Double(work.reduce(0) { $0 + $1.parameterCount }) }
  private var isHead: Bool { work.count == 1 }
  /// The layers in which the metric differs from I.
  private var metricLayers: [LayerWork] {
    switch options.metric.kind {
    case .identity: []
    case .outputs, .diagonal: work.filter(isConnected)
    case .inputs, .kronecker: work.filter { isConnected($0) && !$0.isSparse }
    }
  }
  private var hasMetric: Bool { !metricLayers.isEmpty }
  /// Whether the metric has factors that are matrices.
  private var hasFactors: Bool { hasMetric && options.metric.kind.hasMatrices }
  /// Whether a diagonal metric has numbers of the inputs.
  private var scalesInputs: Bool { options.metric.kind == .diagonal }
  private func isConnected(_ layer: LayerWork) -> Bool { layer.positions == 1 && !layer.formsGradients }
  /// Whether Δ₀ needs products of its own.
  private var predictsAnchor: Bool { (options.momentum != 0 || options.weightDecay != 0) && !options.nesterov }

  // MARK: Operations

  private var operations: Operations {
    Operations(rates: rates, threads: threads, width: width, valuesPerRow: valuesPerRow)
  }
  private func call(_ count: Double = 1) -> Double { operations.call(count) }
  private func shared(_ seconds: Double) -> Double { operations.shared(seconds) }
  private func product(_ m: Double, _ n: Double, _ k: Double) -> Double { operations.product(m, n, k) }
  private func pass(_ count: Double, times: Double = 1) -> Double { operations.pass(count, times: times) }
  private func product(of layer: LayerWork) -> Double { operations.product(of: layer, rows: rows) }
  private func elementwise(_ layer: LayerWork) -> Double { operations.elementwise(layer, rows: rows) }
  private func weightGradient(of layer: LayerWork) -> Double { operations.weightGradient(of: layer, rows: rows) }

  private func allreduce(_ numbers: Double, width: Int? = nil) -> Double {
    // Each rank sends and receives each byte 2(n − 1)/n times.
    collective(numbers * Double(width ?? self.width) * 2 * Double(ranks - 1) / Double(ranks))
  }

  private func allgather(_ numbers: Double, width: Int? = nil) -> Double {
    collective(numbers * Double(width ?? self.width) * Double(ranks - 1) / Double(ranks))
  }

  private func collective(_ bytes: Double) -> Double {
    if ranks == 1 { return 0 }
    var (depth, reach) = (0.0, 1)
    while reach < ranks { (depth, reach) = (depth + 1, 2 * reach) }
    return hosts > 1 ? depth * rates.farMessage + bytes * rates.farByte : depth * rates.message + bytes * rates.byte
  }

  /// Ju, and its inner products with the margin cotangents.
  private var jvp: Double {
    work.enumerated().reduce(pass(2 * rows * classes)) { sum, layer in
      // All layers but the first multiply the tangents of their inputs as well.
      sum + (layer.offset == 0 ? 1 : 2) * product(of: layer.element) + elementwise(layer.element)
    }
  }

  /// Jᵀv of scaled cotangents, and its sum over the ranks.
  private var vjp: Double {
    let scaled = isHead ? (work[0].isSparse ? 0 : Double(min(work[0].inputs, work[0].outputs))) : classes
    return work.enumerated().reduce(pass(2 * rows * scaled)) { sum, layer in
      sum + weightGradient(of: layer.element) + elementwise(layer.element)
        + (layer.offset == 0 ? 0 : product(of: layer.element))
    } + allreduce(parameterCount)
  }

  /// L⁻¹u or L⁻ᵀu in a metric; M⁻¹u in a diagonal one.
  private var whitening: Double {
    metricLayers.reduce(0) { sum, layer in
      let (inputs, outputs) = (Double(layer.columns), Double(layer.outputs))
      if !hasFactors { return sum + pass(outputs * inputs, times: scalesInputs ? 2 : 1) }
      let isKronecker = options.metric.kind == .kronecker
      let multiplications = (outputs * inputs * inputs + (isKronecker ? outputs * outputs * inputs : 0)) / 2
      return sum + shared(multiplications * rates.triangular) + call(2)
    }
  }

  // MARK: Matrix-free solves

  private var matrixFreeStep: Double {
    1.5 * rates.iteration + vjp + pass(parameterCount, times: 16)
      + (predictsAnchor ? jvp + vjp + pass(parameterCount, times: 6) : 0)
      + (hasMetric ? 3 * whitening + pass(parameterCount, times: 2) : 0)
      + (hasFactors ? allreduce(parameterCount) : 0)
  }

  private var matrixFreeIteration: Double {
    rates.iteration + jvp + vjp + pass(parameterCount, times: 5)
      + (hasMetric ? 2 * whitening + pass(parameterCount, times: 2) : 0)
  }

  // MARK: Solves with the matrix

  /// Elements of the triangle that a rank forms, and those that the kernels compute in excess.
  private var area: Double { (batch * batch / 2 + 48 * batch) / Double(ranks) }

  /// The work that both solvers share: the matrix, and the step from its solution.
  private var gramStep: Double {
    let P = parameterCount
    var sum = predictsAnchor ? jvp + pass(P, times: 3) : 0
    for (index, layer) in work.enumerated() {
      sum += elementwise(layer) + (index == 0 ? 0 : product(of: layer))
      if layer.parameterCount > 0 { sum += pairs(of: layer) }
    }
    // Scaling rows and columns; exchanges of s, of the factors of Rᵀ, of sums and of scalars.
    sum += pass(area, times: 2) + allgather(30, width: 8) + allgather(3 * batch) + allreduce(8, width: 8)
    let gathered = gatheredParameterCount
    sum += gathered > 0 ? 2 * allgather(gathered / 2) : 0
    sum += P > gathered ? allreduce(P - gathered) : 0
    sum += hasFactors ? allreduce(P) + inverses : hasMetric ? whitening : 0
    return sum + pass(P, times: 9)
  }

  /// The part of a layer in the matrix and in the step.
  private func pairs(of layer: LayerWork) -> Double {
    let (inputs, outputs) = (Double(layer.inputs), Double(layer.outputs))
    var sum = allgather(batch * Double(layer.gatheredCount))
    if hasMetric, !hasFactors, isConnected(layer) {
      sum += pass(2 * rows * outputs)
      if scalesInputs { sum += layer.isSparse ? pass(4 * batch * valuesPerRow) : pass(2 * rows * inputs) }
    }
    sum += operations.gram(of: layer, area: area)
    if layer.isSparse { return sum + weightGradient(of: layer) }
    if layer.formsGradients, layer.positions > 0 { sum += product(rows * outputs, inputs, Double(layer.positions)) }
    if hasFactors, isConnected(layer) {
      sum += product(rows, Double(layer.columns), Double(layer.columns)) + product(rows, outputs, outputs)
      sum += pass(2 * rows * (inputs + outputs)) + pass(2 * Double(layer.parameterCount))
    } else {
      sum += pass(2 * rows * min(inputs, outputs))
    }
    return sum + weightGradient(of: layer)
  }

  /// The inverses of a metric, once per interval of steps, on all ranks.
  private var inverses: Double {
    let multiplications = metricLayers.reduce(0.0) { sum, layer in
      let (inputs, outputs) = (Double(layer.columns), Double(layer.outputs))
      return sum + inputs * inputs * inputs + (options.metric.kind == .kronecker ? outputs * outputs * outputs : 0)
    }
    return shared(multiplications / 3 * rates.triangular) / Double(options.metric.interval)
  }

  /// The parameters of a first layer whose outputs the ranks share.
  private var gatheredParameterCount: Double {
    let first = work[0]
    return !hasFactors && isConnected(first) && !first.isSparse
      && OutputShares.areWorthwhile(first.outputs, ranks: ranks)
      ? Double(first.parameterCount) : 0
  }

  private var cholesky: Double {
    allgather(batch * batch) + operations.cholesky(batch)
  }

  /// A product with the rows of the matrix, and the vector operations of an iteration.
  private var gramIteration: Double {
    operations.symmetricProduct(batch * batch / Double(ranks)) + allreduce(batch + 4, width: 8)
  }

  private var gramCGStart: Double { gramIteration * (predictsAnchor ? 2 : 1) }
}
