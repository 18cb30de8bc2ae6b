/// Whether features are kept, and computed with, without their zeros.
package enum FeatureStorage: String, Codable, CaseIterable, Sendable {
  /// `sparse` where that is faster: for files that leave out most zeros.
  case auto
  case dense
  case sparse

  /// Products with sparse rows take as long as with dense ones at about this part of values that are not zero.
  private static let breakEven = 0.1

  func isSparse(_ features: SparseFeatures) -> Bool {
    switch self {
    case .auto: features.density < Self.breakEven
    case .dense: false
    case .sparse: true
    }
  }
}
