import Training

/// Which settings go on to the next rung of a search.
extension SearchSpace {
  /// The best settings of a rung, of each family (equal but for weight decay, which says little about short runs) one before a
  /// second one. With them go, if they have not diverged in any rung,
  /// - with the best, and with the best that differs from it by more than rate and decay, the one with the next smaller learning
  ///   rate, and of these the best of the rung, whatever its weight decay: three times as many steps at a third of the rate lead
  ///   as far, with less noise;
  /// - to the last rung, with the best of all, those with the next smaller and the next larger weight decay.
  ///
  /// To a longer rung goes the best of each kind (equal but for rate and decay); with the first of them the one with the next
  /// smaller rate as above, and the one with the next larger weight decay: the longer a run, the more it needs.
  ///
  /// - Parameters:
  ///   - ranked: the settings of the rung that have not diverged, from the best to the worst.
  ///   - count: how many of them go on for their own sake.
  ///   - next: what the rung that they go on to is.
  package func promoted(
    _ ranked: [Setting], count: Int, to next: Schedule.Stage, hasDiverged: (Setting) -> Bool
  ) -> [Setting] {
    let families = ranked.map(\.configuration.pathIdentity)
    let kinds = ranked.map(\.kind)
    let (firsts, seconds) = Self.firsts(of: next == .longer ? kinds : families)
    let best = (firsts + (next == .longer ? [] : seconds)).prefix(count).sorted()
    let leaders = Self.firsts(of: best.map { kinds[$0] }).firsts.map { ranked[best[$0]] }
    var companions = leaders.prefix(next == .longer ? 1 : 2).map { leader in
      let slower = neighbours(of: leader, in: \.learningRate).below
      let place = slower.flatMap { families.firstIndex(of: $0.configuration.pathIdentity) }
      return place.map { ranked[$0] } ?? slower
    }
    if next != .sorting, let leader = leaders.first {
      let (below, above) = neighbours(of: leader, in: \.weightDecay)
      companions += next == .last ? [below, above] : [above]
    }
    let numbers =
      best.map { ranked[$0].number }
      + companions.compactMap(\.self).filter { !hasDiverged($0) }.map(\.number)
    return settings.filter { numbers.contains($0.number) }
  }

  /// The settings of a rung that three times as many steps may make better than all others: those whose best model is of the last
  /// third of their runs, of a kind that is not far behind, and whose gain since their last rung promises as much.
  ///
  /// - Parameters:
  ///   - ranked: the settings of the rung that have not diverged.
  ///   - record: with the results of this rung. What is known of later ones, where a search goes on, does not count.
  package func worthMore(
    _ ranked: [Setting], rung: Int, _ record: SearchRecord, by criterion: Configuration.TrainingOptions.Criterion
  ) -> [Setting] {
    let known = record.results.filter { !$0.hasDiverged && $0.trial.rung <= rung }
    func shortfall(_ result: TrialResult) -> Double { result.shortfall(by: criterion) }
    guard let best = record.best(by: criterion, where: { $0.trial.rung <= rung }) else { return [] }
    // How near a kind is to the best is a matter between those that have rungs.
    let trained = known.filter { !settings[$0.trial.setting - 1].reachesOptimum }
    let leastOfTrained = trained.map(shortfall).min() ?? .infinity
    return ranked.filter { setting in
      let results = known.filter { $0.trial.setting == setting.number }.sorted { $0.trial.rung < $1.trial.rung }
      guard let last = results.last, last.trial.rung == rung, 3 * last.bestStep! >= 2 * last.steps else { return false }
      let kind = Set(settings.filter { $0.kind == setting.kind }.map(\.number))
      let bestOfKind = known.filter { kind.contains($0.trial.setting) }.map(shortfall).min()!
      if bestOfKind > (1 + Schedule.leastGain) * leastOfTrained { return false }
      // Three times as many steps at a third of the rate lead about as far.
      if let faster = faster(than: setting),
        let reached = known.first(where: { $0.trial == Trial(setting: faster.number, rung: rung) }),
        shortfall(reached) > shortfall(best)
      {
        return false
      }
      guard let before = results.dropLast().last else { return last.trial == best.trial }
      return Schedule.isWorthMore(
        shortfall(before), shortfall(last), rungs: rung - before.trial.rung, best: shortfall(best))
    }
  }

  /// The places of words that are new, and of those that have come before.
  private static func firsts(of words: [String]) -> (firsts: [Int], seconds: [Int]) {
    var seen = Set<String>()
    let isFirst = words.map { seen.insert($0).inserted }
    return (words.indices.filter { isFirst[$0] }, words.indices.filter { !isFirst[$0] })
  }

  /// The setting with the next larger learning rate, if that is about three times as large or more, and all else equal.
  func faster(than setting: Setting) -> Setting? {
    let faster = neighbours(of: setting, in: \.learningRate).above
    func rate(_ setting: Setting) -> Double { setting.configuration.optimizer.learningRate }
    return faster.flatMap { rate($0) > 2.9 * rate(setting) ? $0 : nil }
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

extension SearchSpace.Setting {
  /// Equal for settings that train the same but for their learning rate and weight decay.
  var kind: String { configuration.identity(without: \.weightDecay, \.learningRate) }
}

extension Configuration {
  /// Equal for configurations that train the same but for their weight decay.
  var pathIdentity: String { identity(without: \.weightDecay) }

  /// Equal for configurations that train the same but for some of the optimizer's numbers.
  fileprivate func identity(without numbers: WritableKeyPath<OptimizerOptions, Double>...) -> String {
    var configuration = self
    for number in numbers { configuration.optimizer[keyPath: number] = 1 }
    return configuration.identity
  }
}
