import LinearAlgebra
import Networks

extension TruncatedNewton {
  /// Bytes of all that steps on all rows keep on a rank, beside θ and the inputs of `RowBlocks.rowsAtATime` rows.
  package static func memorySize(_ network: Network, _ blocks: RowBlocks, rows: Int, threads: Int) -> Double {
    let P = Double(network.layout.count)
    let (parts, size) = (Double(blocks.partition.partCount), Double(MemoryLayout<Scalar>.size))
    // Of each part and of each rank: sums, the system's five vectors, both gradients, the step, and θ in float64.
    let wide = P * (parts + 1 + 5 + 3 + 2)
    // What a part adds, the tangent, and θ + αd.
    let narrow =
      P * (parts + 2) + Double(blocks.keptCount(network, rows: rows))
      + Linearization<Scalar>.memoryCount(network, rows: blocks.capacity, blocks.partition)
    return 8 * wide + size * (narrow + preconditionerCount(network, blocks, threads: threads))
  }

  /// Numbers of the preconditioner.
  private static func preconditionerCount(_ network: Network, _ blocks: RowBlocks, threads: Int) -> Double {
    let C = Double(network.outputCount)
    if HeadPreconditioner<Scalar>.isSuited(to: network) {
      let D = Double(network.connections[0].columns)
      return C * D * (D + 2) + Double(RowBlocks.sampleChunk) * (2 * C + D * Double(1 + threads))
    }
    guard network.hasSingleLayer else { return 0 }
    return Double(network.layout.count) * Double(MemoryLayout<Double>.size / MemoryLayout<Scalar>.size)
      + Double(blocks.capacity) * C
  }
}
