import CZlib

extension FeatureMatrix {
  /// The first value of the range's rows that is infinite or not a number.
  ///
  /// Local: each rank looks at its shard of the rows.
  package func firstNonFinite(in range: Range<Int>) -> (row: Int, column: Int)? {
    guard let exponent = element.fullExponent else { return nil }
    var found: (row: Int, column: Int)?
    forEachPiece(in: range) { firstRow, bytes in
      if found != nil { return }
      let index: Int? =
        switch element.size {
        case 2: firstWithFullExponent(bytes, columns, mask: UInt16(exponent), isSwapped)
        case 4: firstWithFullExponent(bytes, columns, mask: UInt32(exponent), isSwapped)
        default: firstWithFullExponent(bytes, columns, mask: exponent, isSwapped)
        }
      found = index.map { (row: firstRow + $0 / columns, column: $0 % columns) }
    }
    return found
  }

  /// The first value of the range's rows that exceeds single precision once normalised. Only `float64` has such values.
  ///
  /// Local: each rank looks at its shard of the rows.
  func firstOverflow(in range: Range<Int>, _ normalization: Normalization) -> (row: Int, column: Int)? {
    guard element == .float64 else { return nil }
    var found: (row: Int, column: Int)?
    normalization.withDoubles { map in
      forEachPiece(in: range) { firstRow, bytes in
        var row = firstRow
        func look(_ values: UnsafeBufferPointer<Double>) {
          for start in stride(from: 0, to: values.count, by: columns) where found == nil {
            let line = UnsafeBufferPointer(rebasing: values[start..<start + columns])
            found = map.firstOverflow(line).map { (row, $0) }
            row += 1
          }
        }
        if isInPlace { look(bytes.bindMemory(to: Double.self)) } else { forEachDoubles(of: bytes, look) }
      }
    }
    return found
  }

  /// Mean, spread and magnitude of the range's rows, which must be finite.
  ///
  /// Local: the caller merges the statistics of all ranks in rank order.
  package func statistics(in range: Range<Int>) -> FeatureStatistics {
    var statistics = FeatureStatistics(columns: columns)
    forEachPiece(in: range) { _, bytes in
      switch element {
      case .uint8: statistics.add(bytes.bindMemory(to: UInt8.self)) { Double($0) }
      case .float32 where isInPlace: statistics.add(bytes.bindMemory(to: Float.self)) { Double($0) }
      case .float64 where isInPlace: statistics.add(bytes.bindMemory(to: Double.self)) { $0 }
      default: forEachDoubles(of: bytes) { statistics.add($0) { $0 } }
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

extension ColumnMap<Double> {
  /// The first column whose normalised value exceeds single precision.
  fileprivate func firstOverflow(_ row: UnsafeBufferPointer<Double>) -> Int? {
    switch self {
    case .identity: Self.firstOverflow(row) { $1 }
    case .scale(let scale): Self.firstOverflow(row) { $1 * scale }
    case .columns(let offsets, let scales): Self.firstOverflow(row) { ($1 - offsets[$0]) * scales[$0] }
    case .columnScales(let scales): Self.firstOverflow(row) { $1 * scales[$0] }
    }
  }

  /// The loop has no early exit, so that the compiler vectorises it.
  @inline(__always)
  private static func firstOverflow(
    _ row: UnsafeBufferPointer<Double>, _ normalised: (Int, Double) -> Double
  ) -> Int? {
    var hasOverflow = false
    for column in 0..<row.count { hasOverflow = hasOverflow || !Float(normalised(column, row[column])).isFinite }
    return hasOverflow ? row.indices.first { !Float(normalised($0, row[$0])).isFinite } : nil
  }
}

/// Tests row by row: the test of one row has no early exit and no order, so that the compiler vectorises it.
@inline(__always)
private func firstWithFullExponent<Bits: FixedWidthInteger & BitwiseCopyable>(
  _ values: UnsafeRawBufferPointer, _ columns: Int, mask: Bits, _ isSwapped: Bool
) -> Int? {
  let mask = isSwapped ? mask.byteSwapped : mask
  let size = MemoryLayout<Bits>.size
  guard let base = values.baseAddress else { return nil }
  func isFull(_ index: Int) -> Bool { base.loadUnaligned(fromByteOffset: index &* size, as: Bits.self) & mask == mask }
  for start in stride(from: 0, to: values.count / size, by: columns) {
    var found: Bits = 0
    for index in start..<start + columns { found |= isFull(index) ? 1 : 0 }
    if found != 0 { return (start..<start + columns).first(where: isFull) }
  }
  return nil
}
