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
  /// What the CSV file calls the classes.
  private let names: [String]?
  /// What the NPY file calls the classes; nil for their positions.
  private let integers: [Int64]?
  /// What it calls them where not all names are integers.
  private let doubles: [Double]?

  /// A table of numbers for each of `classCount` classes, or a list of classes. The name must have an ending that
  /// `Format` knows.
  ///
  /// - Parameter classes: the classes, if they have names: for the text of a CSV file, and for a list of classes in an
  ///   NPY file where all names are numbers.
  package init<Scalar: BLASScalar>(
    _ path: String, of contents: Contents, rows: Int, classCount: Int, classes: ClassMap? = nil, _: Scalar.Type
  ) throws {
    names = classes?.names.map(CSV.field)
    integers = classes?.integers
    doubles = integers == nil ? classes?.doubles : nil
    let isList = contents == .classes
    columns = isList ? 1 : classCount
    switch Format(path)! {
    case .npy:
      npy = try NPYWriter(
        path, shape: isList ? [rows] : [rows, classCount],
        element: isList ? (doubles == nil ? .int64 : .float64) : .init(Scalar.self))
    case .csv:
      var file = try AtomicFile(path)
      func header(_ prefix: String) -> [String] {
        (0..<classCount).map { c in self.names?[c] ?? "\(prefix)\(c)" }
      }
      let header =
        switch contents {
        case .probabilities: header("p")
        case .logits: header("z")
        case .classes: ["class"]
        }
      try file.write(header.joined(separator: ",") + "\n")
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
    if let doubles {
      try npy?.append(Vector(classes.map { doubles[Int($0)] }))
    } else {
      try npy?.append(integers.map { integers in classes.map { integers[Int($0)] } } ?? classes)
    }
    try csv?.write(classes.map { "\(names?[Int($0)] ?? "\($0)")\n" }.joined())
  }

  /// Makes sure that all of the file is on the disk.
  package func complete() throws {
    try npy?.complete()
    try csv?.flush()
  }

  /// Gives the complete file its name.
  package func finish() throws {
    try npy?.finish()
    if let file = csv.take() { try file.commit() }
  }
}
