/// Whether features are stored, and computed with, without their zeros.
package enum FeatureStorage: String, Codable, CaseIterable, Sendable {
  /// `sparse` where that is faster, for files that leave out most zeros.
  case auto
  case dense
  case sparse

  /// The density at which products with sparse rows take about as long as products with dense ones.
  private static let breakEven = 0.1

  func isSparse(_ features: SparseFeatures) -> Bool {
    switch self {
    case .auto: features.density < Self.breakEven
    case .dense: false
    case .sparse: true
    }
  }
}
