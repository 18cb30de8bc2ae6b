import Training

/// The settings that a search compares, and the way that they are tried.
package struct SearchSpace {
  /// A point of the space.
  package struct Setting {
    /// Counted from 1.
    package let number: Int
    /// The value of each axis; empty where the setting does not have the axis, or its method does not read it.
    package let values: [String]
    /// With all automatic settings chosen.
    package let configuration: Configuration
    /// The setting whose model this one starts from: the same one with the next stronger weight decay.
    package var warmStart: Int?
    /// Whether it is tried from the last rung on only.
    package var joinsLate = false

    /// Whether runs of this setting end with the optimum of their objective, and not with a number of steps.
    package var reachesOptimum: Bool { configuration.training.until == .optimum }
  }

  /// The axes whose products the settings are, as they were asked for.
  package let grids: [[SearchAxis]]
  /// The keys of all axes, in order.
  package let keys: [String]
  package private(set) var settings: [Setting]
  /// Whether weight decays are a path, from strong to weak, each of which starts from the model of the one before.
  package let isPath: Bool

  private static let decay = "optimizer.weight_decay"

  /// The union of the products of `grids`. Settings that differ only by what their methods do not read are one. Throws exit
  /// code 64 for axes that do not go together, and for a path where there is none.
  ///
  /// - Parameter load: the configuration with `KEY=VALUE` overrides, resolved; throws for an impossible one.
  package init(_ grids: [[SearchAxis]], isPath: Bool = false, load: ([String]) throws -> Configuration) throws {
    var keys: [String] = []
    for axis in grids.joined() where !keys.contains(axis.key) { keys.append(axis.key) }
    if let foreign = keys.first(where: Self.isShared) {
      throw ConfigurationError(
        source: "--over", key: foreign,
        "is common to all settings of a search; give it in the configuration or with --set")
    }
    for grid in grids {
      if let twice = grid.indices.first(where: { index in grid[..<index].contains { $0.key == grid[index].key } }) {
        throw ConfigurationError(source: "--over", key: grid[twice].key, "is there twice; give all its values at once")
      }
    }
    var (settings, seen) = ([Setting](), Set<String>())
    for grid in grids {
      for combination in Self.product(grid) {
        let configuration = try load(combination.map { "\($0.key)=\($0.value)" })
        guard seen.insert(configuration.identity).inserted else { continue }
        let values = keys.map { key in
          configuration.reads(key) ? combination.first { $0.key == key }?.value ?? "" : ""
        }
        let joinsLate = zip(grid, combination).contains { axis, chosen in
          axis.early.map { !axis.values.prefix($0).contains(chosen.value) } ?? false
        }
        settings.append(
          Setting(number: settings.count + 1, values: values, configuration: configuration, joinsLate: joinsLate))
      }
    }
    self.grids = grids
    self.keys = keys
    self.settings = settings
    self.isPath = isPath
    guard isPath else {
      // The optimum of a convex objective does not depend on where the way to it begins.
      joinPaths { $0.reachesOptimum && !$0.configuration.model.hasHiddenParameters }
      return
    }
    guard keys.contains(Self.decay), settings.allSatisfy({ !$0.configuration.model.hasHiddenParameters }) else {
      throw ConfigurationError(
        source: "--path", "needs several values of \(Self.decay) and a model without hidden layers; leave it out")
    }
    guard settings.allSatisfy({ $0.configuration.optimizer.decayTo == .zero }) else {
      throw ConfigurationError(
        source: "--path",
        "begins runs with models of others, which optimizer.decay_to: initial would decay to; leave one of them out")
    }
    joinPaths { _ in true }
  }

  /// What must not differ within a search: the examples, what scores are compared by, and what runs write.
  private static func isShared(_ key: String) -> Bool {
    ["data", "checkpoint", "logging"].contains(key.prefix { $0 != "." })
      || [
        "training", "training.seed", "training.precision", "training.reproducible", "training.virtual_shards",
        "training.keep", "training.best_by", "training.peer_timeout", "training.stall_timeout",
      ].contains(key)
  }

  private static func product(_ grid: [SearchAxis]) -> [[(key: String, value: String)]] {
    grid.reduce([[]]) { combinations, axis in
      combinations.flatMap { combination in axis.values.map { combination + [(axis.key, $0)] } }
    }
  }

  /// Gives the settings that differ by their weight decay alone their warm starts.
  private mutating func joinPaths(where isPart: (Setting) -> Bool) {
    let parts = settings.indices.filter { isPart(settings[$0]) }
    let paths = Dictionary(grouping: parts) { settings[$0].configuration.pathIdentity }
    for path in paths.values {
      let sorted = path.sorted {
        settings[$0].configuration.optimizer.weightDecay > settings[$1].configuration.optimizer.weightDecay
      }
      for (strong, weak) in zip(sorted, sorted.dropFirst()) { settings[weak].warmStart = settings[strong].number }
    }
  }

  /// The settings in an order in which warm starts come before the settings that they are for.
  package var ordered: [Setting] {
    var order: [Setting] = []
    func add(_ setting: Setting) {
      if order.contains(where: { $0.number == setting.number }) { return }
      if let start = setting.warmStart { add(settings[start - 1]) }
      order.append(setting)
    }
    settings.forEach(add)
    return order
  }
}

extension Configuration {
  /// Whether a run with this configuration reads a setting.
  fileprivate func reads(_ key: String) -> Bool {
    if key == "optimizer.decay_biases", !model.hasBiases { return false }
    if ["training.tolerance", "training.max_passes"].contains(key) { return training.until == .optimum }
    return !key.hasPrefix("optimizer.") || optimizer.reads(key)
  }

  /// Equal for configurations that train the same.
  var identity: String {
    leaves.filter { reads($0.key) }.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
  }
}
