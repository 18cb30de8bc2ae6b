import LinearAlgebra
import MPI
import Networks

/// The number types of a distributed step, which BLAS and MPI both know.
public typealias DistributedScalar = BLASScalar & MPIDatatype

/// The way in which the sums of a backward pass travel.
package enum Exchange: String, Codable, CaseIterable, Sendable {
  /// In one allreduce after the pass.
  case single
  /// In one allreduce per group of layers, which starts as soon as its part is complete, during the pass.
  case bucketed
}

/// The result of a backward pass, summed over the ranks: P parameters, and a few numbers that travel with them.
///
/// All P numbers travel even where sparse inputs leave most of them zero. The alternative is one allgather per batch of
/// the features that each rank's rows have, and sums over their union: (features of the batch) · C numbers.
package final class Message<Scalar: DistributedScalar> {
  private let buffer: Vector<Scalar>
  /// The parameter part (P).
  package let parameters: Vector<Scalar>
  /// On a trunk that of its sums; there are none for a head whose classes ranks share out.
  package var exchange: Exchange {
    get { trunk?.message.exchange ?? ownExchange }
    set { if let trunk { trunk.message.exchange = newValue } else { ownExchange = newValue } }
  }
  private var ownExchange = Exchange.single

  /// The largest number of terms that travel with the parameters.
  private static var termLimit: Int { 3 }
  /// The contribution of each virtual shard (P and its terms); empty without virtual shards.
  private let partials: [Vector<Scalar>]
  private let linearization: Linearization<Scalar>
  /// The layers below, where the linearisation is of a head whose classes ranks share out.
  private let trunk: Trunk<Scalar>?
  private let communicator: Communicator
  private let phases: Phases
  /// The starts of the buckets, from the last bucket to the first.
  private let bucketStarts: [Int]

  package convenience init(_ linearization: Linearization<Scalar>, communicator: Communicator, phases: Phases) {
    self.init(linearization, on: nil, communicator: communicator, phases: phases)
  }

  init(
    _ linearization: Linearization<Scalar>, on trunk: Trunk<Scalar>?, communicator: Communicator, phases: Phases
  ) {
    let network = linearization.network
    let count = (trunk?.parameterCount ?? 0) + network.layout.count
    self.trunk = trunk
    buffer = Vector(zeros: count + Self.termLimit)
    parameters = buffer[0..<count]
    let (size, partition) = (buffer.count, linearization.partition)
    partials = (0..<(partition.isVirtual ? partition.partCount : 0)).map { _ in Vector(zeros: size) }
    self.linearization = linearization
    self.communicator = communicator
    self.phases = phases
    bucketStarts = Self.bucketStarts(of: network.body.parameterRanges, end: network.layout.count)
  }

  /// Whether there is more than one bucket.
  package var hasBuckets: Bool { trunk?.message.hasBuckets ?? (bucketStarts.count > 1) }

  /// The exchange that is mostly faster: sums of large buckets overlap with the pass.
  package var usualExchange: Exchange { hasBuckets ? .bucketed : .single }

  /// parameters ← Jᵀ of the cotangents, summed over the rows of all ranks. Returns the sums of the terms, which travel
  /// with it. Collective.
  @discardableResult
  package func sum(
    _ cotangents: Cotangents<Scalar>, with terms: RowTerms = [],
    transform: (Vector<Scalar>, Range<Int>) -> Void = { _, _ in }
  ) throws -> RowSums {
    precondition(terms.count <= Self.termLimit, "no room for so many terms")
    let P = parameters.count
    try sum(cotangents, terms, into: buffer[0..<P + terms.count], transform: transform)
    return RowSums(terms.map { $0.name }, terms.indices.map { Double(buffer[P + $0]) })
  }

  /// target ← Jᵀ of the cotangents, summed over the rows of all ranks (P), except for its first `omitted` numbers,
  /// which are not summed and may be overwritten. Collective.
  package func sum(_ cotangents: Cotangents<Scalar>, into target: Vector<Scalar>, omitted: Int = 0) throws {
    try sum(cotangents, [], into: target, omitted: omitted, transform: { _, _ in })
  }

  /// target ← Jᵀ of the cotangents, summed over the rows of all ranks, followed by the sums of the terms. One
  /// allreduce, or one per bucket, or one sum in the order of virtual shards. Collective.
  ///
  /// `transform` may change each range of the local product before its sum, linearly and in the same way on all ranks.
  private func sum(
    _ cotangents: Cotangents<Scalar>, _ terms: RowTerms, into target: Vector<Scalar>, omitted: Int = 0,
    transform: (Vector<Scalar>, Range<Int>) -> Void
  ) throws {
    if let trunk {
      let (below, own) = trunk.split(target)
      try sumOwn(cotangents, terms, into: own, omitted: 0, transform: transform)
      return try trunk.sum(cotangents, into: below)
    }
    try sumOwn(cotangents, terms, into: target, omitted: omitted, transform: transform)
  }

  /// The same for the parameters of the linearised network.
  private func sumOwn(
    _ cotangents: Cotangents<Scalar>, _ terms: RowTerms, into target: Vector<Scalar>, omitted: Int,
    transform: (Vector<Scalar>, Range<Int>) -> Void
  ) throws {
    if linearization.parts.areVirtual {
      precondition(omitted == 0, "virtual shards are summed in their order")
      return try sumInOrder(cotangents, terms, into: target, transform)
    }
    let P = linearization.network.layout.count
    let parameters = target[0..<P]
    for (index, term) in terms.enumerated() { target[P + index] = Scalar(term.ofParts[0]) }
    let count = target.count
    try target.withElements { elements in
      switch ownExchange {
      case .single:
        phases.measure(.vjp) {
          linearization.vjp(cotangents, into: [parameters])
          transform(parameters, 0..<parameters.count)
        }
        if omitted == count { return }
        try phases.measure(.communication) {
          try communicator.allreduce(UnsafeMutableBufferPointer(rebasing: elements[omitted...]))
        }
      case .bucketed:
        var end = count
        // The time outside the pass is spent waiting for its sums.
        try phases.measure(.communication) {
          try communicator.withSums(of: Scalar.self) { sum in
            try phases.measure(.vjp) {
              try linearization.vjp(cotangents, into: [parameters]) { part in
                transform(parameters, part)
                let start = max(omitted, part.lowerBound)
                guard bucketStarts.contains(part.lowerBound), start < end else { return }
                try phases.measure(.communication) {
                  try sum(UnsafeMutableBufferPointer(rebasing: elements[start..<end]))
                }
                end = part.lowerBound
              }
            }
          }
        }
      }
    }
  }

  /// sum ← Jᵀ of the cotangents and the terms, added in the order of virtual shards. `transform` is linear, so it may
  /// act on the sum itself. Collective.
  private func sumInOrder(
    _ cotangents: Cotangents<Scalar>, _ terms: RowTerms, into sum: Vector<Scalar>,
    _ transform: (Vector<Scalar>, Range<Int>) -> Void
  ) throws {
    let P = linearization.network.layout.count
    phases.measure(.vjp) {
      let gradients = partials.map { $0[0..<P] }
      linearization.vjp(cotangents, into: gradients)
      for (index, term) in terms.enumerated() {
        for (partial, number) in zip(partials, term.ofParts) { partial[P + index] = Scalar(number) }
      }
    }
    try phases.measure(.communication) {
      try sum.withElements { elements in
        try communicator.orderedSum(
          elements,
          add: { range in phases.measure(.vjp) { sum.add(partials, in: range) } },
          finish: { phases.measure(.vjp) { transform(sum[0..<P], 0..<P) } })
      }
    }
  }

  /// Seconds of a product with each exchange on the slowest rank, as medians of alternating repetitions; the same on
  /// all ranks. Overwrites the linearization. Collective.
  package func measureExchanges(at parameters: Vector<Scalar>, on inputs: Inputs<Scalar>) throws -> [Exchange: Double] {
    if let trunk { return try trunk.message.measureExchanges(at: trunk.split(parameters).trunk, on: inputs) }
    let before = exchange
    defer { exchange = before }
    linearization.linearize(at: parameters, on: inputs)
    let cotangents = linearization.outputScratch
    cotangents.elements.fill(0)
    var seconds: [Exchange: [Double]] = [:]
    for _ in 0..<6 {
      for candidate in Exchange.allCases {
        exchange = candidate
        try communicator.barrier()
        let time = try ContinuousClock().measure { try sum(.logits(cotangents)) } / .seconds(1)
        seconds[candidate, default: []].append(try communicator.allreduce(time, .max))
      }
    }
    // The first repetition is a warm-up.
    return seconds.mapValues { $0.dropFirst().sorted()[2] }
  }

  /// Groups layers until they are worth a message; the first parameters always begin a bucket.
  private static func bucketStarts(of ranges: [Range<Int>], end: Int) -> [Int] {
    let leastCount = 1 << 14
    var starts: [Int] = []
    for range in ranges.reversed() where !range.isEmpty {
      if range.lowerBound == 0 || (starts.last ?? end) - range.lowerBound >= leastCount {
        starts.append(range.lowerBound)
      }
    }
    return starts
  }
}

extension Vector {
  /// self ← self + terms[0] + terms[1] + … in a range, in this order, on all threads; terms may be longer.
  func add(_ terms: [Vector], in range: Range<Int>) {
    // A block fits into the first cache.
    let block = 1 << 12
    Threads.parallel((range.count + block - 1) / block, grain: 4) { blocks in
      for index in blocks {
        let start = range.lowerBound + index * block
        let own = start..<min(start + block, range.upperBound)
        for term in terms { self[own].combine(1, term[own]) }
      }
    }
  }
}
