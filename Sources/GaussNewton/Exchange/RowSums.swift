import Networks

/// A sum over all rows that travels with another one; each part of the rows contributes to it.
package enum RowSum: Equatable, Sendable {
  /// Σ ωℓ
  case loss
  /// The number of ranks that wish to stop.
  case interruptions
  /// rᵀr, for the residual r of a system in the row space.
  case squaredResidual
  /// rᵀd, for the search direction d.
  case residualAlongDirection
  /// dᵀd
  case squaredDirection
  /// rᵀAd and dᵀAd, for a system with the matrix A.
  case residualAlongImage, directionCurvature
}

/// The sums that came with a sum over the rows of all ranks, by name; the same on all ranks.
package struct RowSums {
  private let names: [RowSum]
  private let totals: [Double]

  /// - Precondition: each total has a name.
  package init(_ names: [RowSum], _ totals: [Double]) {
    precondition(names.count == totals.count, "each total has a name")
    (self.names, self.totals) = (names, totals)
  }

  /// - Precondition: the sum was requested.
  package subscript(name: RowSum) -> Double {
    guard let place = names.firstIndex(of: name) else { preconditionFailure("\(name) did not travel with the sum") }
    return totals[place]
  }
}

/// Terms that travel with a sum: for each, the contributions of the parts of this rank's rows.
package typealias RowTerms = [(name: RowSum, ofParts: [Double])]

/// Terms that travel with a sum: for each, this rank's share.
typealias RowShares = [(name: RowSum, own: Double)]

extension Linearization {
  /// The value of `sum` for each part of the local rows.
  func sums(_ sum: (Range<Int>) -> Double) -> [Double] { parts.all.map(sum) }

  /// The contributions to `interruptions` of this rank's parts: a wish to stop counts in the first part.
  func interruptions(_ wishesToStop: Bool) -> [Double] {
    parts.all.indices.map { wishesToStop && $0 == 0 ? 1 : 0 }
  }
}
