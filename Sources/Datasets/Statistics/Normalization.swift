/// The transformation of the values of each example before the network sees them: (x − offset) · scale.
///
/// It is determined once from the training set, stored with the model, and applied to all data that the model is used
/// on.
package struct Normalization: Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// Values stay as they are.
    case none
    /// All values are divided by the largest magnitude of the training set.
    case scale
    /// Each column is shifted and scaled to mean 0 and standard deviation 1 over the training set.
    case standardize
    /// Each column is scaled to standard deviation 1 over the training set without a shift, so that zeros stay zeros.
    case unitVariance = "unit-variance"
  }

  package let kind: Kind
  /// One number per column for `standardize`, otherwise empty.
  package let offsets: [Double]
  /// One number per column for `standardize` and `unit-variance`, a single number for `scale`, otherwise empty.
  package let scales: [Double]
  private let singleOffsets: [Float]
  private let singleScales: [Float]

  /// Keeps values as they are.
  package static let none = Normalization(kind: .none, offsets: [], scales: [])

  /// The normalization of a training set with these statistics.
  ///
  /// A column that is constant in the training set carries no information and becomes 0, on other data as well. Columns
  /// of zeros stay.
  package init(_ kind: Kind, _ statistics: FeatureStatistics) {
    switch kind {
    case .none: self = .none
    case .scale:
      let magnitude = statistics.largestMagnitude
      self.init(kind: kind, offsets: [], scales: [magnitude < Self.smallest ? 1 : 1 / magnitude])
    case .standardize, .unitVariance:
      let means = statistics.means
      let deviations = statistics.standardDeviations
      // A spread of a few roundings does not count.
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

  /// Whether the normalization applies to rows of `columns` values.
  package func fits(columns: Int) -> Bool {
    [.none, .scale].contains(kind) || scales.count == columns
  }

  /// Whether zeros stay zeros, as sparse features require.
  package var keepsZeros: Bool { kind.keepsZeros }

  /// Smaller numbers have no reciprocal in single precision.
  private static let smallest = Double(Float.leastNormalMagnitude)
}

extension Normalization.Kind {
  /// Whether zeros stay zeros.
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

/// A normalization in the form and precision of the inner loops.
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
