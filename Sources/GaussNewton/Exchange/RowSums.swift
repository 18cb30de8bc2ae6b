import Networks

/// A number that each part of the rows adds to, and that travels with a sum over all of them.
package enum RowSum: Equatable, Sendable {
  /// Σ ωℓ
  case loss
  /// Ranks that wish to stop.
  case interruptions
  /// rᵀr, of the residual r of a system in the row space.
  case squaredResidual
  /// rᵀd, with the search direction d.
  case residualAlongDirection
  /// dᵀd
  case squaredDirection
  /// rᵀAd and dᵀAd, in a system with A.
  case residualAlongImage, directionCurvature
}

/// What came with a sum over the rows of all ranks, by name; the same on all of them.
package struct RowSums {
  private let names: [RowSum]
  private let totals: [Double]

  /// - Precondition: each total has a name.
  package init(_ names: [RowSum], _ totals: [Double]) {
    precondition(names.count == totals.count, "each total has a name")
    (self.names, self.totals) = (names, totals)
  }

  /// - Precondition: the number was asked for.
  package subscript(name: RowSum) -> Double {
    guard let place = names.firstIndex(of: name) else { preconditionFailure("\(name) did not travel with the sum") }
    return totals[place]
  }
}

/// Numbers that travel with a sum, each given for all parts of this rank's rows.
package typealias RowTerms = [(name: RowSum, ofParts: [Double])]

/// The same, each given for this rank.
typealias RowShares = [(name: RowSum, own: Double)]

extension Linearization {
  /// What `sum` gives for each part of the local rows.
  func sums(_ sum: (Range<Int>) -> Double) -> [Double] { parts.all.map(sum) }

  /// The interruptions, for a rank that wishes to stop or does not: the number is one of its first part.
  func interruptions(_ wishesToStop: Bool) -> [Double] {
    parts.all.indices.map { wishesToStop && $0 == 0 ? 1 : 0 }
  }
}
