import LinearAlgebra
import Networks

// K of a head whose classes ranks share out: (HHᵀ + 1) ∘ Σ_r D_rD_rᵀ, where rank r has the columns of its classes.
extension GramMatrix {
  /// Forms K from this rank's columns of the cotangents v (B × #C) and √(w̃/B) of all rows (B). One reduce-scatter of the
  /// triangle; with `gathers` an allgather of the rows; below the head what other layers take. Collective.
  func assign(
    _ loss: BatchLoss<Scalar>, rowFactors: Vector<Scalar>, metric: Metric<Scalar>, gathers: Bool,
    over classes: ClassShards
  ) throws {
    let (linearization, cotangents) = (loss.linearization, loss.cotangents)
    let (formed, shares) = begin(gathers: gathers)
    var layer = metric.layerCount - 1
    let scale = metric.scale(layer)
    let outputs = try gather([cotangents], 1, scaledBy: scale?.outputs.inverseRoot, by: exchange)
    let products = try outputProducts(outputs, shares, classes)
    workspace.grow(to: GramPanel.scratchCount(positions: 1))
    try phases.measure(.gram) {
      try linearization.rowGradients(cotangents, keepsCotangents: true) { gradients in
        switch gradients {
        case .products(let inputs, _, let hasBias):
          formed.block.assignGramProducts(
            formed.rows, of: try gather(inputs, 0, scaledBy: scale?.inputRoot, by: exchange), times: products,
            shift: scale?.biasInverse ?? (hasBias ? 1 : 0), scratch: workspace)
        case .sparseProducts(let inputs, _, let hasBias):
          let x = try exchange.gather(inputs)
          formed.block.assignGramProducts(
            formed.rows, of: scale?.inputRoot.map { x.scaled(columnsBy: $0) } ?? x, times: products,
            shift: scale?.biasInverse ?? (hasBias ? 1 : 0), scratch: workspace)
        case .positionProducts, .rows:
          preconditionFailure("classes are shared out of a fully connected head")
        }
      }
      try loss.trunk?.rowGradients { [exchange = loss.trunk!.exchange] gradients in
        if gradients.areOfConnection { layer -= 1 }
        try add(gradients, to: formed, beta: 1, by: exchange, in: (metric, layer))
      }
      formed.block.scaleGramRows(formed.rows.range, by: rowFactors)
    }
    try complete(formed, shares)
  }

  /// This rank's rows of Σ_r D_rD_rᵀ. Collective.
  private func outputProducts(
    _ cotangents: Matrix<Scalar>, _ shares: Shares, _ classes: ClassShards
  ) throws -> TriangleRows<Scalar> {
    let size = cotangents.rows
    // The ranks of a group form the rows that are theirs.
    let parts = shares.all[classes.group]
    let range = parts.first!.lowerBound..<parts.last!.upperBound
    outputStorage.grow(to: range.count * size)
    let block = Matrix(outputStorage[0..<range.count * size], range.count, size)
    let triangle = phases.measure(.gram) {
      if cotangents.columns > 0 {
        block.assignGramRows(GramRows(range), of: cotangents)
      } else {
        block.elements.fill(0)
      }
      return block.packTriangle(range)
    }
    try classes.reduceScatter(
      triangle.elements, counts: parts.map { TriangleRows<Scalar>.count($0, of: size) })
    let own = shares.own
    return TriangleRows(own, of: size, triangle.elements[0..<TriangleRows<Scalar>.count(own, of: size)])
  }
}
