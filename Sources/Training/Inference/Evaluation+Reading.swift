import Datasets
import GaussNewton
import LinearAlgebra
import MPI

/// The logits of examples that are read on demand and checked.
extension Evaluator {
  /// Calls `body` with consecutive ranges of examples that count, and their logits, which it may overwrite: of this rank's rows
  /// (rows × C), or where ranks share out classes of all rows its columns (rows × #C). Collective; errors as those of
  /// `scores`.
  func forEachExample(
    of set: EvaluationSet, _ parameters: Vector<Scalar>, _ normalization: Normalization,
    _ body: (Range<Int>, Matrix<Scalar>) throws -> Void
  ) throws {
    var badLogits: Int?
    func visit(_ rows: Range<Int>, _ logits: Matrix<Scalar>) throws {
      if badLogits == nil { badLogits = logits.firstNonFiniteRow.map { rows.lowerBound + $0 } }
      for counted in set.countedRows(of: rows) {
        try body(counted, logits[rows: counted.lowerBound - rows.lowerBound..<counted.upperBound - rows.lowerBound])
      }
    }
    if classes != nil {
      try forEachSharedChunk(of: set.features, named: set.name, parameters, normalization, visit)
    } else {
      try forEachOwnChunk(of: set.features, named: set.name, parameters, normalization, visit)
    }
    try communicator.checkLogits(badLogits, of: set.name, set.features.files, exitCode: 65)
  }

  /// Calls `body` with consecutive ranges of this rank's rows, and their logits (rows × C). Collective; `body` is local.
  private func forEachOwnChunk(
    of features: some FeatureSource, named name: String, _ parameters: Vector<Scalar>, _ normalization: Normalization,
    _ body: (Range<Int>, Matrix<Scalar>) throws -> Void
  ) throws {
    var bad: (row: Int, column: Int)?
    try communicator.collectively {
      for rows in chunks(of: features.rows) where bad == nil {
        try Interruption.check()
        let part = try features.read(rows)
        bad = part.firstUnusable(in: 0..<rows.count, normalization, Scalar.self)
          .map { (rows.lowerBound + $0.row, $0.column) }
        try forEachChunk(of: 0..<rows.count, parameters, part, normalization) { part, logits in
          let first = rows.lowerBound + part.lowerBound
          try body(first..<first + part.count, logits)
        }
      }
      // All ranks read all of a compressed file, so that all find its faults.
      if bad == nil { try features.skip(to: features.rows) }
    }
    try communicator.checkFinite(bad, columns: features.columns, of: name, features.files)
  }

  /// The chunks of this rank's part of `count` rows. The cuts do not depend on the number of ranks, and neither do the
  /// bits of the logits (on processors of one kind, with the same number of threads per rank).
  private func chunks(of count: Int) -> [Range<Int>] {
    (0..<Self.blockCount).part(communicator.rank, of: communicator.size).flatMap { block in
      let rows = (0..<count).part(block, of: Self.blockCount)
      return stride(from: rows.lowerBound, to: rows.upperBound, by: chunk)
        .map { $0..<min($0 + chunk, rows.upperBound) }
    }
  }

  /// The features of some rows, which differ from rank to rank and may be none. No rank needs rows before `next` afterwards.
  /// Collective; errors as those of `scores`.
  func read(
    _ rows: Range<Int>, next: Int, of features: some FeatureSource, named name: String, _ normalization: Normalization
  ) throws -> Features? {
    let part = try communicator.collectively {
      try Interruption.check()
      let part = rows.isEmpty ? nil : try features.read(rows)
      // All ranks read all of a compressed file, so that all find its faults.
      try features.skip(to: next)
      return part
    }
    try communicator.checkFinite(
      part?.firstUnusable(in: 0..<rows.count, normalization, Scalar.self)
        .map { (rows.lowerBound + $0.row, $0.column) },
      columns: features.columns, of: name, features.files)
    return part
  }
}
