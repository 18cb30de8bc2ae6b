import LinearAlgebra

/// What the rows of an array are as distributions over its columns.
struct CheckedProbabilities {
  /// The column of the largest number of each row, the first of equals.
  let largest: [Int32]
  /// Whether each row is a 1 among zeros.
  let areOneHot: Bool
}

extension StoredArray {
  /// Whether numbers have fractions, so that an array of two axes can have the probabilities of classes.
  var hasFractions: Bool { type.element?.fullExponent != nil }

  /// How far a row's sum may be from 1: types of 16 bits have three digits, or two.
  private var tolerance: Double { type.size == 2 ? 1e-2 : 1e-3 }

  /// Checks the rows of an array of n × C. Throws exit code 65 for the first one that is no distribution.
  func probabilities() throws(DataError) -> CheckedProbabilities {
    let (count, columns) = (shape[0], shape[1])
    guard Int32(exactly: columns) != nil else {
      throw .badContents(path, "has \(columns) columns of probabilities; save one for each class, below 2³¹ of them")
    }
    let matrix = try features()
    let rows = max(1, (1 << 15) / columns)
    let blocks = (count + rows - 1) / rows
    let found = RowChecks(rows: count, blocks: blocks)
    Threads.parallel(blocks, grain: 1) { part in
      let room = Matrix<Double>(zeros: min(rows, count), columns)
      for block in part {
        let range = block * rows..<min((block + 1) * rows, count)
        let values = room[rows: 0..<range.count]
        matrix.gather(rows: range, into: values, normalization: .none)
        values.elements.withElements { values in
          for (number, row) in range.enumerated() {
            let check = RowCheck(UnsafeBufferPointer(rebasing: values[number * columns..<(number + 1) * columns]))
            found.largest[row] = Int32(check.largest)
            if !check.isOneHot { found.areOneHot[block] = false }
            // NaN is within no tolerance.
            if !(check.least >= 0 && abs(check.sum - 1) <= tolerance), found.faults[block] == .max {
              found.faults[block] = row
            }
          }
        }
      }
    }
    if let fault = found.faults.min(), fault < .max { throw noDistribution(fault) }
    return CheckedProbabilities(largest: Array(found.largest), areOneHot: found.areOneHot.allSatisfy { $0 })
  }

  private func noDistribution(_ row: Int) -> DataError {
    let values = doubles(row * shape[1]..<(row + 1) * shape[1])
    let place = "row \(row) of probabilities of the shape (n, \(shape[1]))"
    if let column = values.firstIndex(where: { !($0.isFinite && $0 >= 0) }) {
      return .badContents(
        path,
        "\(place) has \(text(at: row * shape[1] + column)) for class \(column); make it a finite number, 0 or more, such as "
          + "by the softmax of logits")
    }
    guard values.contains(where: { $0 > 0 }) else {
      return .badContents(path, "\(place) has zeros alone; save probabilities that sum to 1, or leave the example out")
    }
    return .badContents(
      path,
      "\(place) sums to \(Float(values.reduce(0, +))), and not to 1; divide each row by its sum, as "
        + "array / array.sum(axis=1, keepdims=True) does")
  }
}

/// The facts of one row.
private struct RowCheck {
  var sum = 0.0
  var least = Double.infinity
  /// The column of the largest number, the first of equals.
  var largest = 0
  var isOneHot: Bool

  init(_ row: UnsafeBufferPointer<Double>) {
    var nonzeros = 0
    for (column, value) in row.enumerated() {
      sum += value
      least = min(least, value)
      nonzeros += value == 0 ? 0 : 1
      if value > row[largest] { largest = column }
    }
    isOneHot = nonzeros == 1 && row[largest] == 1
  }
}

/// The facts of all rows; each block is written by one thread.
private final class RowChecks: @unchecked Sendable {
  let largest: UnsafeMutableBufferPointer<Int32>
  let areOneHot: UnsafeMutableBufferPointer<Bool>
  /// The first row of each block that is no distribution.
  let faults: UnsafeMutableBufferPointer<Int>

  init(rows: Int, blocks: Int) {
    largest = .allocate(capacity: rows)
    areOneHot = .allocate(capacity: blocks)
    faults = .allocate(capacity: blocks)
    largest.initialize(repeating: 0)
    areOneHot.initialize(repeating: true)
    faults.initialize(repeating: .max)
  }

  deinit {
    largest.deallocate()
    areOneHot.deallocate()
    faults.deallocate()
  }
}
