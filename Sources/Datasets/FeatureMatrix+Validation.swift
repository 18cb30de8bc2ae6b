import CZlib

extension FeatureMatrix {
  /// The first value of the range's rows that is infinite or not a number.
  ///
  /// Local: each rank looks at its shard of the rows.
  package func firstNonFinite(in range: Range<Int>) -> (row: Int, column: Int)? {
    let found: Int? = withBytes(in: range) { bytes in
      switch element {
      case .uint8: nil
      case .float32: firstWithFullExponent(bytes.bindMemory(to: UInt32.self), columns, mask: 0x7f80_0000)
      case .float64: firstWithFullExponent(bytes.bindMemory(to: UInt64.self), columns, mask: 0x7ff0_0000_0000_0000)
      }
    }
    return found.map { (row: range.lowerBound + $0 / columns, column: $0 % columns) }
  }

  /// Mean, spread and magnitude of the range's rows, which must be finite.
  ///
  /// Local: the caller merges those of all ranks in rank order.
  package func statistics(in range: Range<Int>) -> FeatureStatistics {
    withBytes(in: range) { bytes in
      switch element {
      case .uint8: FeatureStatistics(bytes.bindMemory(to: UInt8.self), columns) { Double($0) }
      case .float32: FeatureStatistics(bytes.bindMemory(to: Float.self), columns) { Double($0) }
      case .float64: FeatureStatistics(bytes.bindMemory(to: Double.self), columns) { $0 }
      }
    }
  }

  /// The CRC-32 of the range's bytes as stored.
  package func checksum(in range: Range<Int>) -> UInt32 {
    withBytes(in: range) { UInt32(crc32_z(0, $0.bindMemory(to: UInt8.self).baseAddress, $0.count)) }
  }
}

/// Row by row: the test of a whole row has no early exit and no order, so the compiler vectorises it.
@inline(__always)
private func firstWithFullExponent<Bits: FixedWidthInteger>(
  _ values: UnsafeBufferPointer<Bits>, _ columns: Int, mask: Bits
) -> Int? {
  for start in stride(from: 0, to: values.count, by: columns) {
    var found: Bits = 0
    for index in start..<start + columns { found |= values[index] & mask == mask ? 1 : 0 }
    if found != 0 { return (start..<start + columns).first { values[$0] & mask == mask } }
  }
  return nil
}
