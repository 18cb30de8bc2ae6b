import Datasets
import Foundation
import MPI

/// The examples whose labels a model finds least probable: at most `limit` examples with the smallest margins.
///
/// A margin of NaN counts as the smallest; among equal margins the first rows are taken.
package struct Suspects: Equatable, Sendable {
  /// The output of a model for an example.
  package struct Example: Equatable, Sendable {
    /// The number of the row, counted from 0.
    var row: Int
    /// The given class, and the most probable one.
    var label, predicted: Int
    var labelProbability, predictedProbability: Double
    /// m
    var margin: Double

    static func < (one: Example, other: Example) -> Bool { one.order < other.order }

    private var order: (Double, Int) { (margin.isNaN ? -.infinity : margin, row) }
  }

  package let limit: Int
  /// The suspects so far, and up to as many other examples until the next pruning.
  private var candidates: [Example] = []
  /// The last of the `limit` suspects at the latest pruning: no example above it qualifies. nil while there are fewer.
  private var last: Example?

  package init(limit: Int) { self.limit = limit }

  package mutating func add(_ example: Example) {
    if limit == 0 { return }
    if let last, !(example < last) { return }
    candidates.append(example)
    if candidates.count >= 2 * limit { prune() }
  }

  private mutating func prune() {
    candidates.sort(by: <)
    candidates.removeLast(max(0, candidates.count - limit))
    last = candidates.count == limit ? candidates.last : nil
  }

  /// The suspects, the least probable label first.
  package var examples: [Example] {
    var pruned = self
    pruned.prune()
    return pruned.candidates
  }

  /// The suspects among the examples of all ranks, on rank 0; nil elsewhere. Collective.
  package func gather(over communicator: Communicator) throws -> Suspects? {
    let own = examples.flatMap {
      [Double($0.row), Double($0.label), Double($0.predicted), $0.labelProbability, $0.predictedProbability, $0.margin]
    }
    let counts = try communicator.allgather([own.count], counts: Array(repeating: 1, count: communicator.size))
    guard let all = try communicator.gather(own, counts: counts) else { return nil }
    var result = Suspects(limit: limit)
    for start in stride(from: 0, to: all.count, by: 6) {
      let x = Array(all[start..<start + 6])
      result.add(
        Example(
          row: Int(x[0]), label: Int(x[1]), predicted: Int(x[2]), labelProbability: x[3], predictedProbability: x[4],
          margin: x[5]))
    }
    return result
  }

  /// A table with one line per suspect, the least probable label first.
  package func table(_ names: [String]?) -> String {
    func name(_ c: Int) -> String { names.map { CSV.field($0[c]) } ?? "\(c)" }
    func digits(_ number: Double) -> String { String(format: "%.6g", number) }
    return "row,label,predicted,label_probability,predicted_probability,margin\n"
      + examples.map {
        "\($0.row),\(name($0.label)),\(name($0.predicted)),\(digits($0.labelProbability)),"
          + "\(digits($0.predictedProbability)),\(digits($0.margin))\n"
      }.joined()
  }
}
