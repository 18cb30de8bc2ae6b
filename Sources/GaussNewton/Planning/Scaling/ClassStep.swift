import Networks

/// A step whose ranks share out the classes of a head (#C of C), and have all rows: docs/method.md, "Shared-out
/// classes".
struct ClassStep {
  private let step: PredictedStep
  private let operations: Operations
  /// The head with the classes of the rank that has most.
  private let own: LayerWork
  private let batch, classes, parameters, width: Double

  init(_ step: PredictedStep, _ operations: Operations) {
    (self.step, self.operations) = (step, operations)
    var layer = step.network.body.work[0]
    let all = layer.outputs
    layer.outputs = (all + step.ranks - 1) / step.ranks
    layer.parameterCount = layer.parameterCount / all * layer.outputs
    own = layer
    batch = Double(step.batchSize)
    classes = Double(layer.outputs)
    parameters = Double(layer.parameterCount)
    width = Double(step.width)
  }

  func add(to result: inout StepPrediction) {
    // Each rank reads all rows.
    result.add(.data, operations.pass(batch * step.valuesRead, times: 2))
    // The largest logits, the sums of exponentials, and the wish to stop.
    result.add(.forward, product + operations.shared(batch * classes * operations.rates.margin))
    result.exchange(.allreduce, 2 * batch * 8)
    result.exchange(.allreduce, batch * 8)
    result.exchange(.allreduce, 8)
    switch step.method {
    case .firstOrder: result.add(.vjp, vjp)
    case .matrixFree: addProducts(to: &result, numbers: batch)
    case .generalized: addProducts(to: &result, numbers: 4 * batch)
    case .gram, .gramCG: addGram(to: &result)
    }
    result.exchange(.allreduce, 24)
    result.add(.update, operations.pass(parameters, times: step.updatePasses))
  }

  private var product: Double { operations.product(of: own, rows: batch) }
  private var jvp: Double { operations.pass(2 * batch * classes) + product }
  private var vjp: Double {
    operations.pass(2 * batch * classes) + operations.weightGradient(of: own, rows: batch)
  }

  private func addProducts(to result: inout StepPrediction, numbers: Double) {
    // K times s, and with Δ₀ RΔ₀ and the size of the gradient; each is a sum over the ranks.
    let products = 1 + step.iterations + (step.predictsAnchor ? 1 : 0)
    result.add(.vjp, (products + 1) * vjp)
    result.add(.jvp, (products + (step.predictsAnchor ? 1 : 0)) * jvp)
    result.add(.solve, step.iterations * operations.rates.iteration)
    result.exchange(.allreduce, numbers * 8, times: products + (step.predictsAnchor ? 1 : 0))
  }

  private func addGram(to result: inout StepPrediction) {
    if step.predictsAnchor {
      result.add(.jvp, jvp)
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
    if case .gram = step.method {
      result.exchange(.allgather, batch * batch * width)
      result.add(.solve, operations.cholesky(batch))
    } else {
      step.addProducts(operations, to: &result)
    }
    result.exchange(.broadcast, 56)
    result.add(.vjp, vjp)
  }
}
