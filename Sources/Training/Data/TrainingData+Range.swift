import Datasets
import MPI

/// Checks of the numbers that computations with a set would produce.
extension TrainingData {
  /// Throws for the first finite value that exceeds single precision. Collective.
  static func checkRange(
    _ set: Dataset, _ name: String, _ normalization: Normalization, over communicator: Communicator
  ) throws {
    let shard = BatchSampler.shard(of: 0..<set.count, rank: communicator.rank, count: communicator.size)
    let found = set.features.firstOverflow(in: shard, normalization)
    let first = try communicator.allreduce(found.map { $0.row * set.featureCount + $0.column } ?? .max, .min)
    guard first < .max else { return }
    let place = set.featureFiles.place(of: first / set.featureCount, in: name)
    throw CollectiveFailure(
      DataError.badContents(
        place.path,
        "example \(place.row) has a value that is too large for float32 at feature \(first % set.featureCount), with "
          + "normalize \(normalization.kind.rawValue); correct it, or set training.precision to float64"))
  }

  /// The normalization, if its numbers are finite; values beyond 10¹⁵⁰ have squares that are not.
  static func checked(
    _ kind: Normalization.Kind, _ statistics: FeatureStatistics, _ name: String
  ) throws -> Normalization {
    let columns = zip(statistics.means, statistics.standardDeviations)
    if kind != .scale, kind != .none,
      let column = columns.enumerated().first(where: { !($1.0.isFinite && $1.1.isFinite) })?.offset
    {
      throw CollectiveFailure(
        DataError.badContents(
          name,
          "feature \(column) has values too large for normalize \(kind.rawValue): their squares are not finite; correct "
            + "them, or set data.normalize to scale"))
    }
    return Normalization(kind, statistics)
  }
}
