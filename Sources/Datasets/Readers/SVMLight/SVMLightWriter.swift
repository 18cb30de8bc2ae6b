import LinearAlgebra

/// Writes a file in the LIBSVM format row by row, with indices from 1. The file appears at its path with `finish()`;
/// without it nothing is left.
package struct SVMLightWriter: ~Copyable {
  private var text: TextWriter

  /// Throws exit code 74.
  package init(_ path: String) throws(DataError) { text = try TextWriter(path) }

  /// Appends a row, given its values and their columns, which count from 0 and increase.
  ///
  /// Throws exit code 74, also for a label that the format cannot express.
  package mutating func append<Scalar: BLASScalar>(
    label: String, columns: some Collection<Int32>, values: some Collection<Scalar>
  ) throws(DataError) {
    precondition(columns.count == values.count, "\(columns.count) columns have \(values.count) values")
    try begin(label)
    for (column, value) in zip(columns, values) {
      append(column: Int(column), value)
    }
    try text.endLine()
  }

  /// Appends a row without its zeros. Throws exit code 74, also for a label that the format cannot express.
  package mutating func append<Scalar: BLASScalar>(
    label: String, values: some Collection<Scalar>
  ) throws(DataError) {
    try begin(label)
    for (column, value) in values.enumerated() where value != 0 {
      append(column: column, value)
    }
    try text.endLine()
  }

  /// Ensures that all rows are on disk. Throws exit code 74.
  mutating func complete() throws(DataError) { try text.complete() }

  /// Puts the complete file in place. Throws exit code 74.
  package mutating func finish() throws(DataError) { try text.finish() }

  private mutating func append<Scalar: BLASScalar>(column: Int, _ value: Scalar) {
    text.append(byte: UInt8(ascii: " "))
    text.append(column + 1)
    text.append(byte: UInt8(ascii: ":"))
    text.append(value)
  }

  private mutating func begin(_ label: String) throws(DataError) {
    guard !label.isEmpty, !label.utf8.contains(where: { " \t\r\n#:,".utf8.contains($0) }) else {
      let label = Array(label.utf8).withUnsafeBufferPointer { TextFault.quoted($0) }
      throw .unwritable(
        text.path, "the label \(label) has a character that this format gives a meaning, or none; write CSV")
    }
    text.append(label)
  }
}
