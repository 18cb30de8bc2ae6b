/// A sparse matrix as compressed rows: the columns and values of each row's entries, with ascending columns.
///
/// An immutable value. Copies and slices of rows share one storage; `init(joining:)` makes a batch of slices. Entries
/// may be zero, and rows may be empty.
public struct CSRMatrix<Scalar: BLASScalar> {
  public let columns: Int
  /// The beginning of each row's entries in the storage, and the end of the last row's (rows + 1).
  let starts: ArraySlice<Int>
  /// The storage: columns and values of all entries.
  let storedColumns: [Int32]
  let storedValues: Vector<Scalar>
  /// The entries in the order of columns; nil unless they have been sorted.
  let byColumns: SparseColumns<Scalar>?

  /// The matrix whose row r has the entries `rowStarts[r]..<rowStarts[r + 1]` of `entryColumns` and `values`; `values`
  /// is shared and must not change.
  ///
  /// - Precondition: starts ascend from 0 to the number of entries; columns are in 0..<`columns` and strictly ascending
  ///   in each row.
  public init(rowStarts: [Int], entryColumns: [Int32], values: Vector<Scalar>, columns: Int) {
    precondition(columns >= 0 && columns <= Int(Int32.max), "columns are counted in 32 bits")
    precondition(
      rowStarts.first == 0 && rowStarts.last == entryColumns.count && values.count == entryColumns.count,
      "row starts, columns and values fit together")
    for (start, end) in zip(rowStarts, rowStarts.dropFirst()) {
      precondition(start <= end && end <= entryColumns.count, "rows begin one after another")
      var last: Int32 = -1
      for entry in start..<end {
        precondition(entryColumns[entry] > last, "the columns of a row ascend")
        last = entryColumns[entry]
      }
      precondition(Int(last) < columns, "column out of range")
    }
    self.init(starts: rowStarts[...], entryColumns, values, columns, nil)
  }

  private init(
    starts: ArraySlice<Int>, _ storedColumns: [Int32], _ storedValues: Vector<Scalar>, _ columns: Int,
    _ byColumns: SparseColumns<Scalar>?
  ) {
    self.starts = starts
    self.storedColumns = storedColumns
    self.storedValues = storedValues
    self.columns = columns
    self.byColumns = byColumns
  }

  /// The rows of the parts in order; there must be at least one part.
  public init(joining parts: [CSRMatrix]) {
    precondition(parts.allSatisfy { $0.columns == parts[0].columns }, "all rows have the same columns")
    var starts = [0]
    let values = Vector<Scalar>(zeros: parts.reduce(0) { $0 + $1.entryCount })
    for part in parts {
      values[starts.last!..<starts.last! + part.entryCount].assign(part.values)
      for count in part.rowCounts { starts.append(starts.last! + Int(count)) }
    }
    self.init(starts: starts[...], parts.flatMap(\.entryColumns), values, parts[0].columns, nil)
  }

  public var rows: Int { starts.count - 1 }

  /// The number of entries.
  public var entryCount: Int { entries.count }

  /// The rows of `range`, sharing storage.
  public subscript(rows range: Range<Int>) -> CSRMatrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "range out of bounds")
    if range.count == rows { return self }
    let first = starts.startIndex + range.lowerBound
    return CSRMatrix(starts: starts[first...first + range.count], storedColumns, storedValues, columns, nil)
  }

  /// This matrix with its entries also sorted by columns, as products with its transpose and with its own rows need
  /// them. The sort is done once for all products.
  package func sorted() -> CSRMatrix {
    if byColumns != nil { return self }
    precondition(entryCount <= Int(Int32.max), "sorted entries are counted in 32 bits")
    // The storage must have no other entries.
    let own = entryCount == storedColumns.count ? self : CSRMatrix(joining: [self])
    return CSRMatrix(starts: own.starts, own.storedColumns, own.storedValues, columns, SparseColumns(own))
  }

  /// This matrix with each entry times its column's factor. Of its storage it shares what is not a value.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func scaled(columnsBy factors: Vector<Scalar>) -> CSRMatrix {
    precondition(factors.count == columns, "one factor a column")
    let values = Vector<Scalar>(zeros: storedColumns.count)
    values.withElements { target in
      storedValues.withElements { source in
        factors.withElements { factors in
          for entry in entries { target[entry] = source[entry] * factors[Int(storedColumns[entry])] }
        }
      }
    }
    return CSRMatrix(starts: starts, storedColumns, values, columns, byColumns?.scaled(by: factors))
  }

  /// The number of entries of each row.
  public var rowCounts: [Int32] { zip(starts, starts.dropFirst()).map { Int32($1 - $0) } }

  /// The columns of the entries, row after row.
  public var entryColumns: ArraySlice<Int32> { storedColumns[entries] }

  /// The values of the entries, row after row, sharing storage.
  public var values: Vector<Scalar> { storedValues[entries] }

  /// The entries within the storage.
  var entries: Range<Int> { starts.first!..<starts.last! }
}

