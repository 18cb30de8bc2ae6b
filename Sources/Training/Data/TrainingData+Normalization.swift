import Datasets
import MPI

extension TrainingData {
  /// The normalization that is configured, or that suits the scales of the features: features of one scale keep their
  /// proportions, others get a deviation of 1 each, and zeros that are not stored stay zeros. Collective.
  static func normalization(
    of set: Dataset, _ name: String, _ configuration: Configuration, over communicator: Communicator
  ) throws -> (Normalization, FeatureScales) {
    let kind = configuration.data.normalize
    let choosesKind = configuration.data.$normalize.isAutomatic
    let statistics: FeatureStatistics
    switch set.features {
    case .dense(let matrix):
      // Statistics of fixed blocks of rows keep all bits independent of the number of ranks. For the scales alone, a
      // few rows suffice.
      let blocks = 64
      let isSampled = kind == .none && !choosesKind
      let parts = try communicator.allgather(
        (0..<blocks).part(communicator.rank, of: communicator.size).flatMap { block in
          let rows = (0..<set.count).part(block, of: blocks)
          return matrix.statistics(in: isSampled ? rows.prefix(32) : rows).flattened
        })
      statistics = FeatureStatistics(merging: parts, columns: set.featureCount)
    // Sparse values are so few that each rank counts all of them.
    case .sparse(let matrix):
      guard kind.keepsZeros || choosesKind else {
        throw CollectiveFailure(
          ConfigurationError(
            key: "data.normalize",
            "\(kind.rawValue) would fill in the zeros of sparse features; set it to unit-variance, or data.storage to dense"
          ))
      }
      statistics = matrix.statistics
    }
    let scales: FeatureScales =
      configuration.hasImages(set) ? .alike : FeatureScales(statistics, isSparse: set.features.isSparse)
    guard choosesKind else { return (try checked(kind, statistics, name), scales) }
    let suited: Normalization.Kind =
      scales == .alike ? .scale : set.features.isSparse ? .unitVariance : .standardize
    return (try checked(suited, statistics, name), scales)
  }
}
