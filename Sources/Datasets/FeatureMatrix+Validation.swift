import CZlib

extension FeatureMatrix {
  /// The first value of the range's rows that is infinite or not a number.
  ///
  /// Local: each rank looks at its shard of the rows.
  package func firstNonFinite(in range: Range<Int>) -> (row: Int, column: Int)? {
    var found: (row: Int, column: Int)?
    forEachPiece(in: range) { firstRow, bytes in
      if found != nil { return }
      let index: Int? =
        switch element {
        case .uint8: nil
        case .float32: firstWithFullExponent(bytes.bindMemory(to: UInt32.self), columns, mask: 0x7f80_0000)
        case .float64: firstWithFullExponent(bytes.bindMemory(to: UInt64.self), columns, mask: 0x7ff0_0000_0000_0000)
        }
      found = index.map { (row: firstRow + $0 / columns, column: $0 % columns) }
    }
    return found
  }

  /// Mean, spread and magnitude of the range's rows, which must be finite.
  ///
  /// Local: the caller merges those of all ranks in rank order.
  package func statistics(in range: Range<Int>) -> FeatureStatistics {
    var statistics = FeatureStatistics(columns: columns)
    forEachPiece(in: range) { _, bytes in
      switch element {
      case .uint8: statistics.add(bytes.bindMemory(to: UInt8.self)) { Double($0) }
      case .float32: statistics.add(bytes.bindMemory(to: Float.self)) { Double($0) }
      case .float64: statistics.add(bytes.bindMemory(to: Double.self)) { $0 }
      }
    }
    return statistics
  }

  /// The CRC-32 of the range's bytes as stored.
  package func checksum(in range: Range<Int>) -> UInt32 {
    var checksum: UInt = 0
    forEachPiece(in: range) { _, bytes in
      checksum = crc32_z(checksum, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    }
    return UInt32(checksum)
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
