import LinearAlgebra

/// Extremes, mean and zeros of values, collected row by row.
struct ValueSummary<Scalar: BLASScalar> {
  private(set) var rows = 0
  let columns: Int
  /// The number of values other than zero.
  private(set) var nonzeroCount = 0
  private var sum = 0.0
  /// The extremes of the values seen in each column; uninitialised for a sparse column without values.
  private let lows, highs: UnsafeMutablePointer<Scalar>
  /// The number of stored values in each column of sparse rows.
  private let counts: UnsafeMutablePointer<Int>
  private let owner: AnyObject

  /// Throws exit code 65 where there is no memory for so many columns.
  init(columns: Int, _ path: String) throws(DataError) {
    let (byteCount, overflow) = columns.multipliedReportingOverflow(by: 2 * MemoryLayout<Scalar>.size + 8)
    guard !overflow, let buffer = AlignedBuffer(byteCount: byteCount) else {
      throw .badContents(path, "has \(columns) columns, which need more memory than the system has")
    }
    self.columns = columns
    owner = buffer
    counts = buffer.bytes.baseAddress!.bindMemory(to: Int.self, capacity: columns)
    counts.initialize(repeating: 0, count: columns)
    lows = (buffer.bytes.baseAddress! + 8 * columns).bindMemory(to: Scalar.self, capacity: 2 * columns)
    highs = lows + columns
  }

  /// Adds dense rows, whose values must be finite.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func add(_ matrix: Matrix<Scalar>) {
    precondition(matrix.columns == columns, "the rows have another number of columns")
    matrix.elements.withElements { values in
      for row in 0..<matrix.rows {
        let line = values.baseAddress! + row * columns
        if rows == 0 {
          lows.update(from: line, count: columns)
          highs.update(from: line, count: columns)
        }
        for column in 0..<columns {
          let value = line[column]
          lows[column] = value < lows[column] ? value : lows[column]
          highs[column] = value > highs[column] ? value : highs[column]
          nonzeroCount &+= value != 0 ? 1 : 0
          sum += Double(value)
        }
        rows += 1
      }
    }
  }

  /// Adds sparse rows; either all rows are sparse or none.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func add(_ features: SparseFeatures) {
    precondition(features.columns == columns, "the rows have another number of columns")
    rows += features.rows
    nonzeroCount += features.valueCount
    features.withStorage(as: Scalar.self) { places, indices, values in
      for index in (0..<features.rows).lazy.flatMap({ places[$0] }) {
        let (column, value) = (Int(indices[index]), values[index])
        let isFirst = counts[column] == 0
        lows[column] = isFirst || value < lows[column] ? value : lows[column]
        highs[column] = isFirst || value > highs[column] ? value : highs[column]
        counts[column] += 1
        sum += Double(value)
      }
    }
    isSparse = true
  }

  private var isSparse = false

  /// The summary of the rows so far, at least one.
  var result: (minimum: Double, maximum: Double, mean: Double, constantColumns: Int) {
    var (minimum, maximum, constant) = (Double.infinity, -Double.infinity, 0)
    for column in 0..<columns {
      var (low, high) = (Scalar.zero, Scalar.zero)
      if !isSparse || counts[column] == rows {
        (low, high) = (lows[column], highs[column])
      } else if counts[column] > 0 {
        (low, high) = (min(lows[column], 0), max(highs[column], 0))
      }
      (minimum, maximum) = (min(minimum, Double(low)), max(maximum, Double(high)))
      constant += low == high ? 1 : 0
    }
    extendLifetime(owner)
    return (minimum, maximum, sum / (Double(rows) * Double(columns)), constant)
  }
}
