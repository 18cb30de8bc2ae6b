/// What is done to the values of every example before the network sees them: (x − offset) · scale.
///
/// Resolved once from the training set, kept with the model, and applied to whatever the model is used on.
package struct Normalization: Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// The values as they are.
    case none
    /// Every value divided by the largest magnitude of the training set.
    case scale
    /// Every column shifted and scaled to mean 0 and standard deviation 1 over the training set.
    case standardize
    /// Every column scaled to standard deviation 1 over the training set, and not shifted: zeros stay zeros.
    case unitVariance = "unit-variance"
  }

  package let kind: Kind
  /// One number a column of `standardize`, otherwise none.
  package let offsets: [Double]
  /// One number a column of `standardize` and `unit-variance`, a single number of `scale`, otherwise none.
  package let scales: [Double]
  private let singleOffsets: [Float]
  private let singleScales: [Float]

  /// The values as they are.
  package static let none = Normalization(kind: .none, offsets: [], scales: [])

  /// The normalization of a training set with these statistics.
  ///
  /// A column that is constant there carries no information and becomes 0, on other data too. All-zero values stay.
  package init(_ kind: Kind, _ statistics: FeatureStatistics) {
    switch kind {
    case .none: self = .none
    case .scale:
      let magnitude = statistics.largestMagnitude
      self.init(kind: kind, offsets: [], scales: [magnitude < Self.smallest ? 1 : 1 / magnitude])
    case .standardize, .unitVariance:
      let means = statistics.means
      let deviations = statistics.standardDeviations
      // A spread of a few roundings of the values is none.
      let isConstant = zip(means, deviations).map { max(Self.smallest, 4 * $0.magnitude.ulp) > $1 }
      self.init(
        kind: kind, offsets: kind == .unitVariance ? [] : zip(means, isConstant).map { $1 ? 0 : $0 },
        scales: zip(deviations, isConstant).map { $1 ? 0 : 1 / $0 })
    }
  }

  private init(kind: Kind, offsets: [Double], scales: [Double]) {
    self.kind = kind
    self.offsets = offsets
    self.scales = scales
    singleOffsets = offsets.map { Float($0) }
    singleScales = scales.map { Float($0) }
  }

  /// Whether rows of `columns` values can be normalised so.
  package func fits(columns: Int) -> Bool {
    [.none, .scale].contains(kind) || scales.count == columns
  }

  /// Whether a value of zero is zero afterwards, as sparse features need it.
  package var keepsZeros: Bool { kind.keepsZeros }

  /// What is smaller has no reciprocal in single precision.
  private static let smallest = Double(Float.leastNormalMagnitude)
}

extension Normalization.Kind {
  /// Whether a value of zero is zero afterwards.
  package var keepsZeros: Bool { self != .standardize }
}

extension Normalization: Codable {
  private enum CodingKeys: String, CodingKey {
    case kind, offsets, scales
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      kind: try container.decode(Kind.self, forKey: .kind),
      offsets: try container.decode([Double].self, forKey: .offsets),
      scales: try container.decode([Double].self, forKey: .scales))
    let isComplete =
      switch kind {
      case .none: offsets.isEmpty && scales.isEmpty
      case .scale: offsets.isEmpty && scales.count == 1
      case .standardize: !scales.isEmpty && offsets.count == scales.count
      case .unitVariance: !scales.isEmpty && offsets.isEmpty
      }
    guard isComplete && (offsets + scales).allSatisfy(\.isFinite) else {
      throw DecodingError.dataCorruptedError(
        forKey: .scales, in: container,
        debugDescription: "\(offsets.count) offsets and \(scales.count) scales are no normalization '\(kind.rawValue)'")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(kind, forKey: .kind)
    try container.encode(offsets, forKey: .offsets)
    try container.encode(scales, forKey: .scales)
  }
}

/// A normalization as the inner loops use it, in their precision.
enum ColumnMap<Work> {
  case identity
  case scale(Work)
  case columns(offsets: UnsafePointer<Work>, scales: UnsafePointer<Work>)
  case columnScales(UnsafePointer<Work>)
}

extension Normalization {
  func withFloats(_ body: (ColumnMap<Float>) -> Void) { Self.withMap(kind, singleOffsets, singleScales, body) }

  func withDoubles(_ body: (ColumnMap<Double>) -> Void) { Self.withMap(kind, offsets, scales, body) }

  private static func withMap<Work>(
    _ kind: Kind, _ offsets: [Work], _ scales: [Work], _ body: (ColumnMap<Work>) -> Void
  ) {
    switch kind {
    case .none: body(.identity)
    case .scale: body(.scale(scales[0]))
    case .standardize:
      offsets.withUnsafeBufferPointer { offsets in
        scales.withUnsafeBufferPointer { scales in
          body(.columns(offsets: offsets.baseAddress!, scales: scales.baseAddress!))
        }
      }
    case .unitVariance:
      scales.withUnsafeBufferPointer { body(.columnScales($0.baseAddress!)) }
    }
  }
}
