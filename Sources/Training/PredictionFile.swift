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

  package enum Contents {
    case probabilities, logits, classes
  }

  private var npy: NPYWriter?
  private var csv: AtomicFile?
  private let columns: Int

  /// A table of numbers for each of `classCount` classes, or a list of classes. The name must have an ending that
  /// `Format` knows.
  package init<Scalar: BLASScalar>(
    _ path: String, of contents: Contents, rows: Int, classCount: Int, _: Scalar.Type
  ) throws {
    let isList = contents == .classes
    columns = isList ? 1 : classCount
    switch Format(path)! {
    case .npy:
      npy = try NPYWriter(
        path, shape: isList ? [rows] : [rows, classCount], element: isList ? .int64 : .init(Scalar.self))
    case .csv:
      var file = try AtomicFile(path)
      let names =
        switch contents {
        case .probabilities: (0..<classCount).map { "p\($0)" }
        case .logits: (0..<classCount).map { "z\($0)" }
        case .classes: ["class"]
        }
      try file.write(names.joined(separator: ",") + "\n")
      csv = consume file
    }
  }

  /// Appends rows of probabilities or logits.
  package func append<Scalar: BLASScalar>(_ table: Matrix<Scalar>) throws {
    try npy?.append(table.elements)
    if csv != nil {
      let numbers = table.elements.array.map { "\($0)" }
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
