import Foundation
import MPI
import Training

/// The observations of a study so far, one per line of a CSV file; the same on all ranks.
///
/// Lines are written as soon as they are known, so that a stopped study resumes with the missing ones.
package final class Table {
  package struct Row: Equatable, Sendable {
    package let fields: [String: String]

    /// The number in a field; NaN if the field is absent or not a number.
    package subscript(name: String) -> Double { fields[name].flatMap { Double($0) } ?? .nan }

    package func text(_ name: String) -> String { fields[name] ?? "" }
  }

  package let path: String
  package let columns: [String]
  package private(set) var rows: [Row] = []
  private let communicator: Communicator

  /// Opens the table at `path`, or creates it. An incomplete last line is dropped. Collective.
  ///
  /// - Parameter goesOn: whether the lines that are there stay.
  package init(_ path: String, columns: [String], goesOn: Bool = true, over communicator: Communicator) throws {
    self.path = path
    self.columns = columns
    self.communicator = communicator
    let header = columns.joined(separator: ",")
    let text = try communicator.onRoot {
      let old = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
      let complete = goesOn ? old.lastIndex(of: "\n").map { String(old[...$0]) } ?? "" : ""
      if !complete.isEmpty, complete.prefix(while: { $0 != "\n" }) != header {
        throw ConfigurationError(source: path, "holds the results of another version; choose another --out")
      }
      try AtomicFile.write(path) { try $0.write(complete.isEmpty ? header + "\n" : complete) }
      return complete
    }
    for line in try communicator.broadcast(text ?? "").split(separator: "\n").dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      if fields.count == columns.count { rows.append(Row(fields: Dictionary(zip(columns, fields)) { $1 })) }
    }
  }

  /// Whether there is a row with these values.
  package func contains(_ key: [String: String]) -> Bool { !rows(where: key).isEmpty }

  package func rows(where key: [String: String]) -> [Row] {
    rows.filter { row in key.allSatisfy { row.fields[$0.key] == $0.value } }
  }

  /// The distinct values of a column, in order.
  package func values(_ column: String) -> [String] {
    var seen: Set<String> = []
    return rows.map { $0.text(column) }.filter { seen.insert($0).inserted }
  }

  /// Appends observations, all or none. Collective: the same on all ranks.
  package func append(_ observations: [[String: String]]) throws {
    let lines = observations.map { fields in
      precondition(Set(fields.keys) == Set(columns), "an observation has a value for each column")
      return columns.map { fields[$0]! }.joined(separator: ",") + "\n"
    }
    try communicator.onRoot {
      let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
      guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for writing", code: errno) }
      defer { close(descriptor) }
      try Array(lines.joined().utf8).span.bytes.writeAll(to: descriptor, path: path)
    }
    rows += observations.map { Row(fields: $0) }
    if try communicator.allreduce(Preemption.requested == nil ? 0 : 1, .max) > 0 {
      throw CollectiveFailure(StudyInterruption())
    }
  }
}

/// The error of a study that a signal has ended; it resumes where it stopped.
struct StudyInterruption: Error, ExitCodeProviding, CustomStringConvertible {
  var exitCode: Int32 { 75 }
  var description: String { "stopped by a signal; the same command goes on with what is missing" }
}

/// A number as a field of a table: short, and equal when it is read back.
func field(_ value: Double) -> String { "\(value)" }
