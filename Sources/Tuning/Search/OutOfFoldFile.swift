import Datasets
import LinearAlgebra

/// An NPY file of class probabilities (n × C, float32) for the rows of the training files, in their order, whatever the order
/// that they come in. Rows that are in no fold have NaNs.
package final class OutOfFoldFile {
  private let writer: NPYWriter
  private let classCount: Int
  private var isMissing: [Bool]

  /// Throws exit code 74.
  package init(_ path: String, rows: Int, classCount: Int) throws(DataError) {
    writer = try NPYWriter(path, shape: [rows, classCount], element: .float32)
    self.classCount = classCount
    isMissing = [Bool](repeating: true, count: rows)
  }

  /// Throws exit code 74 where no file can be written at a path, before there is anything to write.
  package static func check(_ path: String) throws(DataError) { _ = try OutOfFoldFile(path, rows: 0, classCount: 1) }

  /// Writes a table of probabilities, the line i of which is that of `rows[i]` of the files. Throws exit code 74.
  package func write<Scalar: BLASScalar>(_ probabilities: Matrix<Scalar>, of rows: ArraySlice<Int>) throws(DataError) {
    precondition(probabilities.rows == rows.count && probabilities.columns == classCount, "a line for each row")
    let values = probabilities.elements.array.map { Float($0) }
    for (line, row) in rows.enumerated() {
      try writer.write(Array(values[line * classCount..<(line + 1) * classCount]), at: row)
      isMissing[row] = false
    }
  }

  /// Writes the rows that have not come, and puts the complete file in its place. Throws exit code 74.
  package func finish() throws(DataError) {
    let nothing = [Float](repeating: .nan, count: classCount)
    for row in isMissing.indices where isMissing[row] { try writer.write(nothing, at: row) }
    try writer.complete()
    try writer.finish()
  }
}
