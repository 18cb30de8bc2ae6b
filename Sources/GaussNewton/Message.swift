import LinearAlgebra
import MPI
import Networks

/// The numbers a distributed step computes with: known to BLAS and to MPI.
package typealias DistributedScalar = BLASScalar & MPIDatatype

/// How the sums of a backward pass travel.
package enum Exchange: String, Codable, CaseIterable, Sendable {
  /// In one allreduce after the pass.
  case single
  /// In one for each group of layers, begun as soon as its part is complete, while the pass goes on.
  case bucketed
}

/// What a backward pass gives, summed over the ranks: P parameters, and up to three scalars that travel with them.
package final class Message<Scalar: DistributedScalar> {
  private let buffer: Vector<Scalar>
  /// The parameter part (P).
  package let parameters: Vector<Scalar>
  package var exchange = Exchange.single

  private let linearization: Linearization<Scalar>
  private let communicator: Communicator
  private let phases: Phases
  /// Where the buckets begin, from the last to the first.
  private let bucketStarts: [Int]

  package init(_ linearization: Linearization<Scalar>, communicator: Communicator, phases: Phases) {
    let network = linearization.network
    buffer = Vector(zeros: network.layout.count + 3)
    parameters = buffer[0..<network.layout.count]
    self.linearization = linearization
    self.communicator = communicator
    self.phases = phases
    bucketStarts = Self.bucketStarts(of: network.body.parameterRanges, end: network.layout.count)
  }

  /// Whether there is more than one bucket.
  package var hasBuckets: Bool { bucketStarts.count > 1 }

  /// A scalar of the last sum.
  package subscript(scalar index: Int) -> Double { Double(buffer[parameters.count + index]) }

  /// A local backward product of the linearised batch.
  package enum Product {
    /// Jᵀ of cotangents of the logits (#b × C).
    case cotangents(Matrix<Scalar>)
    /// The sum of the rows' gradients times these factors (#b), of the cotangents that row gradients have kept, but for the
    /// layers that `assigns` fills in itself.
    case rowGradients(scaledBy: Vector<Scalar>, assigns: (Range<Int>, Vector<Scalar>) -> Bool)
  }

  /// parameters ← Σ Jᵀ `cotangents` (#b × C) over the rows of all ranks, and the sums of the scalars beside it. Collective.
  package func sumProduct(
    _ cotangents: Matrix<Scalar>, _ scalars: [Double] = [],
    transform: (Vector<Scalar>, Range<Int>) -> Void = { _, _ in }
  ) throws {
    try sum(.cotangents(cotangents), scalars, transform: transform)
  }

  /// parameters ← the sum of the product over the rows of all ranks, and the sums of the scalars beside it. One allreduce, or
  /// one a bucket. Collective.
  ///
  /// `transform` may change each part of the local product before its sum, linearly and in the same way on all ranks.
  package func sum(
    _ product: Product, _ scalars: [Double] = [],
    transform: (Vector<Scalar>, Range<Int>) -> Void = { _, _ in }
  ) throws {
    for (index, scalar) in scalars.enumerated() { buffer[parameters.count + index] = Scalar(scalar) }
    let count = parameters.count + scalars.count
    try buffer[0..<count].withElements { elements in
      switch exchange {
      case .single:
        phases.measure(.vjp) {
          multiply(product) { _ in }
          transform(parameters, 0..<parameters.count)
        }
        try phases.measure(.communication) { try communicator.allreduce(elements) }
      case .bucketed:
        var end = count
        // The time outside the pass is the wait for its sums.
        try phases.measure(.communication) {
          try communicator.withSums(of: Scalar.self) { sum in
            try phases.measure(.vjp) {
              try multiply(product) { part in
                transform(parameters, part)
                guard bucketStarts.contains(part.lowerBound) else { return }
                try phases.measure(.communication) {
                  try sum(UnsafeMutableBufferPointer(rebasing: elements[part.lowerBound..<end]))
                }
                end = part.lowerBound
              }
            }
          }
        }
      }
    }
  }

  /// parameters ← the local product; calls `finished` with each part that is complete.
  private func multiply<Failure: Error>(
    _ product: Product, finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    switch product {
    case .cotangents(let cotangents): try linearization.vjp(cotangents, into: parameters, finished: finished)
    case .rowGradients(let factors, let assigns):
      try linearization.vjp(scaledBy: factors, into: parameters, assigns: assigns, finished: finished)
    }
  }

  /// Seconds of a product with each exchange on the slowest rank, medians of alternating repetitions; the same on all
  /// ranks. Overwrites the linearization. Collective.
  package func measureExchanges(at parameters: Vector<Scalar>, on inputs: Matrix<Scalar>) throws -> [Exchange: Double] {
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
        let time = try ContinuousClock().measure { try sumProduct(cotangents) } / .seconds(1)
        seconds[candidate, default: []].append(try communicator.allreduce(time, .max))
      }
    }
    // The first repetition warms up.
    return seconds.mapValues { $0.dropFirst().sorted()[2] }
  }

  /// Layers together until they are worth a message of their own; the first parameters always begin a bucket.
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
