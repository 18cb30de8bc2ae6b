import Training

/// Which settings go on to the next rung of a search.
extension SearchSpace {
  /// The best settings of a rung, of each family (equal but for weight decay, which says little about short runs) one before a
  /// second one. With them go, if they have not diverged in any rung,
  /// - with the best, and with the best that differs from it by more than rate and decay, the one with the next smaller learning
  ///   rate, and of these the best of the rung, whatever its weight decay: three times as many steps at a third of the rate lead
  ///   as far, with less noise;
  /// - if `isLast`, with the best of all, those with the next smaller and the next larger weight decay.
  ///
  /// - Parameters:
  ///   - ranked: the settings of the rung that have not diverged, from the best to the worst.
  ///   - count: how many of them go on for their own sake.
  ///   - isLast: whether the next rung trains all steps, or more.
  package func promoted(
    _ ranked: [Setting], count: Int, isLast: Bool, hasDiverged: (Setting) -> Bool
  ) -> [Setting] {
    let families = ranked.map(\.configuration.pathIdentity)
    var seen = Set<String>()
    let isFirst = families.map { seen.insert($0).inserted }
    let (firsts, seconds) = (ranked.indices.filter { isFirst[$0] }, ranked.indices.filter { !isFirst[$0] })
    let best = (firsts + seconds).prefix(count).sorted().map { ranked[$0] }
    var companions: [Setting?] = []
    var kinds: [String] = []
    for setting in best where kinds.count < 2 {
      let kind = setting.configuration.kindIdentity
      if kinds.contains(kind) { continue }
      kinds.append(kind)
      let slower = neighbours(of: setting, in: \.learningRate).below
      let place = slower.flatMap { families.firstIndex(of: $0.configuration.pathIdentity) }
      companions.append(place.map { ranked[$0] } ?? slower)
    }
    if isLast, let first = best.first {
      let (below, above) = neighbours(of: first, in: \.weightDecay)
      companions += [below, above]
    }
    let numbers = (best + companions.compactMap(\.self).filter { !hasDiverged($0) }).map(\.number)
    return settings.filter { numbers.contains($0.number) }
  }

  /// The settings with the next smaller and the next larger value of a number, and all else equal.
  private func neighbours(
    of setting: Setting, in number: WritableKeyPath<Configuration.OptimizerOptions, Double>
  ) -> (below: Setting?, above: Setting?) {
    func value(_ setting: Setting) -> Double { setting.configuration.optimizer[keyPath: number] }
    let identity = setting.configuration.identity(without: number)
    let line = settings.filter { $0.configuration.identity(without: number) == identity }
    return (
      line.filter { value($0) < value(setting) }.max { value($0) < value($1) },
      line.filter { value($0) > value(setting) }.min { value($0) < value($1) }
    )
  }
}

extension Configuration {
  /// Equal for configurations that train the same but for their weight decay.
  var pathIdentity: String { identity(without: \.weightDecay) }

  /// Equal for configurations that train the same but for their learning rate and weight decay.
  fileprivate var kindIdentity: String { identity(without: \.weightDecay, \.learningRate) }

  /// Equal for configurations that train the same but for some of the optimizer's numbers.
  fileprivate func identity(without numbers: WritableKeyPath<OptimizerOptions, Double>...) -> String {
    var configuration = self
    for number in numbers { configuration.optimizer[keyPath: number] = 1 }
    return configuration.identity
  }
}
