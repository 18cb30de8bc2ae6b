import LinearAlgebra
import MPI
import Networks

/// Consecutive ranges, one per rank, and this rank's range among them.
struct Shares {
  let all: [Range<Int>]
  let own: Range<Int>

  var counts: [Int] { all.map(\.count) }
}

/// The rows of a batch on all ranks: their distribution, sums over them, and gathers of each rank's own numbers.
///
/// Only this type and the types that sum over ranks know the ranks. A sum or a gather gives all ranks the same result.
/// Where ranks share out classes, each has all rows of its group, and groups share out the rows: those of a single group have
/// all, whose sums and gathers are its own.
final class RowExchange {
  private let partition: RowPartition
  private let communicator: Communicator
  /// The ranks that share out rows.
  private let rowCommunicator: Communicator
  let phases: Phases
  /// The rows of each rank in the batch.
  private(set) var rows = Shares(all: [], own: 0..<0)
  /// nil where ranks share out the rows, and not the classes.
  private let classes: ClassShards?

  init(partition: RowPartition, communicator: Communicator, phases: Phases, classes: ClassShards? = nil) {
    self.partition = partition
    self.communicator = communicator
    rowCommunicator = classes?.rows ?? communicator
    self.phases = phases
    self.classes = classes
  }

  /// B, valid once ranks have exchanged their rows.
  var rowCount: Int { rows.all.last?.upperBound ?? 0 }

  /// Whether this rank has all rows.
  private var holdsAllRows: Bool { rowCommunicator.size == 1 }

  /// Whether this is the only rank.
  var isAlone: Bool { communicator.size == 1 }

  /// Whether results must not depend on the number of ranks.
  var isVirtual: Bool { partition.isVirtual }

  /// Exchanges the number of rows of each rank. Returns the sum of the losses, and whether any rank wishes to stop. One
  /// allgather. Collective.
  func begin(_ own: RankFacts) throws -> (lossSum: Double, interrupted: Bool) {
    let ranks = try phases.measure(.communication) {
      try rowCommunicator.allgatherValues(
        own, counts: (0..<rowCommunicator.size).map { RankFacts.count(parts: partition.partCount(of: $0)) })
    }
    rows = shares(ranks.map(\.rows))
    let loss = ranks.flatMap(\.losses).reduce(0, +)
    guard let classes else { return (loss, ranks.contains(where: \.wishesToStop)) }
    let wishes = try phases.measure(.communication) { try communicator.allreduce(own.wishesToStop ? 1 : 0) }
    return (try classes.agreed([loss])[0], wishes > 0)
  }

  /// Takes the rows of a batch of B rows that follow from the number of ranks alone. Returns those of consecutive ranks, of
  /// which this is one, counted from the first of them. Local.
  func takeRows(of batchSize: Int, ofRanks ranks: Range<Int>) -> Shares {
    rows = shares { RowPartition(rank: $0, ranks: communicator.size).rows(of: batchSize) }
    let first = rows.all[ranks.lowerBound].lowerBound
    let all = rows.all[ranks].map { $0.lowerBound - first..<$0.upperBound - first }
    return Shares(all: all, own: all[communicator.rank - ranks.lowerBound])
  }

  // MARK: Shares

  /// Shares of the rows of the upper triangle of a B × B matrix with equal areas. With virtual shards each share
  /// consists of whole panels, whose bits do not depend on the rank that forms them.
  var triangleShares: Shares {
    let unit = isVirtual ? GramPanel.rows : 1
    return shares { GramPanel.part($0, of: communicator.size, 0..<rowCount, rowCount, unit: unit) }
  }

  /// Shares of the outputs of a layer, with equal counts.
  func outputShares(_ count: Int) -> Shares { shares { (0..<count).part($0, of: communicator.size) } }

  /// Whether ranks share the outputs of a gathered layer.
  func sharesOut(outputs: Int) -> Bool {
    !isVirtual && !holdsAllRows && OutputShares.areWorthwhile(outputs, ranks: communicator.size)
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
    return Shares(all: all, own: all[rowCommunicator.rank])
  }

  /// This rank's rows of a batch, where they are known before the exchange; nil where they are not known, or where
  /// nothing is gathered.
  func expectedRows(of batch: Batch<some BLASScalar>) -> Range<Int>? {
    guard classes == nil, !holdsAllRows, !isVirtual, partition.ranks == communicator.size else { return nil }
    let own = partition.rows(of: batch.globalSize)
    precondition(batch.inputs.rows == own.count, "the rows are not those of this rank's shard")
    return own
  }

  // MARK: Sums

