import LinearAlgebra

/// A consumer of examples.
protocol ExampleSink<Scalar>: AnyObject {
  associatedtype Scalar: BLASScalar

  /// Appends rows with the classes of all of them, or of none. Throws exit code 74.
  func append(_ rows: Matrix<Scalar>, classes: ArraySlice<Int32>?) throws(DataError)
  func append(_ rows: SparseFeatures, classes: [Int32]?) throws(DataError)
}

/// Files that examples are written to. They appear with `finish()`; without it nothing is left.
protocol ExampleTarget<Scalar>: ExampleSink {
  /// Makes sure that all rows are on the disk. Throws exit code 74.
  func complete() throws(DataError)
  func finish() throws(DataError)
}

extension ExampleTarget {
  /// Appends sparse rows with their zeros, a block at a time.
  func append(_ features: SparseFeatures, classes: [Int32]?) throws(DataError) {
    let rowsAtATime = min(features.rows, max(1, (1 << 20) / features.columns))
    let all = Vector<Scalar>(zeros: rowsAtATime * features.columns)
    for start in stride(from: 0, to: features.rows, by: max(1, rowsAtATime)) {
      let range = start..<min(start + rowsAtATime, features.rows)
      let values = all[0..<range.count * features.columns]
      values.withElements { features.scatter(rows: range, into: $0.baseAddress!) }
      try append(Matrix(values, range.count, features.columns), classes: classes?[range])
    }
  }
}

/// Examples in one file, and their classes in a separate array as well.
final class LabelledTarget<Scalar: BLASScalar>: ExampleTarget {
  private let target: any ExampleTarget<Scalar>
  private let labels: NPYWriter

  init(_ target: any ExampleTarget<Scalar>, labels path: String, rows: Int) throws(DataError) {
    self.target = target
    labels = try NPYWriter(path, shape: [rows], element: .int64)
  }

  func append(_ rows: Matrix<Scalar>, classes: ArraySlice<Int32>?) throws(DataError) {
    try target.append(rows, classes: classes)
    try labels.append(classes!.map { Int64($0) })
  }

  func append(_ rows: SparseFeatures, classes: [Int32]?) throws(DataError) {
    try target.append(rows, classes: classes)
    try labels.append(classes!.map { Int64($0) })
  }

  func complete() throws(DataError) {
    try target.complete()
    try labels.complete()
  }

  func finish() throws(DataError) {
    try target.finish()
    try labels.finish()
  }
}

/// An array of features; the classes go to a separate file.
final class NPYTarget<Scalar: BLASScalar>: ExampleTarget {
  private let writer: NPYWriter

  init(_ path: String, rows: Int, columns: Int) throws(DataError) {
    writer = try NPYWriter(path, shape: [rows, columns], element: .init(Scalar.self))
  }

  func append(_ rows: Matrix<Scalar>, classes: ArraySlice<Int32>?) throws(DataError) {
    try writer.append(rows.elements)
  }
  func complete() throws(DataError) { try writer.complete() }
  func finish() throws(DataError) { try writer.finish() }
}

/// A table with the labels in its last column.
final class CSVTarget<Scalar: BLASScalar>: ExampleTarget {
  private var writer: CSVWriter
  private let name: (Int32) -> String

  init(
    _ path: String, columnNames: [String], separator: CSV.Separator, name: @escaping (Int32) -> String
  ) throws(DataError) {
    writer = try CSVWriter(path, names: columnNames.isEmpty ? nil : columnNames, separator: separator)
    self.name = name
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func append(_ rows: Matrix<Scalar>, classes: ArraySlice<Int32>?) throws(DataError) {
    try rows.elements.withElements { values throws(DataError) in
      for row in 0..<rows.rows {
        try writer.append(
          values: values[row * rows.columns..<(row + 1) * rows.columns],
          label: classes.map { name($0[$0.startIndex + row]) })
      }
    }
  }

  func complete() throws(DataError) { try writer.complete() }
  func finish() throws(DataError) { try writer.finish() }
}

/// Lines with a label and the values other than zero.
final class SVMLightTarget<Scalar: BLASScalar>: ExampleTarget {
  private var writer: SVMLightWriter
  private let name: (Int32) -> String

  init(_ path: String, name: @escaping (Int32) -> String) throws(DataError) {
    writer = try SVMLightWriter(path)
    self.name = name
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func append(_ rows: Matrix<Scalar>, classes: ArraySlice<Int32>?) throws(DataError) {
    let classes = classes!
    try rows.elements.withElements { values throws(DataError) in
      for row in 0..<rows.rows {
        try writer.append(
          label: name(classes[classes.startIndex + row]), values: values[row * rows.columns..<(row + 1) * rows.columns])
      }
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func append(_ features: SparseFeatures, classes: [Int32]?) throws(DataError) {
    try features.withStorage(as: Scalar.self) { rows, columns, values throws(DataError) in
      for row in 0..<features.rows {
        let range = rows[row]
        try writer.append(label: name(classes![row]), columns: columns[range], values: values[range])
      }
    }
  }

  func complete() throws(DataError) { try writer.complete() }
  func finish() throws(DataError) { try writer.finish() }
}