/// The entries of a sparse matrix by columns, for the columns that have any.
struct SparseColumns<Scalar: BLASScalar> {
  /// The columns with entries, ascending.
  let columns: [Int32]
  /// The beginning of each column's entries, and the end of the last column's.
  let starts: [Int]
  /// Rows and values of the entries; rows ascend within a column.
  let rows: [Int32]
  let values: Vector<Scalar>
  /// For each entry in the order of rows, the index of its column in `columns`.
  let places: [Int32]

  /// Sorts a matrix whose storage has no other entries.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  init(_ matrix: CSRMatrix<Scalar>) {
    let entryColumns = matrix.storedColumns
    var rowOfEntry: [Int32] = []
    rowOfEntry.reserveCapacity(entryColumns.count)
    for (row, count) in matrix.rowCounts.enumerated() {
      for _ in 0..<count { rowOfEntry.append(Int32(row)) }
    }
    let order = Self.ascending(entryColumns, below: matrix.columns)
    var columns: [Int32] = []
    var starts: [Int] = []
    var places = rowOfEntry
    let values = Vector<Scalar>(zeros: order.count)
    for (position, entry) in order.enumerated() {
      let column = entryColumns[Int(entry)]
      if column != columns.last {
        columns.append(column)
        starts.append(position)
      }
      places[Int(entry)] = Int32(columns.count - 1)
      values[position] = matrix.storedValues[Int(entry)]
    }
    self.columns = columns
    self.starts = starts + [order.count]
    self.rows = order.map { rowOfEntry[Int($0)] }
    self.values = values
    self.places = places
  }

  private init(_ other: SparseColumns, values: Vector<Scalar>) {
    (columns, starts, rows, places) = (other.columns, other.starts, other.rows, other.places)
    self.values = values
  }

  /// These entries, each times its column's factor.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func scaled(by factors: Vector<Scalar>) -> SparseColumns {
    let result = Vector<Scalar>(zeros: values.count)
    result.withElements { target in
      values.withElements { source in
        for (index, column) in columns.enumerated() {
          let factor = factors[Int(column)]
          for entry in starts[index]..<starts[index + 1] { target[entry] = source[entry] * factor }
        }
      }
    }
    return SparseColumns(self, values: result)
  }

  /// The indices that sort `keys` in ascending order, stably: a radix sort.
  private static func ascending(_ keys: [Int32], below limit: Int) -> [Int32] {
    let width = 11
    var order = keys.indices.map { Int32($0) }
    var next = order
    for shift in stride(from: 0, to: Int.bitWidth - limit.leadingZeroBitCount, by: width) {
      func digit(_ place: Int32) -> Int { Int(keys[Int(place)]) >> shift & (1 << width - 1) }
      var ends = [Int](repeating: 0, count: 1 << width + 1)
      for place in order { ends[digit(place) + 1] += 1 }
      for index in 1..<ends.count { ends[index] += ends[index - 1] }
      for place in order {
        next[ends[digit(place)]] = place
        ends[digit(place)] += 1
      }
      swap(&order, &next)
    }
    return order
  }
}
