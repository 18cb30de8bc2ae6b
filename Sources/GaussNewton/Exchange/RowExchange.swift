import LinearAlgebra
import MPI
import Networks

/// Consecutive ranges that ranks have of something, one after the other, and this rank's among them.
struct Shares {
  let all: [Range<Int>]
  let own: Range<Int>

  var counts: [Int] { all.map(\.count) }
}

/// The rows of a batch on all ranks: whose they are, sums over them, and gathers of what each rank has of its own.
///
/// Only this type and those that pass sums on know of ranks; whoever asks it for a sum or a gather gets the same on all of
/// them.
final class RowExchange {
  private let partition: RowPartition
  private let communicator: Communicator
  let phases: Phases
  /// The rows of each rank in the batch.
  private(set) var rows = Shares(all: [], own: 0..<0)

  init(partition: RowPartition, communicator: Communicator, phases: Phases) {
    self.partition = partition
    self.communicator = communicator
    self.phases = phases
  }

  /// B, once ranks have told of their rows.
  var rowCount: Int { rows.all.last?.upperBound ?? 0 }

  /// Whether there is no other rank.
  var isAlone: Bool { communicator.size == 1 }

  /// Whether what is computed must not depend on the number of ranks.
  var isVirtual: Bool { partition.isVirtual }

  /// Learns of the rows of each rank; returns the sum of the losses, and whether any rank wishes to stop. One allgather.
  /// Collective.
  func begin(_ own: RankFacts) throws -> (lossSum: Double, interrupted: Bool) {
    let ranks = try phases.measure(.communication) {
      try communicator.allgatherValues(
        own, counts: (0..<communicator.size).map { RankFacts.count(parts: partition.partCount(of: $0)) })
    }
    rows = shares(ranks.map(\.rows))
    return (ranks.flatMap(\.losses).reduce(0, +), ranks.contains(where: \.wishesToStop))
  }

  // MARK: Shares

  /// Of the rows of the upper triangle of a B × B matrix, such that ranks have as much of it. With virtual shards they are those
  /// of whole panels, whose bits do not depend on the rank that forms them.
  var triangleShares: Shares {
    let unit = isVirtual ? GramPanel.rows : 1
    return shares { GramPanel.part($0, of: communicator.size, 0..<rowCount, rowCount, unit: unit) }
  }

  /// Of as many outputs of a layer.
  func outputShares(_ count: Int) -> Shares { shares { (0..<count).part($0, of: communicator.size) } }

  /// Whether a gathered layer of so many outputs is shared out among the ranks.
  func sharesOut(outputs: Int) -> Bool {
    !isVirtual && OutputShares.areWorthwhile(outputs, ranks: communicator.size)
  }

  private func shares(_ part: (Int) -> Range<Int>) -> Shares {
    Shares(all: (0..<communicator.size).map(part), own: part(communicator.rank))
  }

  private func shares(_ counts: [Int]) -> Shares {
    var start = 0
    let all = counts.map { count in
      defer { start += count }
      return start..<start + count
    }
    return Shares(all: all, own: all[communicator.rank])
  }

  /// This rank's rows of a batch, where they are known before ranks tell of them; nil where they are not, or nothing is
  /// gathered.
  func expectedRows(of batch: Batch<some BLASScalar>) -> Range<Int>? {
    guard !isAlone, !isVirtual, partition.ranks == communicator.size else { return nil }
    let own = partition.rows(of: batch.globalSize)
    precondition(batch.inputs.rows == own.count, "the rows are not those of this rank's shard")
    return own
  }

  // MARK: Sums

  /// Sums over the rows of all ranks, given what each part of the local rows has of each. One collective.
  func totals(_ sums: [[Double]]) throws -> [Double] {
    try phases.measure(.communication) {
      guard isVirtual else { return try communicator.allreduce(sums.map { $0[0] }) }
      var totals = [Double](repeating: 0, count: sums.count)
      try totals.withUnsafeMutableBufferPointer { totals in
        try communicator.orderedSum(totals) { range in
          for index in range { totals[index] = sums[index].reduce(totals[index], +) }
        }
      }
      return totals
    }
  }

  /// Each number ← its sum over the ranks. Collective.
  func sum(_ numbers: inout [Double]) throws {
    try numbers.withUnsafeMutableBufferPointer { try communicator.allreduce($0) }
  }

  /// One rank's word for all. Collective.
  func broadcast<Value: NumberCoded>(_ value: Value) throws -> Value {
    if isAlone { return value }
    return try phases.measure(.communication) { try communicator.broadcastValue(value) }
  }

