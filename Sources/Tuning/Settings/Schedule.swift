/// How long settings are trained: successive halving, where there are many and none starts from another's model. All train for
/// a part of their steps, the best third trains anew for three times as many, and so on (Jamieson and Talwalkar,
/// "Non-stochastic best arm identification and hyperparameter optimization", 2016, with runs whose learning rate comes to its
/// end in each rung).
package struct Schedule: Equatable, Sendable {
  /// The number of rungs, of which the last one trains all steps.
  package let rungs: Int
  /// How many more follow while they pay, each of three times as many steps as the one before.
  package let extensions: Int

  /// What a rung is to a search.
  package enum Stage {
    /// It sorts out settings by a part of their steps.
    case sorting
    /// It trains all steps.
    case last
    /// It trains more steps than a whole run has.
    case longer
  }

  /// Of three settings each goes on to the next rung.
  package static let ratio = 3
  /// The part of the steps of a run that a setting of a path trains from the model of the one before.
  package static let warmPart = 7

  /// The share of the least loss, or of the least errors, that a rung must promise to take off for it to follow the last one.
  package static let leastGain = 0.03

  package init(rungs: Int, extensions: Int = 0) { (self.rungs, self.extensions) = (rungs, extensions) }

  /// Whether three times as many steps are worth a try for a setting with the loss `last`, which was `before` some rungs ago, where
  /// the best of all is `best`: gains that fall to a third from rung to rung would make it better by a share that counts.
  package static func isWorthMore(_ before: Double, _ last: Double, rungs: Int = 1, best: Double) -> Bool {
    let next = (before - last) * (2.0 / 3) / Double((0..<rungs).reduce(1) { power, _ in 3 * power } - 1)
    return next > 0 && last - next < (1 - leastGain) * best
  }

  /// The rungs for a number of settings: the last one has two of them or more.
  package static func rungs(settings: Int) -> Int { settings >= 9 ? 3 : settings >= 4 ? 2 : 1 }

  /// The steps of a setting in a rung, counted from 1, where a whole run has `total`.
  package func steps(rung: Int, of total: Int, isWarm: Bool) -> Int {
    func power(_ exponent: Int) -> Int { (0..<max(0, exponent)).reduce(1) { power, _ in power * Self.ratio } }
    let part = isWarm ? Self.warmPart : power(rungs - rung)
    return max(1, (total * power(rung - rungs) + part - 1) / part)
  }

  /// The first rung that trains as many steps as `rung`, where a whole run has `total`: in runs of few steps a setting
  /// trains the same in two rungs, and does so once.
  package func firstRung(like rung: Int, of total: Int) -> Int {
    let steps = steps(rung: rung, of: total, isWarm: false)
    return (1...rung).first { self.steps(rung: $0, of: total, isWarm: false) == steps }!
  }

  package func stage(of rung: Int) -> Stage { rung < rungs ? .sorting : rung == rungs ? .last : .longer }

  /// How many of `count` settings go on from a rung to the next, without those that go with them; of the last rung two.
  package func survivors(of count: Int, rung: Int) -> Int {
    min(count, rung >= rungs ? 2 : max(2, (count + Self.ratio - 1) / Self.ratio))
  }

  /// What a rung is called, for people; nil where there is one only.
  package func title(of rung: Int) -> String? {
    if rung > rungs { return "rung \(rung), \(Self.ratio) times as long" }
    return rungs > 1 ? "rung \(rung) of \(rungs)" : nil
  }
}
