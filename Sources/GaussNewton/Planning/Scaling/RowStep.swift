import Networks

/// A step whose ranks share out the rows of the batch (#b of B), and have all parameters (P): docs/logging.md,
/// "Traffic".
struct RowStep {
  private let step: PredictedStep
  private let operations: Operations
  private let work: [LayerWork]
  private let batch, rows, classes, parameters, width: Double

  init(_ step: PredictedStep, _ operations: Operations) {
    (self.step, self.operations) = (step, operations)
    work = step.network.body.work
    batch = Double(step.batchSize)
    rows = Double((step.batchSize + step.ranks - 1) / step.ranks)
    classes = Double(step.network.outputCount)
    parameters = Double(step.network.layout.count)
    width = Double(step.width)
  }

  /// The first layer with parameters, before which nothing has tangents or gradients.
  private var firstIndex: Int { work.firstIndex { $0.parameterCount > 0 } ?? 0 }
  private var trained: ArraySlice<LayerWork> { work[firstIndex...] }

  func add(to result: inout StepPrediction) {
    result.add(.data, operations.pass(rows * step.valuesRead, times: 2))
    result.add(.forward, forward)
    switch step.method {
    case .firstOrder:
      result.add(.vjp, vjp)
      result.exchange(.allreduce, (parameters + 2) * width)
    case .matrixFree, .generalized: addMatrixFree(to: &result)
    case .gram, .gramCG: addGram(to: &result)
    }
    result.add(.update, operations.pass(parameters, times: step.updatePasses))
  }

  private var forward: Double {
    operations.shared(rows * classes * operations.rates.margin) + layersForward
  }

  /// The outputs of all layers.
  var layersForward: Double {
    work.reduce(0) { $0 + operations.product(of: $1, rows: rows) + operations.elementwise($1, rows: rows) }
  }

  /// Ju, and its inner products with the margin cotangents.
  var jvp: Double {
    trained.reduce(operations.pass(2 * rows * classes)) { sum, layer in
      // All layers but the first multiply the tangents of their inputs as well.
      sum + (layer == trained.first ? 1 : 2) * operations.product(of: layer, rows: rows)
        + operations.elementwise(layer, rows: rows)
    }
  }

  /// Jᵀv of scaled cotangents.
  var vjp: Double {
    trained.reduce(operations.pass(2 * rows * classes)) { sum, layer in
      sum + operations.weightGradient(of: layer, rows: rows) + operations.elementwise(layer, rows: rows)
        + (layer == trained.first ? 0 : operations.product(of: layer, rows: rows))
    }
  }

  private func addMatrixFree(to result: inout StepPrediction) {
    let anchor = step.predictsAnchor ? 1.0 : 0
    let products = 1 + anchor + step.iterations
    result.add(.vjp, products * vjp)
    result.add(.jvp, (step.iterations + anchor) * jvp)
    result.add(
      .solve, step.iterations * (operations.rates.iteration + operations.pass(parameters, times: 5)))
    result.exchange(.allreduce, (parameters + 3) * width, times: products)
  }

  private func addGram(to result: inout StepPrediction) {
    if step.predictsAnchor { result.add(.jvp, jvp) }
    let ranks = Double(step.ranks)
    result.exchange(.allgather, 24 * ranks)
    result.exchange(.allgather, 3 * batch * width)
    addLayersGram(to: &result)
    step.addSolve(operations, to: &result)
    addStep(to: &result)
  }

  /// What the layers add to this rank's rows of K.
  func addLayersGram(to result: inout StepPrediction) {
    // The triangle's elements that a rank forms, with those that the kernels compute in excess.
    let area = (batch * batch / 2 + 48 * batch) / Double(step.ranks)
    result.add(.gram, operations.pass(area, times: 2))
    for layer in trained {
      result.add(.gram, operations.elementwise(layer, rows: rows))
      if layer != trained.first { result.add(.gram, operations.product(of: layer, rows: rows)) }
      if layer.parameterCount == 0 { continue }
      result.add(.gram, operations.gram(of: layer, area: area))
      addGathers(of: layer, to: &result)
    }
  }

  /// The inputs and cotangents of all rows of a layer.
  private func addGathers(of layer: LayerWork, to result: inout StepPrediction) {
    if layer.isSparse {
      result.exchange(.allgather, 4 * batch)
      result.exchange(.allgather, batch * operations.valuesPerRow * 4)
      result.exchange(.allgather, batch * operations.valuesPerRow * width)
    }
    if layer.isSparse || layer.formsGradients {
      return result.exchange(.allgather, batch * Double(layer.gatheredCount) * width)
    }
    let outputs = Double(max(1, layer.positions) * layer.outputs)
    result.exchange(.allgather, batch * (Double(layer.gatheredCount) - outputs) * width)
    result.exchange(.allgather, batch * outputs * width)
  }

  /// The gradients of all layers from cotangents that are kept.
  var keptGradients: Double { trained.reduce(0) { $0 + operations.weightGradient(of: $1, rows: rows) } }

  /// Δ from the solution: in shares of the first layer's outputs and a gather of them, or in shares of the rows and a
  /// sum.
  private func addStep(to result: inout StepPrediction) {
    let first = trained.first!
    let isGathered =
      first.positions == 1 && !first.isSparse && !first.formsGradients
      && OutputShares.areWorthwhile(first.outputs, ranks: step.ranks)
    var summed = parameters
    if isGathered {
      let (inputs, outputs) = (Double(first.inputs), Double(first.outputs))
      let own = (outputs / Double(step.ranks)).rounded(.up)
      result.add(.vjp, operations.pass(2 * batch * own) + operations.product(own, inputs, batch))
      result.exchange(.allgather, inputs * outputs * width)
      let biases = Double(first.parameterCount) - inputs * outputs
      if biases > 0 { result.exchange(.allgather, biases * width) }
      summed -= Double(first.parameterCount)
    } else {
      result.add(.vjp, operations.pass(2 * rows * Double(first.outputs)))
      result.add(.vjp, operations.weightGradient(of: first, rows: rows))
    }
    for layer in trained.dropFirst() { result.add(.vjp, operations.weightGradient(of: layer, rows: rows)) }
    if summed > 0 { result.exchange(.allreduce, summed * width) }
  }
}
