import LinearAlgebra
import Networks

extension TruncatedNewton {
  /// Bytes of all that steps on all rows keep on a rank, beside θ and the inputs of `RowBlocks.rowsAtATime(_:)` rows; in float64,
  /// with what they keep in float32. Of sparse rows each has so many values.
  package static func memorySize(
    _ network: Network, _ blocks: RowBlocks, rows: Int, valuesPerRow: Double, threads: Int
  ) -> Double {
    // The system's five vectors, both gradients, the step, and θ in float64; θ + αd.
    let own = Double(network.layout.count) * Double(8 * 9 + MemoryLayout<Scalar>.size)
    // Values of sparse rows of this rank, as many as are kept.
    let values = Double(rows) / Double(blocks.partition.ranks) * valuesPerRow
    let kept = network.takesSparseInputs ? min(values, Double(RowBlocks.keptValues)) : 0
    let rough =
      Scalar.self == Float.self
      ? 0 : TruncatedNewton<Float>.curvatureSize(network, blocks, rows: rows, keptValues: kept, threads: threads)
    return own + curvatureSize(network, blocks, rows: rows, keptValues: kept, threads: threads) + rough
  }

  /// Bytes of an objective and its curvature.
  private static func curvatureSize(
    _ network: Network, _ blocks: RowBlocks, rows: Int, keptValues: Double, threads: Int
  ) -> Double {
    let P = Double(network.layout.count)
    let (parts, size) = (Double(blocks.partition.partCount), Double(MemoryLayout<Scalar>.size))
    // Sums of each part and of each rank, and θ in float64.
    let wide = P * (parts + 1 + 1)
    // What a part adds, the tangent, and θ.
    let narrow =
      P * (parts + 2) + Double(blocks.keptCount(network, rows: rows))
      + Linearization<Scalar>.memoryCount(network, rows: blocks.capacity, blocks.partition)
    // Sorted by columns: numbers of rows and columns, and each value twice.
    let inputs = keptValues * (8 + 2 * size)
    return 8 * wide + inputs + size * (narrow + preconditionerCount(network, blocks, threads: threads))
  }

  /// Numbers of the preconditioner.
  private static func preconditionerCount(_ network: Network, _ blocks: RowBlocks, threads: Int) -> Double {
    let C = Double(network.outputCount)
    if HeadPreconditioner<Scalar>.isSuited(to: network) {
      let D = Double(network.connections[0].columns)
      let products = D * Double(threads * HeadPreconditioner<Scalar>.rowsOfProduct)
      return C * D * (D + 2) + Double(RowBlocks.sampleChunk(network)) * (2 * C + D) + products
    }
    guard network.hasSingleLayer else { return 0 }
    return Double(network.layout.count) * Double(MemoryLayout<Double>.size / MemoryLayout<Scalar>.size)
      + Double(blocks.capacity) * C
  }
}