  /// Sums over the rows of all ranks, given the contribution of each part of the local rows to each sum. One
  /// collective.
  func totals(_ sums: [[Double]]) throws -> [Double] {
    try phases.measure(.communication) {
      if let classes { return try classes.totals(sums.map { $0[0] }) }
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

  /// Rank 0's value, on all ranks. Collective.
  func broadcast<Value: NumberCoded>(_ value: Value) throws -> Value {
    if isAlone { return value }
    return try phases.measure(.communication) { try communicator.broadcastValue(value) }
  }

  // MARK: Gathers

  /// Vectors of all rows (B each), given this rank's parts (#b each). One allgather. Collective.
  func gather<Scalar: DistributedScalar>(_ own: [Vector<Scalar>]) throws -> [Vector<Scalar>] {
    let (count, size) = (own.count, rowCount)
    let all = Vector<Scalar>(zeros: count * size)
    /// Part `index` of a rank's numbers: each vector's numbers are contiguous.
    func part(_ index: Int, _ rows: Range<Int>) -> Vector<Scalar> {
      let start = count * rows.lowerBound + index * rows.count
      return all[start..<start + rows.count]
    }
    for (index, vector) in own.enumerated() { part(index, rows.own).assign(vector) }
    // Where rows are shared out, one rank makes the exchanges of many, and counts them.
    if classes == nil || !holdsAllRows { try complete(Matrix(all, size, count), rows, by: rowCommunicator) }
    if holdsAllRows { return own.indices.map { part($0, 0..<size) } }
    let result = own.map { _ in Vector<Scalar>(zeros: size) }
    for range in rows.all {
      for (index, vector) in result.enumerated() { vector[range].assign(part(index, range)) }
    }
    return result
  }

  /// The rows of all ranks (BT × n, T positions per row), given the parts of this rank's rows; in `storage`, or in
  /// place where there are no others and no scales. One allgather. Collective.
  ///
  /// - Parameter scales: the factors of the columns (n) in the result, if any; the parts stay as they are.
  func gather<Scalar: DistributedScalar>(
    _ parts: [Matrix<Scalar>], positions: Int = 1, scaledBy scales: Vector<Scalar>? = nil,
    in storage: inout Vector<Scalar>
  ) throws -> Matrix<Scalar> {
    if holdsAllRows, parts.count == 1, scales == nil { return parts[0] }
    let (size, columns) = (rowCount, parts[0].columns)
    let count = positions * columns
    storage.grow(to: size * count)
    let all = Matrix(storage[0..<size * count], size, count)
    var row = rows.own.lowerBound
    for part in parts {
      let rows = row..<row + part.rows / positions
      let own = all[rows: rows].elements
      if let scales {
        Matrix(own, part.rows, columns).assignColumns(of: part, scaledBy: scales)
      } else if !own.isSame(as: part.elements) {
        own.assign(part.elements)
      }
      row = rows.upperBound
    }
    try completeRows(all)
    return Matrix(all.elements, size * positions, columns)
  }

  /// The sparse rows of all ranks (B × d), given the parts of this rank's rows. Three allgathers: the numbers of
  /// entries per row, the columns, and the values, with 4, 4 and w bytes each. That makes 4B + (4 + w) · entries bytes,
  /// where dense rows take wBd. Collective.
  func gather<Scalar: DistributedScalar>(_ parts: [CSRMatrix<Scalar>]) throws -> CSRMatrix<Scalar> {
    if holdsAllRows, parts.count == 1 { return parts[0] }
    let own = CSRMatrix(joining: parts)
    if holdsAllRows { return own.sorted() }
    return try phases.measure(.communication) {
      let rowCounts = try rowCommunicator.allgather(own.rowCounts, counts: rows.counts)
      var rowStarts = [0]
      for count in rowCounts { rowStarts.append(rowStarts.last! + Int(count)) }
      func entries(of rows: Range<Int>) -> Range<Int> { rowStarts[rows.lowerBound]..<rowStarts[rows.upperBound] }
      let entryCounts = rows.all.map { entries(of: $0).count }
      let entryColumns = try rowCommunicator.allgather(Array(own.entryColumns), counts: entryCounts)
      let values = Vector<Scalar>(zeros: entryColumns.count)
      values[entries(of: rows.own)].assign(own.values)
      try values.withElements { try rowCommunicator.allgather(into: $0, counts: entryCounts) }
      return CSRMatrix(rowStarts: rowStarts, entryColumns: entryColumns, values: values, columns: own.columns)
    }.sorted()
  }

  /// A vector of all rows (B), of which this rank has filled in its own. Collective.
  func complete<Scalar: DistributedScalar>(rows vector: Vector<Scalar>) throws {
    try completeRows(Matrix(vector, vector.count, 1))
  }

  /// Fills in the rows of a batch that other ranks hold. Collective.
  private func completeRows<Scalar: DistributedScalar>(_ matrix: Matrix<Scalar>) throws {
    if !holdsAllRows { try complete(matrix, rows, by: rowCommunicator) }
  }

  /// Fills in the rows of a matrix that other ranks hold, given the share of each rank. Collective.
  func complete<Scalar: DistributedScalar>(_ matrix: Matrix<Scalar>, _ shares: Shares) throws {
    try complete(matrix, shares, by: communicator)
  }

  private func complete<Scalar: DistributedScalar>(
    _ matrix: Matrix<Scalar>, _ shares: Shares, by communicator: Communicator
  ) throws {
    try phases.measure(.communication) {
      try matrix.elements.withElements {
        try communicator.allgather(into: $0, counts: shares.counts.map { $0 * matrix.columns })
      }
    }
  }
}

/// The facts about a rank that the others need.
struct RankFacts {
  /// #b
  var rows: Int
  var wishesToStop: Bool
  /// Σ ωℓ over each part of the rank's rows.
  var losses: [Double]

  /// The count of numbers for a rank whose rows have `parts` parts.
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
