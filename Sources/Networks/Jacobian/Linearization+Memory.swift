extension Linearization {
  /// The numbers that it keeps for at most `rows` local rows: activations, logits and their tangents, and what the layers
  /// work in; of a single layer also what a product scales.
  package static func memoryCount(_ network: Network, rows: Int, _ partition: RowPartition) -> Double {
    let scaled = network.hasSingleLayer ? network.layers[0].scaledCount : 0
    let perRow = 2 * network.outputCount + network.body.cacheCount + scaled
    return Double(rows) * Double(perRow)
      + partition.scratchCount(rows: rows) { network.body.scratchCount(rows: $0) }
  }

  /// The numbers more that the layers work in to give the gradients of rows.
  package static func rowGradientCount(_ network: Network, rows: Int, _ partition: RowPartition) -> Double {
    partition.scratchCount(rows: rows) { network.body.rowGradientScratchCount(rows: $0) }
  }
}

extension RowPartition {
  /// Numbers of scratch for all parts of at most `rows` rows, given what so many rows take.
  fileprivate func scratchCount(rows: Int, _ count: (Int) -> Int) -> Double {
    Double(partCount) * Double(partScratchCount(capacity: rows, count))
  }
}
