import MPI

/// Settings that train at the same time, each by a group of ranks.
package struct Wave {
  /// One for each group.
  package let settings: [SearchSpace.Setting]

  /// The number of groups.
  package var groups: Int { settings.count }

  /// Settings in waves of at most `limit` groups, and of so many that all ranks have work: towards the end, fewer and larger
  /// ones. It follows from the settings alone how many ranks train each of them.
  package static func waves(of settings: [SearchSpace.Setting], upTo limit: Int, ranks: Int) -> [Wave] {
    var (waves, rest) = ([Wave](), settings[...])
    while !rest.isEmpty {
      let groups = RankGroups.largestCount(upTo: min(limit, rest.count), of: ranks)
      waves.append(Wave(settings: Array(rest.prefix(groups))))
      rest = rest.dropFirst(groups)
    }
    return waves
  }
}
