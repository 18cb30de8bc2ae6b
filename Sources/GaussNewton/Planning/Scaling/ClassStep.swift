import Networks

/// A step whose ranks share out the classes of a head (#C of C), and have all rows there; below the head they share out the
/// rows: docs/method.md, "Shared-out classes".
struct ClassStep {
  private let step: PredictedStep
  private let operations: Operations
  /// The head with the classes of the rank that has most.
  private let own: LayerWork
  /// The layers below, and the number of their parameters.
  private let trunk: (step: RowStep, parameters: Double)?
  /// `ownParameters` are those of the rank's classes.
  private let batch, classes, ownParameters, width: Double

  init(_ step: PredictedStep, _ operations: Operations) {
    (self.step, self.operations) = (step, operations)
    let network = step.network
    var layer = network.body.work.last!
    let all = layer.outputs
    layer.outputs = (all + step.ranks - 1) / step.ranks
    layer.parameterCount = layer.parameterCount / all * layer.outputs
    own = layer
    batch = Double(step.batchSize)
    classes = Double(layer.outputs)
    ownParameters = Double(layer.parameterCount)
    trunk = network.trunk.map { layers in
      var below = step
      below.network = layers
      return (RowStep(below, operations), Double(layers.layout.count))
    }
    width = Double(step.width)
  }

  func add(to result: inout StepPrediction) {
    // Without layers below, each rank reads all rows.
    let rows = trunk == nil ? batch : batch / Double(step.ranks)
    result.add(.data, operations.pass(rows * step.valuesRead, times: 2))
    addForward(to: &result)
    switch step.method {
    case .firstOrder: addGradient(vjp, trunk?.step.vjp, to: &result)
    case .matrixFree: addProducts(to: &result)
    case .generalized: addFullProducts(to: &result)
    case .gram, .gramCG: addGram(to: &result)
    }
    result.exchange(.allreduce, 24)
    result.add(.update, operations.pass(ownParameters + (trunk?.parameters ?? 0), times: step.updatePasses))
  }

  private var product: Double { operations.product(of: own, rows: batch) }
  private var jvp: Double { operations.pass(2 * batch * classes) + product }
  private var vjp: Double {
    operations.pass(2 * batch * classes) + operations.weightGradient(of: own, rows: batch)
  }
  /// Bytes of H.
  private var hiddenBytes: Double { batch * Double(own.inputs) * width }

  private func addForward(to result: inout StepPrediction) {
    if let trunk {
      result.add(.forward, trunk.step.layersForward)
      result.exchange(.allgather, hiddenBytes)
    }
    // The largest logits, the sums of exponentials, and the wish to stop.
    result.add(.forward, product + operations.shared(batch * classes * operations.rates.margin))
    result.exchange(.allreduce, 2 * batch * 8)
    result.exchange(.allreduce, batch * 8)
    result.exchange(.allreduce, 8)
    if trunk != nil { addPull(to: &result) }
  }

  /// What cotangents of the logits say of H.
  private func addPull(to result: inout StepPrediction) {
    result.add(.vjp, product)
    result.exchange(.reduceScatter, hiddenBytes)
  }

  /// Gradients of the head's classes, and of the layers below, whose sum travels; `times` of them.
  private func addGradient(_ head: Double, _ below: Double?, times: Double = 1, to result: inout StepPrediction) {
    result.add(.vjp, times * head)
    guard let trunk, let below, trunk.parameters > 0 else { return }
    result.add(.vjp, times * below)
    result.exchange(.allreduce, trunk.parameters * width, times: times)
  }

  private func addProducts(to result: inout StepPrediction) {
    // K times s, and with Δ₀ RΔ₀, each of which is a sum over the ranks, and the gradient.
    let anchor = step.predictsAnchor ? 1.0 : 0
    let products = 1 + step.iterations
    addGradient(vjp, trunk?.step.vjp, times: products + 1 + anchor, to: &result)
    result.add(.jvp, (products + anchor) * (jvp + (trunk?.step.jvp ?? 0)))
    result.add(.solve, step.iterations * operations.rates.iteration)
    result.exchange(.allreduce, batch * 8, times: products + anchor)
    if anchor > 0 { result.exchange(.allreduce, 8) }
  }

  /// The full matrix: with layers below, each product takes Ḣ, and what its curvature says of H.
  private func addFullProducts(to result: inout StepPrediction) {
    let products = 1 + step.iterations + (step.predictsAnchor ? 1 : 0)
    addGradient(vjp, trunk?.step.vjp, times: products, to: &result)
    result.add(.jvp, (products - 1) * (jvp + (trunk?.step.jvp ?? 0)))
    result.add(
      .solve, step.iterations * (operations.rates.iteration + operations.pass(ownParameters, times: 5)))
    result.exchange(.allreduce, 4 * batch * 8, times: products - 1)
    guard trunk != nil else { return }
    result.add(.jvp, (products - 1) * product)
    result.exchange(.allgather, hiddenBytes, times: products - 1)
    for _ in 0..<Int(products - 1) { addPull(to: &result) }
  }

  private func addGram(to result: inout StepPrediction) {
    if step.predictsAnchor {
      result.add(.jvp, jvp + (trunk?.step.jvp ?? 0))
      result.exchange(.allreduce, batch * 8)
    }
    // D_rD_rᵀ of all rows, and packed a triangle; of HHᵀ and the product with it a share of the rows.
    let (ranks, triangle) = (Double(step.ranks), batch * (batch + 1) / 2)
    let area = batch * batch / 2 + 48 * batch
    result.add(.gram, operations.shared(area * classes * operations.rates.gram) + operations.pass(triangle))
    result.exchange(.reduceScatter, triangle * width)
    var inputs = own
    (inputs.outputs, inputs.pairCount) = (0, own.isSparse ? 0 : own.inputs)
    result.add(.gram, operations.gram(of: inputs, area: area / ranks))
    trunk?.step.addLayersGram(to: &result)
    step.addSolve(operations, to: &result)
    addGradient(vjp, trunk?.step.keptGradients, to: &result)
  }
}
