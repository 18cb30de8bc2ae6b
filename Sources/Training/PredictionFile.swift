import Datasets
import Foundation
import LinearAlgebra

/// Predictions on their way to an NPY or CSV file, which appears complete or not at all.
package final class PredictionFile {
  package enum Format {
    case npy, csv

    /// By the ending of the file's name; nil for any other.
    package init?(_ path: String) {
      switch URL(fileURLWithPath: path).pathExtension.lowercased() {
      case "npy": self = .npy
      case "csv": self = .csv
      default: return nil
      }
    }
  }

  private var npy: NPYWriter?
  private var csv: AtomicFile?
  private let columns: Int

  /// A table of probabilities with `columns` classes, or without `columns` a list of classes. The name must have an
  /// ending that `Format` knows.
  package init<Scalar: BLASScalar>(_ path: String, rows: Int, columns: Int?, _: Scalar.Type) throws {
    self.columns = columns ?? 1
    switch Format(path)! {
    case .npy:
      npy = try NPYWriter(
        path, shape: [rows] + (columns.map { [$0] } ?? []), element: columns == nil ? .int64 : .init(Scalar.self))
    case .csv:
      var file = try AtomicFile(path)
      let header = columns.map { (0..<$0).map { "p\($0)" }.joined(separator: ",") } ?? "class"
      try file.write(header + "\n")
      csv = consume file
    }
  }

  /// Appends rows of probabilities.
  package func append<Scalar: BLASScalar>(_ probabilities: Vector<Scalar>) throws {
    try npy?.append(probabilities)
    if csv != nil {
      let numbers = probabilities.array.map { "\($0)" }
      var text = ""
      for start in stride(from: 0, to: numbers.count, by: columns) {
        text += numbers[start..<start + columns].joined(separator: ",") + "\n"
      }
      try csv?.write(text)
    }
  }

  /// Appends classes.
  package func append(_ classes: [Int64]) throws {
    try npy?.append(classes)
    try csv?.write(classes.map { "\($0)\n" }.joined())
  }

  /// Gives the complete file its name.
  package func finish() throws {
    try npy?.finish()
    if let file = csv.take() { try file.commit() }
  }
}
