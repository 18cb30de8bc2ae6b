import LinearAlgebra

extension Dataset {
  /// Checksum and check in one pass: a sum over the range's rows, mod 2⁶⁴, that tells data sets apart, and the first
  /// value that is infinite or not a number. A block of values stays in the cache between the two.
  ///
  /// Added up over ranges that cover all rows, the sum depends only on values, labels, probabilities and their order: not
  /// on files, number types or ranks.
  package func look(in range: Range<Int>) -> (checksum: UInt64, firstNonFinite: (row: Int, column: Int)?) {
    let multipliers = (0..<featureCount).map { mixed(UInt64($0) &+ 1) | 1 }
    let rows = max(1, (1 << 15) / max(1, Int(features.valuesPerRow)))
    let blocks = (range.count + rows - 1) / rows
    let found = BlockResults(count: blocks)
    multipliers.withUnsafeBufferPointer { multipliers in
      Threads.parallel(blocks, grain: 8) { part in
        let room = features.isSparse ? nil : Matrix<Double>(zeros: min(rows, range.count), featureCount)
        for block in part {
          let start = range.lowerBound + block * rows
          let range = start..<min(start + rows, range.upperBound)
          found.rows[block] = features.firstNonFinite(in: range)?.row ?? .max
          found.sums[block] = checksum(in: range, multipliers, room)
        }
      }
    }
    let first = found.rows.min() ?? .max
    let probabilities = probabilities?.checksum(in: range) ?? 0
    return (found.sums.reduce(probabilities, &+), first == .max ? nil : features.firstNonFinite(in: first..<first + 1))
  }

  private func checksum(
    in range: Range<Int>, _ multipliers: UnsafeBufferPointer<UInt64>, _ room: Matrix<Double>?
  ) -> UInt64 {
    var sum: UInt64 = 0
    func add(_ row: Int, _ hash: UInt64) {
      sum &+= mixed(mixed(UInt64(row)) &+ hash &+ mixed(~UInt64(UInt32(bitPattern: labels[row]))))
    }
    switch features {
    case .dense(let matrix):
      let block = room![rows: 0..<range.count]
      matrix.gather(rows: range, into: block, normalization: .none)
      block.elements.withElements { values in
        for (number, row) in range.enumerated() {
          add(
            row,
            hash(
              UnsafeBufferPointer(rebasing: values[number * featureCount..<(number + 1) * featureCount]), multipliers))
        }
      }
    case .sparse(let matrix):
      let hashes =
        matrix.element == .float32
        ? matrix.hashes(in: range, multipliers, Float.self) : matrix.hashes(in: range, multipliers, Double.self)
      for (row, hash) in zip(range, hashes) { add(row, hash) }
    }
    return sum
  }
}

extension ClassProbabilities {
  /// A sum over the range's rows, mod 2⁶⁴, that tells probabilities apart.
  fileprivate func checksum(in range: Range<Int>) -> UInt64 {
    let multipliers = (0..<classCount).map { mixed(~UInt64($0)) | 1 }
    let rows = max(1, (1 << 15) / classCount)
    let blocks = (range.count + rows - 1) / rows
    let found = BlockResults(count: blocks)
    multipliers.withUnsafeBufferPointer { multipliers in
      Threads.parallel(blocks, grain: 8) { part in
        let room = Matrix<Double>(zeros: min(rows, range.count), classCount)
        for block in part {
          let start = range.lowerBound + block * rows
          let range = start..<min(start + rows, range.upperBound)
          let target = room[rows: 0..<range.count]
          values.gather(rows: range, into: target, normalization: .none)
          target.elements.withElements { values in
            for (number, row) in range.enumerated() {
              let part = UnsafeBufferPointer(rebasing: values[number * classCount..<(number + 1) * classCount])
              found.sums[block] &+= mixed(mixed(~UInt64(row)) &+ hash(part, multipliers))
            }
          }
        }
      }
    }
    return found.sums.reduce(0, &+)
  }
}

extension SparseFeatures {
  /// The hash of each of the range's rows. Absent columns add nothing, as zeros add nothing to the hash of a dense row.
  fileprivate func hashes<Scalar: BLASScalar>(
    in range: Range<Int>, _ multipliers: UnsafeBufferPointer<UInt64>, _: Scalar.Type
  ) -> [UInt64] {
    self[rows: range].withStorage(as: Scalar.self) { rows, columns, values in
      (0..<range.count).map { row in
        rows[row].reduce(0) {
          $0 &+ folded(Double(values[$1])) &* multipliers[Int(columns[$1])]
        }
      }
    }
  }
}

/// Σ f(x_j) c_j mod 2⁶⁴ over the columns j of a row, with odd multipliers c and a one-to-one f with f(0) = 0.
private func hash(_ values: UnsafeBufferPointer<Double>, _ multipliers: UnsafeBufferPointer<UInt64>) -> UInt64 {
  var sum: UInt64 = 0
  for column in values.indices { sum &+= folded(values[column]) &* multipliers[column] }
  return sum
}

/// The bits of a number, 0 for both zeros. The high half is folded into the low half, where numbers of few digits have
/// zeros.
@inline(__always)
private func folded(_ value: Double) -> UInt64 {
  let bits = (value + 0).bitPattern
  return bits ^ bits >> 32
}

/// SplitMix64's finalizer.
private func mixed(_ number: UInt64) -> UInt64 {
  var bits = number &+ 0x9e37_79b9_7f4a_7c15
  bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
  bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
  return bits ^ bits >> 31
}

/// The results of the blocks; each block is written by one thread.
private final class BlockResults: @unchecked Sendable {
  let sums: UnsafeMutableBufferPointer<UInt64>
  let rows: UnsafeMutableBufferPointer<Int>

  init(count: Int) {
    sums = .allocate(capacity: count)
    rows = .allocate(capacity: count)
    sums.initialize(repeating: 0)
    rows.initialize(repeating: .max)
  }

  deinit {
    sums.deallocate()
    rows.deallocate()
  }
}
