import CZlib
import LinearAlgebra

extension SparseFeatures {
  /// The first value of the range's rows that is infinite or not a number.
  ///
  /// Local: each rank looks at its shard of the rows.
  package func firstNonFinite(in range: Range<Int>) -> (row: Int, column: Int)? {
    element == .float32 ? firstNonFinite(range, Float.self) : firstNonFinite(range, Double.self)
  }

  private func firstNonFinite<Scalar: BLASScalar>(
    _ range: Range<Int>, _: Scalar.Type
  ) -> (row: Int, column: Int)? {
    self[rows: range].withStorage(as: Scalar.self) { rows, columns, values in
      for row in 0..<rows.count {
        guard let index = rows[row].first(where: { !values[$0].isFinite }) else { continue }
        return (range.lowerBound + row, Int(columns[index]))
      }
      return nil
    }
  }

  /// Mean, spread and magnitude of all rows, zeros included; the values must be finite.
  package var statistics: FeatureStatistics {
    element == .float32 ? statistics(Float.self) : statistics(Double.self)
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func statistics<Scalar: BLASScalar>(_: Scalar.Type) -> FeatureStatistics {
    withStorage(as: Scalar.self) { places, indices, values in
      var means = [Double](repeating: 0, count: columns)
      var counts = [Int](repeating: 0, count: columns)
      var minima = [Double](repeating: .infinity, count: columns)
      var maxima = [Double](repeating: -.infinity, count: columns)
      for row in 0..<rows {
        for index in places[row] {
          let value = Double(values[index])
          means[Int(indices[index])] += value
          counts[Int(indices[index])] += 1
          minima[Int(indices[index])] = min(minima[Int(indices[index])], value)
          maxima[Int(indices[index])] = max(maxima[Int(indices[index])], value)
        }
      }
      for column in means.indices where counts[column] < rows {
        (minima[column], maxima[column]) = (min(minima[column], 0), max(maxima[column], 0))
      }
      for column in means.indices { means[column] /= Double(max(1, rows)) }
      // The zeros contribute first.
      var squares = zip(means, counts).map { Double(rows - $1) * $0 * $0 }
      for row in 0..<rows {
        for index in places[row] {
          let deviation = Double(values[index]) - means[Int(indices[index])]
          squares[Int(indices[index])] += deviation * deviation
        }
      }
      return FeatureStatistics(count: rows, means: means, squaredDeviations: squares, minima: minima, maxima: maxima)
    }
  }

  /// The CRC-32 of the range's values and their positions.
  package func checksum(in range: Range<Int>) -> UInt32 {
    element == .float32 ? checksum(range, Float.self) : checksum(range, Double.self)
  }

  private func checksum<Scalar: BLASScalar>(_ range: Range<Int>, _: Scalar.Type) -> UInt32 {
    self[rows: range].withStorage(as: Scalar.self) { rows, columns, values in
      var sum: UInt = 0
      func add(_ bytes: UnsafeRawBufferPointer) {
        sum = crc32_z(sum, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
      }
      for row in 0..<rows.count {
        withUnsafeBytes(of: rows[row].count) { add($0) }
        add(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: columns[rows[row]])))
        add(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: values[rows[row]])))
      }
      return UInt32(sum)
    }
  }
}