  // MARK: Gathers

  /// Vectors of all rows (B each), given this rank's parts of them (#b each). One allgather. Collective.
  func gather<Scalar: DistributedScalar>(_ own: [Vector<Scalar>]) throws -> [Vector<Scalar>] {
    let (count, size) = (own.count, rowCount)
    let all = Vector<Scalar>(zeros: count * size)
    /// Part `index` of a rank's numbers: all of a vector are together.
    func part(_ index: Int, _ rows: Range<Int>) -> Vector<Scalar> {
      let start = count * rows.lowerBound + index * rows.count
      return all[start..<start + rows.count]
    }
    for (index, vector) in own.enumerated() { part(index, rows.own).assign(vector) }
    try complete(Matrix(all, size, count), rows)
    if isAlone { return own.indices.map { part($0, 0..<size) } }
    let result = own.map { _ in Vector<Scalar>(zeros: size) }
    for range in rows.all {
      for (index, vector) in result.enumerated() { vector[range].assign(part(index, range)) }
    }
    return result
  }

  /// The rows of all ranks (BT × n, T positions a row), given the parts of this rank's, in `storage` or where they are if there
  /// are no others. One allgather. Collective.
  func gather<Scalar: DistributedScalar>(
    _ parts: [Matrix<Scalar>], positions: Int = 1, in storage: inout Vector<Scalar>
  ) throws -> Matrix<Scalar> {
    if isAlone, parts.count == 1 { return parts[0] }
    let (size, columns) = (rowCount, parts[0].columns)
    let count = positions * columns
    storage.grow(to: size * count)
    let all = Matrix(storage[0..<size * count], size, count)
    var row = rows.own.lowerBound
    for part in parts {
      let rows = row..<row + part.rows / positions
      let own = all[rows: rows].elements
      if !own.isSame(as: part.elements) { own.assign(part.elements) }
      row = rows.upperBound
    }
    if !isAlone { try complete(all, rows) }
    return Matrix(all.elements, size * positions, columns)
  }

  /// The sparse rows of all ranks (B × d), given the parts of this rank's. Three allgathers: of the numbers of entries in
  /// the rows, of their columns, and of their values, of 4, 4 and w bytes each, 4B + (4 + w) · entries in all, where dense
  /// rows would be wBd. Collective.
  func gather<Scalar: DistributedScalar>(_ parts: [CSRMatrix<Scalar>]) throws -> CSRMatrix<Scalar> {
    if isAlone, parts.count == 1 { return parts[0] }
    let own = CSRMatrix(joining: parts)
    if isAlone { return own.sorted() }
    return try phases.measure(.communication) {
      let rowCounts = try communicator.allgather(own.rowCounts, counts: rows.counts)
      var rowStarts = [0]
      for count in rowCounts { rowStarts.append(rowStarts.last! + Int(count)) }
      func entries(of rows: Range<Int>) -> Range<Int> { rowStarts[rows.lowerBound]..<rowStarts[rows.upperBound] }
      let entryCounts = rows.all.map { entries(of: $0).count }
      let entryColumns = try communicator.allgather(Array(own.entryColumns), counts: entryCounts)
      let values = Vector<Scalar>(zeros: entryColumns.count)
      values[entries(of: rows.own)].assign(own.values)
      try values.withElements { try communicator.allgather(into: $0, counts: entryCounts) }
      return CSRMatrix(rowStarts: rowStarts, entryColumns: entryColumns, values: values, columns: own.columns)
    }.sorted()
  }

  /// Fills in the rows of a matrix that other ranks have, of which each has its share. Collective.
  func complete<Scalar: DistributedScalar>(_ matrix: Matrix<Scalar>, _ shares: Shares) throws {
    try phases.measure(.communication) {
      try matrix.elements.withElements {
        try communicator.allgather(into: $0, counts: shares.counts.map { $0 * matrix.columns })
      }
    }
  }
}

/// What the others need to know of a rank.
struct RankFacts {
  /// #b
  var rows: Int
  var wishesToStop: Bool
  /// Σ ωℓ over each part of its rows.
  var losses: [Double]

  /// Numbers of a rank whose rows have so many parts.
  static func count(parts: Int) -> Int { 2 + parts }
}

extension RankFacts: NumberCoded {
  var numbers: [Double] { rows.numbers + wishesToStop.numbers + losses }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(
      rows: Int(takingFrom: &numbers), wishesToStop: Bool(takingFrom: &numbers), losses: Array(numbers))
    numbers = []
  }
}
