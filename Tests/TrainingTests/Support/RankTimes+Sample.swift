import GaussNewton
import Training

extension RankTimes {
  /// Ranks with these seconds of forward pass and communication.
  static func sample(_ parts: [(forward: Double, communication: Double)], steps: Int = 10) -> RankTimes {
    RankTimes(
      ranks: parts.enumerated().map { rank, part in
        RankTimes.Rank(
          host: "node\(rank)",
          seconds: Phases.Phase.allCases.map {
            $0 == .forward ? part.forward : $0 == .communication ? part.communication : 0
          })
      }, steps: steps)
  }
}
