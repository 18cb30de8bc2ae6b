extension Schedule {
  /// The first rung that trains as many steps as `rung`, where a whole run has `total`: in runs of few steps a setting
  /// trains the same in two rungs, and does so once.
  package func firstRung(like rung: Int, of total: Int) -> Int {
    let steps = steps(rung: rung, of: total, isWarm: false)
    return (1...rung).first { self.steps(rung: $0, of: total, isWarm: false) == steps }!
  }
}
